"""An answer that breaks its contract never leaves: it is our fault, and says no more than that."""

import json
from typing import Any

import pytest

from services.retrieve.api import build_api

GOOD: dict[str, Any] = {
    "query": "x",
    "k": 5,
    "mode": "hybrid",
    "filters": {},
    "results": [],
    "partial": False,
    "model": {"id": "m", "revision": "r", "dims": 3},
    "index": {"version": 1, "shards": 0},
    "timing_ms": {"total": 1.0},
}


class Answering:
    """Answers whatever it was made with."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def retrieve(self, _: object) -> dict[str, Any]:
        return self._answer

    recall = answer_group = retrieve


def get(answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    api = build_api(lambda: Answering(answer), dict)
    event = {
        "path": "/retrieve",
        "httpMethod": "GET",
        "headers": {},
        "queryStringParameters": {"q": "x"},
        "requestContext": {"requestId": "r-1", "httpMethod": "GET", "path": "/retrieve"},
    }
    response = api.resolve(event, None)  # type: ignore[arg-type]  # no context is read
    return response["statusCode"], json.loads(response["body"])


def test_a_whole_answer_is_sent_as_it_is() -> None:
    assert get(GOOD) == (200, GOOD)
    index = {"version": 1, "shards": 9, "groups": {"searched": 2, "of": 3}}
    partial = GOOD | {"partial": True, "index": index}
    assert get(partial) == (200, partial)
    corrected = GOOD | {"corrected": {"ulton": "ultron"}}
    assert get(corrected) == (200, corrected)


@pytest.mark.parametrize(
    "change",
    [{"results": [{"id": "only-an-id"}]}, {"secret": "inside"}, {"index": None}, {"k": "five"}],
)
def test_a_broken_answer_is_a_500_that_shows_nothing(change: dict[str, Any]) -> None:
    status, body = get(GOOD | change)
    assert (status, body["error"]["code"]) == (500, "INTERNAL")
    assert "inside" not in str(body)
    assert "only-an-id" not in str(body)
