import base64
import io
import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from services.orchestrator.conversation import ChatGraph
from services.orchestrator.handler import build_api
from services.orchestrator.settings import OrchestratorSettings
from shared.errors import SettingsError
from tests.unit.orchestrator.scripted import ScriptedLambda

MakeGraph = Callable[..., ChatGraph]


def event(body: str | None, *, is_base64: bool = False) -> dict[str, Any]:
    """A request as API Gateway's REST proxy integration gives it."""
    return {
        "resource": "/chat",
        "path": "/chat",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "requestContext": {"requestId": "request-1", "stage": "prod", "path": "/prod/chat"},
        "body": body,
        "isBase64Encoded": is_base64,
    }


class Api:
    """The resolver over a scripted retrieve function."""

    def __init__(self, make_graph: MakeGraph) -> None:
        self.client = ScriptedLambda()
        graph = make_graph(self.client)
        self._api = build_api(lambda: graph)

    def raw(self, request: dict[str, Any]) -> tuple[int, str, dict[str, Any]]:
        response = self._api.resolve(request, LambdaContext())
        [content_type] = response["multiValueHeaders"]["Content-Type"]
        return response["statusCode"], content_type, json.loads(response["body"])

    def post(self, **fields: Any) -> tuple[int, str, dict[str, Any]]:
        return self.raw(event(json.dumps(fields)))


@pytest.fixture
def api(make_graph: MakeGraph) -> Api:
    return Api(make_graph)


def test_a_turn(api: Api) -> None:
    status, content_type, body = api.post(message="Who created Ultron?", session_id="session-1")
    assert (status, content_type) == (200, "application/json")
    assert list(body) == [
        "session_id",
        "answer",
        "citations",
        "results",
        "mode",
        "attribution",
        "timing_ms",
    ]
    assert body["session_id"] == "session-1"
    assert "Hank Pym" in body["answer"]
    assert body["citations"][0] == {
        "n": 1,
        "id": "character:1-001",
        "title": "Ultron",
        "url": "https://example.test/ultron",
        "snippet": "Hank Pym created Ultron in 1968. Ultron hates the Avengers.",
    }
    assert body["mode"] == "extractive"
    assert set(body["timing_ms"]) == {"retrieve", "generate", "total"}


@pytest.mark.parametrize("absent", [{}, {"session_id": None}])
def test_a_turn_without_an_id_opens_a_session_of_its_own(api: Api, absent: dict[str, Any]) -> None:
    _, _, first = api.post(message="hello", **absent)
    _, _, second = api.post(message="hello", **absent)
    assert first["session_id"] != second["session_id"]
    assert str(uuid.UUID(first["session_id"])) == first["session_id"]


def test_a_session_goes_on_with_the_id_it_was_given(api: Api) -> None:
    _, _, first = api.post(message="Who created Ultron?")
    _, _, second = api.post(message="Who is he?", session_id=first["session_id"])
    assert second["session_id"] == first["session_id"]
    assert api.client.searches[-1]["q"] == "Who is Hank Pym?"


BAD_FIELDS: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "message: is required"),
    ({"message": ""}, 400, "message"),
    ({"message": " \n\t\u3000"}, 400, "message: must not be blank"),
    ({"message": None}, 400, "message"),
    ({"message": 5}, 400, "message"),
    ({"message": ["x"]}, 400, "message"),
    ({"message": "x" * 4_001}, 413, "4,000"),
    ({"message": "x", "k": 0}, 400, "k: "),
    ({"message": "x", "k": 101}, 400, "k: "),
    ({"message": "x", "passages": 0}, 400, "passages: "),
    ({"message": "x", "passages": 6}, 400, "passages: "),
    ({"message": "x", "k": "5"}, 400, "k: "),
    ({"message": "x", "k": True}, 400, "k: "),
    ({"message": "x", "k": 1.5}, 400, "k: "),
    ({"message": "x", "session_id": 7}, 400, "session_id"),
    ({"message": "x", "session_id": ""}, 400, "session_id"),
    ({"message": "x", "session_id": "seven77"}, 400, "session_id"),
    ({"message": "x", "session_id": "a" * 65}, 400, "session_id"),
    ({"message": "x", "session_id": "session-1\n"}, 400, "session_id"),
    ({"message": "x", "session_id": "session#1"}, 400, "session_id"),
    ({"message": "x", "session_id": "s\u00e9ssion-1"}, 400, "session_id"),
    ({"message": "x", "mode": "dense"}, 400, "mode: unknown"),
    ({"message": "x", "filters": []}, 400, "filters"),
    ({"message": "x", "filters": {"series": "1"}}, 400, "filters.series: unknown"),
    ({"message": "x", "filters": {"id": 7}}, 400, "filters.id"),
    ({"message": "x", "filters": {"since": "yesterday"}}, 400, "filters.since"),
    ({"message": "x", "filters": {"until": "2024-02-30"}}, 400, "filters.until"),
    ({"message": "x", "filters": {"entity": " "}}, 400, "filters.entity"),
    ({"message": "x", "corpus": "No/Corpus"}, 400, "corpus"),
]


@pytest.mark.parametrize(("fields", "status", "named"), BAD_FIELDS)
def test_a_bad_field_is_named(api: Api, fields: dict[str, Any], status: int, named: str) -> None:
    answered, content_type, problem = api.post(**fields)
    assert (answered, content_type) == (status, "application/problem+json")
    assert named in problem["error"]["message"]
    assert problem["error"]["code"] == ("TEXT_TOO_LONG" if status == 413 else "INVALID_INPUT")
    assert problem["request_id"] == "request-1"
    assert problem["status"] == status
    assert api.client.searches == []


def test_an_unknown_field_lists_the_known_ones(api: Api) -> None:
    _, _, problem = api.post(message="x", filters={"series": "1"})
    assert "entity, id, since, until" in problem["detail"]
    _, _, problem = api.post(message="x", mode="dense")
    assert "message, session_id, k, passages, filters, corpus" in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "{",
        "message=x",
        "[]",
        '"x"',
        "null",
        "[" * 60_000,
        '{"message": "\\ud800"}',
        "NaN",
    ],
)
def test_a_body_that_is_no_request_is_refused(api: Api, body: str | None) -> None:
    status, content_type, _ = api.raw(event(body))
    assert (status, content_type) == (400, "application/problem+json")


@pytest.mark.parametrize("body", ["%%%", base64.b64encode(b"\xff\xfe").decode(), "é"])
def test_a_body_that_is_no_text_is_refused(api: Api, body: str) -> None:
    status, _, _ = api.raw(event(body, is_base64=True))
    assert status == 400


def test_a_base64_body_is_read(api: Api) -> None:
    body = base64.b64encode('{"message": "Wer schuf Ultron? ä"}'.encode()).decode()
    assert api.raw(event(body, is_base64=True))[0] == 200


def test_the_bounds_themselves_are_inside(api: Api) -> None:
    assert api.post(message="x" * 4_000, k=50)[0] == 200
    assert api.post(message="x", session_id="a" * 8)[0] == 200
    assert api.post(message="x", session_id="_-Z9" * 16)[0] == 200
    assert api.post(message="x", k=1, filters={"since": "2024-01-31T12:00:00Z"})[0] == 200


@pytest.mark.parametrize(
    ("message", "searches"),
    [
        ("?!…", 0), ("the of and", 0), ("\u200b", 0), ("q", 1), ("大" * 1000, 1),
        ("大" * 4000, 1), (" ".join(f"zq{number}x" for number in range(300)), 1),
    ],
)  # fmt: skip
def test_a_message_that_says_little_or_too_much_is_answered(
    api: Api, message: str, searches: int
) -> None:
    started = time.process_time()
    status, _, body = api.post(message=message)
    assert time.process_time() - started < 1.0
    assert (status, len(api.client.searches)) == (200, searches)
    assert body["answer"]
    assert all(0 < len(search["q"]) <= 1000 for search in api.client.searches)


@pytest.mark.parametrize("size_bytes", [64 * 1024 + 1, 10_000_000])
def test_a_body_over_its_size_is_too_long(api: Api, size_bytes: int) -> None:
    frame = len('{"message": "x"}')
    body = '{"message": "x"' + " " * (size_bytes - frame) + "}"
    status, _, problem = api.raw(event(body))
    assert (status, problem["error"]["code"]) == (413, "TEXT_TOO_LONG")


def test_an_unknown_corpus_is_not_found(api: Api) -> None:
    api.client.answer = {"error": {"code": "NOT_FOUND", "message": "no corpus x", "status": 404}}
    status, content_type, problem = api.post(message="Ultron", corpus="x")
    assert (status, content_type) == (404, "application/problem+json")
    assert problem["error"] == {"code": "NOT_FOUND", "message": "no corpus x"}


@pytest.mark.parametrize(
    "answer", [b"broken", {"error": {"code": "INTERNAL", "message": "s3://x"}}]
)
def test_an_inner_failure_shows_nothing_of_the_inside(api: Api, answer: object) -> None:
    api.client.answer = answer
    status, _, problem = api.post(message="Ultron")
    assert (status, problem["error"]["code"]) == (500, "INTERNAL")
    assert "retrieve" not in json.dumps(problem)
    assert "s3" not in json.dumps(problem)


def test_an_unknown_path_is_not_found(api: Api) -> None:
    assert api.raw(event("{}") | {"path": "/other", "resource": "/other"})[0] == 404


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (None, {"message": "Who is Quicksilver?"}),
        (b"broken", {"message": "Who is Quicksilver?"}),
        (None, {"message": "Who is Quicksilver?", "session_id": 3}),
        (None, {"message": "Quicksilver" * 1_000}),
    ],
)
def test_what_is_asked_is_never_logged(
    api: Api,
    capsys: pytest.CaptureFixture[str],
    everything_logged: io.StringIO,
    answer: object,
    fields: dict[str, Any],
) -> None:
    if answer is not None:
        api.client.answer = answer
    api.post(**fields)
    captured = capsys.readouterr()
    written = captured.out + captured.err + everything_logged.getvalue()
    assert re.search(r"turn (answered|refused|failed)", written)
    assert "Quicksilver" not in written


def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKPOINT_TABLE", "table")
    for name in ("RETRIEVE_FUNCTION_NAME", "DEFAULT_CORPUS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=r"RETRIEVE_FUNCTION_NAME.*DEFAULT_CORPUS"):
        OrchestratorSettings.load()
