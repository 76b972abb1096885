"""The `ultron` command as a person runs it, against a real HTTP server on loopback."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from services.cli.ask.api import read_answer
from services.cli.errors import UnavailableError
from services.cli.main import main
from tests.unit.cli.a_run import RUN_ID
from tests.unit.cli.fake_api import OUTPUTS, FakeApi, running_api, write_outputs

RESULT = {
    "id": "character:1-001",
    "score": 0.71,
    "snippet": "Hank Pym created Ultron.",
    "meta": {"entity": "character", "id": "1", "title": "Ultron"},
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server that stands for the deployment; the command finds it by its environment."""
    with running_api() as server:
        monkeypatch.setenv("ULTRON_API_URL", server.url)
        monkeypatch.setenv("ULTRON_API_KEY", "the-key")
        yield server


@pytest.fixture
def outputs_file(tmp_path: Path) -> Path:
    path = tmp_path / "outputs.json"
    write_outputs(path)
    return path


def test_retrieve_sends_the_query_and_shows_the_results(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer = (200, json.dumps({"results": [RESULT]}).encode())
    arguments = ["retrieve", "Who & why?", "--k", "3", "--filter", "entity=comic,event"]
    assert main([*arguments, "--filter", "since=2020-01-01"]) == 0
    [asked] = api.asked
    assert (asked["method"], asked["path"], asked["key"]) == ("GET", "/prod/retrieve", "the-key")
    assert asked["query"] == {
        "q": ["Who & why?"],
        "k": ["3"],
        "filter.entity": ["comic,event"],
        "filter.since": ["2020-01-01"],
    }
    shown = capsys.readouterr().out
    assert "0.710  Ultron" in shown
    assert "Hank Pym created Ultron." in shown


def test_retrieve_without_results_says_so(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer = (200, b'{"results": []}')
    assert main(["retrieve", "x"]) == 0
    assert capsys.readouterr().out == "nothing found\n"


@pytest.mark.parametrize(("options", "sent"), [([], None), (["--partial"], ["true"])])
def test_a_part_of_an_answer_will_do_when_that_is_said(
    api: FakeApi, options: list[str], sent: list[str] | None
) -> None:
    assert main(["retrieve", "x", *options]) == 0
    [asked] = api.asked
    assert asked["query"].get("partial") == sent


def test_a_partial_answer_says_how_much_answered(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = {"searched": 2, "of": 3}
    answer = {"partial": True, "index": {"groups": groups}, "results": [RESULT]}
    api.answer = (200, json.dumps(answer).encode())
    assert main(["retrieve", "x", "--partial"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "only 2 of 3 parts of the index answered"
    assert second.startswith("1. 0.710  Ultron")


@pytest.mark.parametrize(("options", "sent"), [([], None), (["--no-spelling"], ["false"])])
def test_words_are_searched_as_they_are_when_that_is_said(
    api: FakeApi, options: list[str], sent: list[str] | None
) -> None:
    assert main(["retrieve", "x", *options]) == 0
    [asked] = api.asked
    assert asked["query"].get("spelling") == sent


def test_an_answer_to_other_words_says_so(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    corrected = {"ulton": "ultron", "warmachine": "war machine"}
    api.answer = (200, json.dumps({"results": [RESULT], "corrected": corrected}).encode())
    assert main(["retrieve", "ulton warmachine"]) == 0
    said = "searched for ultron for ulton, war machine for warmachine"
    assert capsys.readouterr().out.splitlines()[0] == said
    answer = {"session_id": "s-1", "answer": "Hank Pym", "corrected": {"ulton": "ultron"}}
    api.answer = (200, json.dumps(answer).encode())
    assert main(["chat", "Who created Ulton?"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "searched for ultron for ulton"


def test_json_shows_the_whole_answer(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"results": [RESULT], "timing_ms": {"total": 1}}
    api.answer = (200, json.dumps(answer).encode())
    assert main(["retrieve", "x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer


def test_chat_sends_the_message_and_shows_answer_and_citations(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {
        "session_id": "s-1",
        "answer": "Hank Pym [1]",
        "citations": [{"n": 1, "id": "c", "title": "Ultron", "url": "https://u"}],
    }
    api.answer = (200, json.dumps(answer).encode())
    assert main(["chat", "Who created Ultron?", "--session-id", "s-1", "--k", "2"]) == 0
    [asked] = api.asked
    assert asked["path"] == "/prod/chat"
    assert asked["body"] == {"message": "Who created Ultron?", "session_id": "s-1", "k": 2}
    assert capsys.readouterr().out.splitlines() == [
        "Hank Pym [1]",
        "[1] Ultron  https://u",
        "session s-1",
    ]


def test_no_line_of_an_answer_passes_for_a_citation(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"session_id": "s-1", "answer": "He did.\n[1] Forged  https://evil\nsession s-2"}
    api.answer = (200, json.dumps(answer).encode())
    assert main(["chat", "x"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "He did.",
        "  [1] Forged  https://evil",
        "  session s-2",
        "session s-1",
    ]


def test_an_answer_that_is_nested_too_deeply_is_no_json_object() -> None:
    with pytest.raises(UnavailableError, match="no JSON object"):
        read_answer(200, b"[" * 2000)


PROBLEM = {"detail": "k must be 1 to 50", "request_id": "r-1", "error": {"code": "INVALID_INPUT"}}
OVERLOADED = {"detail": "try again in a second", "request_id": "r-2"}


@pytest.mark.parametrize(
    ("status", "body", "exit_status", "words"),
    [
        (400, PROBLEM, 2, "the API answered 400: k must be 1 to 50 (request r-1)"),
        (413, PROBLEM, 2, "the API answered 413"),
        (403, {"message": "Forbidden"}, 4, "Forbidden: is the API key right?"),
        (404, {"detail": "no corpus x"}, 3, "no corpus x"),
        (409, {"detail": "other model"}, 4, "other model"),
        (429, {"message": "Too Many Requests"}, 1, "Too Many Requests"),
        (429, OVERLOADED, 1, "the API answered 429: try again in a second (request r-2)"),
        (500, OVERLOADED, 1, "the API answered 500: try again in a second (request r-2)"),
        (504, OVERLOADED, 1, "the API answered 504: try again in a second (request r-2)"),
        (500, {}, 1, "no reason given"),
        (502, None, 1, "no JSON object"),
        (200, None, 1, "no JSON object"),
    ],
)
def test_refusals_become_one_sentence_and_a_status(
    api: FakeApi,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: dict[str, Any] | None,
    exit_status: int,
    words: str,
) -> None:
    api.answer = (status, b"<html>" if body is None else json.dumps(body).encode())
    assert main(["retrieve", "x"]) == exit_status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    assert words in captured.err
    assert "the-key" not in captured.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "not a url", "ftp://127.0.0.1"])
def test_an_address_where_nothing_answers_is_named(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chat", "x", "--api-url", url, "--api-key", "k"]) in {1, 2}
    assert url in capsys.readouterr().err


def test_an_api_that_takes_the_request_and_never_answers_is_not_called_absent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("services.cli.ask.api._TIMEOUT", urllib3.Timeout(connect=5, read=0.2))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        assert main(["retrieve", "x", "--api-url", url, "--api-key", "k"]) == 1
    said = capsys.readouterr().err
    assert "gave no answer within" in said
    assert "try again" in said
    assert "is it deployed" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["retrieve", "x"], "--outputs FILE, --api-url or ULTRON_API_URL"),
        (["retrieve", "x", "--api-url", "http://x"], "--api-key or ULTRON_API_KEY"),
        (["run", "show", RUN_ID], "--checkpoint-table or ULTRON_CHECKPOINT_TABLE"),
        (["ingest", "--corpus", "c"], "--ingest-function or ULTRON_INGEST_FUNCTION"),
        (["index", "list", "--corpus", "c"], "--bucket-name or ULTRON_BUCKET_NAME"),
        (
            ["index", "restore", "--corpus", "c", "--version", "1"],
            "--compactor-function or ULTRON_COMPACTOR_FUNCTION",
        ),
        (["index", "rebuild", "--corpus", "c"], "ULTRON_COMPACTOR_FUNCTION"),
        (["index", "recall", "--corpus", "c", "--samples", "1"], "ULTRON_RETRIEVE_FUNCTION"),
    ],
)
def test_a_missing_address_says_how_to_give_it(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["nope"],
        ["ingest"],
        ["ingest", "--corpus", "c", "--mode", "some"],
        ["retrieve", "x", "--filter", "entity"],
        ["chat", "x", "--k", "two"],
        ["run", "watch", "r", "--timeout", "soon"],
        ["index"],
        ["index", "list"],
        ["index", "list", "--corpus", "c", "--limit", "0"],
        ["index", "restore", "--corpus", "c"],
        ["index", "restore", "--corpus", "c", "--version", "-1"],
        ["index", "restore", "--corpus", "c", "--version", "\u0661"],
        ["index", "recall", "--corpus", "c"],
        ["index", "recall", "--corpus", "c", "--samples", "many"],
    ],
)
def test_wrong_use_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_outputs_lead_to_the_local_aws_when_there_is_one(
    api: FakeApi, outputs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{api.server_port}/")
    assert main(["retrieve", "x", "--outputs", str(outputs_file)]) == 0
    [asked] = api.asked
    assert asked["path"] == "/_aws/execute-api/abc/prod/retrieve"
    assert asked["key"] == OUTPUTS["api_key"]


def test_options_win_over_outputs(api: FakeApi, outputs_file: Path) -> None:
    arguments = ["retrieve", "x", "--outputs", str(outputs_file), "--api-url", api.url]
    assert main([*arguments, "--api-key", "mine"]) == 0
    assert [asked["key"] for asked in api.asked] == ["mine"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"api_id": 1}', "\udcff", "null", '"x"'])
def test_a_file_of_something_else_is_named(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outputs.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert main(["retrieve", "x", "--outputs", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert "terraform output -json" in error


def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "show", RUN_ID, "--outputs", str(tmp_path / "gone.json")]) == 2
    assert "gone.json" in capsys.readouterr().err


def test_an_outputs_file_that_overrides_the_environment_is_said(
    outputs_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ULTRON_NAME_PREFIX", "ultron")
    monkeypatch.setenv("ULTRON_BUCKET_NAME", "another-bucket")
    monkeypatch.setenv("ULTRON_API_KEY", "a-secret-of-another")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert main(["retrieve", "x", "--outputs", str(outputs_file)]) == 1
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == (
        f"using ultron, which {outputs_file} describes, and not the other deployment that the "
        "environment names (ULTRON_API_KEY, ULTRON_BUCKET_NAME)"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "show", "latest"], ["'latest': must be the id of a run", "ultron run list"]),
        (["run", "cancel", f"{RUN_ID}x"], ["such as 20261123T060000Z-1a2b3c4d"]),
        (["run", "retry-gaps", ""], ["such as 20261123T060000Z-1a2b3c4d"]),
        (["run", "list", "--corpus", "Marvel"], ["'Marvel' names no corpus", "lower-case"]),
        (["ingest", "--corpus", "a b"], ["such as marvel-comics", "ultron corpus list"]),
        (["retrieve", "x", "--corpus", "Marvel"], ["such as marvel-comics"]),
        (["index", "mark-bad", "--corpus", "c", "--shard", "x"], ["ultron index shards"]),
        (
            ["index", "list", "--corpus", "c", "--bucket-name", "B c"],
            ["'B c' cannot be the bucket"],
        ),
        (["run", "list", "--corpus", "c", "--checkpoint-table", "x y"], ["3 to 255 letters"]),
        (["run", "start", "--corpus", "c", "--ingest-function", "x y"], ["such as ultron-ingest"]),
        (["stage", "list", "--name-prefix", "a/b"], ["such as ultron"]),
    ],
)
def test_a_wrong_id_or_name_says_what_a_right_one_looks_like(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert [word for word in words if word not in error] == []
    assert "^" not in error
    assert "pattern" not in error
