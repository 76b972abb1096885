"""Whatever is in an answer: each line that is shown is one line, of printable characters."""

import ast
import io
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cli.ask.rendering import chat_lines, retrieve_lines
from services.cli.corpus import rendering as corpus_rendering
from services.cli.dead_letter import rendering as dead_letter_rendering
from services.cli.index import rendering as index_rendering
from services.cli.main import main
from services.cli.notices import notices_shown
from services.cli.output import write_json, write_line, write_lines
from services.cli.run.rendering import (
    ending_line,
    gap_lines,
    run_lines,
    run_list_lines,
    steering_line,
)
from services.cli.stage import rendering as stage_rendering
from services.cli.tables import table_lines
from shared.models.run import ProblemPage
from shared.platform.observability import logger
from shared.platform.printing import columns
from tests.unit.cli.a_run import a_run
from tests.unit.cli.fake_api import FakeApi, running_api
from tests.unit.platform.test_printing import HOSTILE, TEXTS, is_allowed

CLI = Path(__file__).resolve().parents[3] / "services" / "cli"
FOREIGN = "\x00foreign"  # stands for a text that others wrote
BENIGN = "x"
Lines = Callable[[Any], Iterable[str]]

RUN = {"status": FOREIGN, "mode": FOREIGN, "ended_at": None, "started_at": FOREIGN,
       "run_id": FOREIGN}  # fmt: skip
CORPUS = {
    "name": FOREIGN, "kind": FOREIGN, "managed_by": FOREIGN, "problem": FOREIGN,
    "schedule": {FOREIGN: FOREIGN}, "last_run": RUN, "parameter": FOREIGN,
    "rules": [{"name": FOREIGN, "expression": FOREIGN, "state": FOREIGN}],
    "document": {FOREIGN: [FOREIGN]},
}  # fmt: skip
MESSAGE = {
    "stage": FOREIGN, "message_id": FOREIGN, "failed_at": FOREIGN, "sent_at": FOREIGN,
    "about": FOREIGN, "code": FOREIGN, "reason": FOREIGN, "job": {FOREIGN: {FOREIGN: FOREIGN}},
}  # fmt: skip
STAGE = {"stage": FOREIGN, "state": "disabled", "waiting": 1, "in_flight": 2, "delayed": 3,
         "dead_letters": 4, "kept_days": 4.0}  # fmt: skip
MODEL = {"id": FOREIGN, "revision": FOREIGN, "dims": 4}
ANSWERS: list[tuple[Lines, dict[str, Any]]] = [
    (retrieve_lines, {
        "corrected": {FOREIGN: FOREIGN},
        "partial": True, "index": {"groups": {"searched": FOREIGN, "of": FOREIGN}},
        "results": [{"id": FOREIGN, "score": 0.5, "snippet": FOREIGN,
                     "meta": {"entity": FOREIGN, "id": FOREIGN, "title": FOREIGN}},
                    {"id": FOREIGN, "score": 0.5}]}),
    (chat_lines, {
        "corrected": {FOREIGN: FOREIGN}, "answer": BENIGN, "session_id": FOREIGN, "citations": [
        {"n": FOREIGN, "id": FOREIGN, "title": FOREIGN, "url": FOREIGN}]}),
    (corpus_rendering.corpora_lines, {"corpora": [CORPUS, CORPUS]}),
    (corpus_rendering.corpus_lines, CORPUS),
    (corpus_rendering.added_lines, {
        "corpus": FOREIGN, "change": "replaced", "reads_again": True,
        "rules": [{"name": FOREIGN, "expression": FOREIGN}]}),
    (lambda d: corpus_rendering.removed_lines(d, d["bucket"]), {
        "corpus": FOREIGN, "objects_deleted": 1, "stay": [FOREIGN], "bucket": FOREIGN}),
    (corpus_rendering.trial_lines, {
        "corpus": FOREIGN, "records_of_source": 2, "has_chained_pages": True, "records": 1,
        "pages_read": 1, "pages_of_source": 1, "warnings": [FOREIGN],
        "entities": [{"key": FOREIGN, "title": FOREIGN, "text": "a text", "text_characters": 1,
                      "modified": None, "urls": [], "attribution": None, "warnings": [FOREIGN],
                      "metadata": {"colour": "y" + FOREIGN, "list": [FOREIGN, FOREIGN]}}],
        "rejects": [{"is_left_out": False, "field_path": FOREIGN, "reason": FOREIGN,
                     "raw": FOREIGN}]}),
    (dead_letter_rendering.messages_lines, {
        "dead_letters": [MESSAGE], "hidden": {FOREIGN: 1}, "more": [FOREIGN]}),
    (dead_letter_rendering.message_lines, MESSAGE),
    (dead_letter_rendering.message_lines, MESSAGE | {"job": FOREIGN}),
    (dead_letter_rendering.redriven_lines, {
        "stage": FOREIGN, "redriven": [FOREIGN], "failed": {FOREIGN: FOREIGN}}),
    (dead_letter_rendering.dropped_lines, {"stage": FOREIGN, "dropped": {FOREIGN: FOREIGN}}),
    (index_rendering.index_lines, {"corpus": FOREIGN, "indexes": [{"model": MODEL, "versions": [
        {"version": FOREIGN, "committed_at": FOREIGN, "change": FOREIGN, "shards": FOREIGN,
         "vectors": FOREIGN, "size_bytes": 1}]}]}),
    (index_rendering.shards_lines, {"corpus": FOREIGN, "indexes": [
        {"model": MODEL, "version": FOREIGN, "shards": [
            {"shard_id": FOREIGN, "vectors": 1, "entities": 1, "size_bytes": 1,
             "origin": FOREIGN}]}]}),
    (index_rendering.marked_lines, {
        "version": FOREIGN, "corpus": FOREIGN, "vectors": FOREIGN, "shards": FOREIGN,
        "entities": FOREIGN, "rebuild": {"rebuild_id": FOREIGN, "steps": FOREIGN}}),
    (index_rendering.recall_lines, {
        "k": FOREIGN, "corpus": FOREIGN, "version": FOREIGN, "recall": 1.0, "samples": FOREIGN,
        "recall_worst": 1.0, "milliseconds": {FOREIGN: FOREIGN}}),
    (stage_rendering.stages_lines, {"stages": [STAGE]}),
    (stage_rendering.paused_lines, STAGE),
    (stage_rendering.resumed_lines, STAGE),
    (lambda d: [steering_line(d["action"], d)], {
        "action": FOREIGN, "run_id": FOREIGN, "status": FOREIGN, "reason": FOREIGN}),
]  # fmt: skip


def with_texts(document: Any, texts: Callable[[], str]) -> Any:
    """The document with a text in the place of each that others wrote."""
    if isinstance(document, str):
        return document.replace(FOREIGN, texts()) if FOREIGN in document else document
    if isinstance(document, list):
        return [with_texts(item, texts) for item in document]
    if isinstance(document, dict):
        return {with_texts(k, texts): with_texts(v, texts) for k, v in document.items()}
    return document


def printed(lines: Iterable[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        stream = io.StringIO()
        patch.setattr(sys, "stdout", stream)
        write_lines(lines)
    return stream.getvalue()


def assert_printable(text: str, lines: int) -> None:
    assert text.endswith("\n")
    assert len(text[:-1].split("\n")) == lines
    assert all(map(is_allowed, text.replace("\n", "")))


@pytest.mark.parametrize(("render", "template"), ANSWERS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_text_of_an_answer_forges_a_line(
    render: Lines, template: dict[str, Any], data: st.DataObject
) -> None:
    # One that is empty may be left out with its line, which is no forgery.
    texts = TEXTS.filter(lambda text: text.strip() != "")
    expected = list(render(with_texts(template, lambda: BENIGN)))
    shown = printed(render(with_texts(template, lambda: data.draw(texts))))
    assert_printable(shown, len(expected))


# A record of the table holds no lone surrogates: it is validated.
RECORDED = TEXTS.map(lambda text: text.encode(errors="ignore").decode()).filter(str.strip)


@given(RECORDED, RECORDED)
def test_no_text_of_a_run_forges_a_line(reason: str, page: str) -> None:
    run = a_run("failed", reason=f"r{reason}")
    problem = ProblemPage(
        page_id="p", endpoint="e", outcome="gap", reason=reason, query={page: reason}
    )
    assert_printable(printed([ending_line(run)]), 1)
    assert_printable(printed(run_lines(run, [problem])), 5)
    assert_printable(printed(gap_lines([problem])), 2)
    assert_printable(printed(run_list_lines([run])), 1)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5))
def test_columns_of_a_table_stand_under_each_other(rows: list[tuple[str, str, str]]) -> None:
    rows = [(first, second, f"{third}|") for first, second, third in rows]
    lines = printed(table_lines(rows, left={0})).split("\n")[:-1]
    assert len(lines) == len(rows)
    assert len({columns(line) for line in lines}) == 1


def test_wide_and_combining_characters_take_their_columns() -> None:
    rows = [("日本", "1"), ("Zoe\u0308", "22"), ("\x1b[31m", "3")]
    assert list(table_lines(rows, left={0})) == [
        "日本         1",
        "Zoe\u0308         22",
        "\\u001b[31m   3",
    ]


@given(TEXTS)
def test_json_of_an_answer_is_printable_and_unchanged(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stream = io.StringIO()
        patch.setattr(sys, "stdout", stream)
        write_json({text: [text]})
    shown = stream.getvalue()
    assert shown.isascii()
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == json.loads(json.dumps({text: [text]}))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterable[FakeApi]:
    with running_api() as server:
        monkeypatch.setenv("ULTRON_API_URL", server.url)
        monkeypatch.setenv("ULTRON_API_KEY", "the-key")
        yield server


def test_what_a_server_answers_is_printable(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    result = {"id": HOSTILE, "score": 1, "meta": {"entity": HOSTILE, "id": HOSTILE}}
    api.answer = (200, json.dumps({"results": [result]}).encode())
    assert main(["retrieve", "x"]) == 0
    assert_printable(capsys.readouterr().out, 2)
    assert main(["retrieve", "x", "--json"]) == 0
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    [read] = json.loads(shown)["results"]
    assert read == result


def test_what_a_server_complains_of_is_one_line(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = {"detail": HOSTILE, "request_id": HOSTILE, "message": HOSTILE}
    api.answer = (500, json.dumps(problem).encode())
    assert main(["retrieve", "x"]) == 1
    assert_printable(capsys.readouterr().err, 1)


def test_wrong_use_is_complained_of_in_printable_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["chat", "x", f"--nope{HOSTILE}"])
    error = capsys.readouterr().err
    assert "nope" in error
    assert all(map(is_allowed, error.replace("\n", "")))


def test_what_is_logged_meanwhile_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with notices_shown():
        logger.warning("one %s", HOSTILE, extra={"reason": HOSTILE})
        logger.info("nothing that a person needs")
    assert_printable(capsys.readouterr().err, 1)


def test_what_an_encoding_does_not_have_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with pytest.raises(SystemExit) as ended:
        main(["chat", "--help"])
    assert ended.value.code == 0
    write_line("Zoë")
    sys.stdout.flush()
    assert raw.getvalue().endswith(b"Zo\\xeb\n")


def writes(path: Path) -> bool:
    """Whether a module writes by itself: with `print`, or to a stream."""
    return any(
        isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "print")
            or (isinstance(node.func, ast.Attribute) and node.func.attr in {"write", "writelines"})
        )
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def test_one_module_writes_what_a_person_reads() -> None:
    assert [path.name for path in sorted(CLI.glob("*.py")) if writes(path)] == ["output.py"]
