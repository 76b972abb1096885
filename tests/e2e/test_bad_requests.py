"""Every public parameter has a bound and says so."""

import json

import pytest

from shared.models.run import RunProgress
from tests.e2e.stack import Answer, Stack


def assert_problem(answer: Answer, status: int, mention: str) -> None:
    assert answer.status == status, answer.body
    assert answer.content_type == "application/problem+json"
    assert answer.body["error"]["code"]
    assert answer.body["request_id"]
    assert mention in answer.body["error"]["message"], answer.body


@pytest.mark.parametrize(
    ("query", "status", "mention"),
    [
        ({}, 400, "q"),
        ({"q": " "}, 400, "q"),
        ({"q": "x", "k": "0"}, 400, "k"),
        ({"q": "x", "k": "101"}, 400, "k"),
        ({"q": "x", "passages": "0"}, 400, "passages"),
        ({"q": "x", "group": "maybe"}, 400, "group"),
        ({"q": "x", "k": "x"}, 400, "k"),
        ({"q": "x", "threshold": "high"}, 400, "threshold"),
        ({"q": "x", "mode": "magic"}, 400, "mode"),
        ({"q": "x", "filter.since": "yesterday"}, 400, "filter.since"),
        ({"q": "x", "filter.until": "2024-13-01"}, 400, "filter.until"),
        ({"q": "x", "filter.colour": "red"}, 400, "filter.colour"),
        ({"q": "x", "page": "2"}, 400, "page"),
        ({"q": "x", "corpus": "nowhere"}, 404, "nowhere"),
        ({"q": "x", "corpus": "UPPER CASE"}, 400, "corpus"),
        ({"q": "x", "corpus": "notes-empty"}, 404, "notes-empty"),
        ({"q": "word " * 400}, 413, "1,000"),
    ],
)
def test_retrieve_refuses(
    stack: Stack, marvel_run: RunProgress, query: dict[str, str], status: int, mention: str
) -> None:
    assert_problem(stack.request("GET", "/retrieve", query=query), status, mention)


@pytest.mark.parametrize(
    ("body", "status", "mention"),
    [
        (b"", 400, "body"),
        (b"no json", 400, "JSON"),
        (b"[1]", 400, "object"),
        (b"{}", 400, "message"),
        (json.dumps({"message": "  "}).encode(), 400, "message"),
        (json.dumps({"message": "x", "k": 101}).encode(), 400, "k"),
        (json.dumps({"message": "x", "k": "x"}).encode(), 400, "k"),
        (json.dumps({"message": "x", "colour": "red"}).encode(), 400, "colour"),
        (json.dumps({"message": "x", "session_id": "a b"}).encode(), 400, "session_id"),
        (json.dumps({"message": "x", "filters": {"colour": "red"}}).encode(), 400, "colour"),
        (json.dumps({"message": "x", "filters": {"since": "soon"}}).encode(), 400, "since"),
        (json.dumps({"message": "x", "corpus": "nowhere"}).encode(), 404, "nowhere"),
        (json.dumps({"message": "word " * 2000}).encode(), 413, "4,000"),
    ],
)
def test_chat_refuses(
    stack: Stack, marvel_run: RunProgress, body: bytes, status: int, mention: str
) -> None:
    assert_problem(stack.request("POST", "/chat", body=body), status, mention)


def test_ten_megabytes_of_text_are_too_long(stack: Stack, marvel_run: RunProgress) -> None:
    """AWS's gateway refuses more than 10 MB itself, with another body."""
    answer = stack.request("POST", "/chat", body=b'{"message": "' + b"x" * 10_000_000 + b'"}')
    assert answer.status == 413


@pytest.mark.parametrize(("method", "path"), [("GET", "/retrieve"), ("POST", "/chat")])
@pytest.mark.parametrize("key", [None, "not-the-key-of-this-stack"])
def test_without_the_key_the_answer_is_403(
    stack: Stack, method: str, path: str, key: str | None
) -> None:
    assert stack.request(method, path, query={"q": "x"}, body=b"{}", key=key).status == 403
