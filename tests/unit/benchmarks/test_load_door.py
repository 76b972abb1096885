"""What the load run sees at the door of the API: its arithmetic, forms and broken promises."""

import json
import threading
from typing import Any

import pytest

from benchmarks import load_door
from benchmarks.load_door import DoorFigures, Load, Recovery, Reply, ask_for, flood, form_fault
from shared.errors import NotFoundError
from shared.platform.http_api import JSON_CONTENT_TYPE, PROBLEM_CONTENT_TYPE, problem_document

THROTTLED = {
    "type": "about:blank",
    "title": "Too Many Requests",
    "status": 429,
    "detail": "too many requests; try again in a second",
    "error": {"code": "THROTTLED", "message": "too many requests; try again in a second"},
    "request_id": "request-1",
}


def load_of(*statuses: int, seconds: float = 2.0) -> Load:
    replies = tuple(Reply(status, float(number + 1)) for number, status in enumerate(statuses))
    return Load(4, seconds, replies)


def problem(**changes: Any) -> str | None:
    document = {**THROTTLED, **changes}
    return form_fault(429, PROBLEM_CONTENT_TYPE, json.dumps(document).encode())


def test_percentiles_and_rate_are_those_of_the_answers_with_results() -> None:
    found = load_of(*[200] * 101, 429, 429)
    assert [found.milliseconds_at(percent) for percent in (50, 95, 99)] == [51.0, 96.0, 100.0]
    assert found.answers_a_second == pytest.approx(50.5)
    assert found.statuses == {200: 101, 429: 2}
    assert load_door.statuses_text(found) == "200: 101, 429: 2"


def test_without_any_answer_there_is_no_percentile() -> None:
    assert load_of(429).milliseconds_at(50) is None
    assert load_of().answers_a_second == 0


def test_answers_in_the_documented_form_have_no_fault() -> None:
    assert form_fault(200, f"{JSON_CONTENT_TYPE}; charset=utf-8", b'{"results": []}') is None
    assert problem() is None
    shown = problem_document(RuntimeError("the inside"), "request-1")
    assert form_fault(500, PROBLEM_CONTENT_TYPE, json.dumps(shown).encode()) is None


def test_a_gateway_response_for_several_errors_has_no_status_of_its_own() -> None:
    document = {name: value for name, value in THROTTLED.items() if name != "status"}
    assert form_fault(429, PROBLEM_CONTENT_TYPE, json.dumps(document).encode()) is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"error": None}, "429 with the error None"),
        ({"error": {"code": "INTERNAL", "message": "x"}}, "429 with the error"),
        ({"detail": "other words"}, "429 whose message is not its detail"),
        ({"status": 500}, "429 that says it is 500"),
        ({"request_id": ""}, "429 without a request_id"),
    ],
)
def test_a_refusal_of_another_form_is_found(changes: dict[str, Any], fault: str) -> None:
    assert (problem(**changes) or "").startswith(fault)


def test_other_bodies_and_statuses_are_found() -> None:
    assert form_fault(429, PROBLEM_CONTENT_TYPE, b"slow down") == "429 with a body that is no JSON"
    assert form_fault(429, PROBLEM_CONTENT_TYPE, b"[]") == "429 with JSON that is no object"
    assert form_fault(200, JSON_CONTENT_TYPE, b"{}") == (
        "200 as application/json without a list of results"
    )
    body = json.dumps(THROTTLED).encode()
    assert form_fault(429, JSON_CONTENT_TYPE, body) == "429 as application/json"
    assert form_fault(429, "", body) == "429 as nothing"
    missing = json.dumps(problem_document(NotFoundError("no index"), "request-1")).encode()
    assert (form_fault(404, PROBLEM_CONTENT_TYPE, missing) or "").startswith("404 with the error")


def test_every_client_asks_until_the_time_is_over() -> None:
    # The clock moves when all three have asked, so the machine's load decides nothing.
    seconds = [0.0]
    asked: list[str] = []

    def advance() -> None:
        seconds.append(seconds[-1] + 1.0)

    all_three = threading.Barrier(3, advance, timeout=60)

    def ask(_: int) -> Reply:
        asked.append(threading.current_thread().name)
        all_three.wait()
        return Reply(200, 10.0)

    found = ask_for(ask, clients=3, seconds=2.0, now=lambda: seconds[-1])
    assert len(found.replies) == len(asked) == 6
    assert len(set(asked)) == 3
    assert (found.seconds, found.clients) == (2.0, 3)


def test_a_flood_is_sent_whole() -> None:
    found = flood(lambda number: Reply(429 if number % 2 else 200, 1.0))
    assert found.statuses == {200: 30, 429: 30}


def test_recovery_waits_for_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_door, "SECONDS_BETWEEN_ORDINARY", 0.0)
    statuses = iter([429, 500, *[200] * 11])
    found = load_door.recover(lambda _: Reply(next(statuses), 1.0))
    assert found.seconds is not None
    assert found.ordinary.statuses == {200: 10}
    never = load_door.recover(lambda _: Reply(500, 1.0), timeout_seconds=0.0)
    assert never.seconds is None


def figures(**changes: Any) -> DoorFigures:
    whole: dict[str, Any] = {
        "loads": (load_of(200, 500),),
        "limits": {"rateLimit": 5.0, "burstLimit": 10},
        "flood": load_of(200, 429),
        "recovery": Recovery(0.4, load_of(200, 200)),
    }
    return DoorFigures(**{**whole, **changes})


def test_a_door_that_keeps_its_promises(capsys: pytest.CaptureFixture[str]) -> None:
    assert figures().broken_promises() == []
    load_door.print_door(figures())
    printed = capsys.readouterr().out
    assert "200: 1, 500: 1" in printed
    assert "under the plan of 5 a second, burst 10: 200: 1, 429: 1" in printed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flood": load_of(200, 200)}, "no request beyond the usage plan was refused with 429"),
        ({"recovery": Recovery(None, load_of())}, "nothing was answered for 300 s after the flood"),
        ({"recovery": Recovery(0.4, load_of(200, 500))}, "not all answered: 200: 1, 500: 1"),
        ({"loads": (Load(1, 1.0, (Reply(429, 1.0, "429 as nothing"),)),)}, "429 as nothing"),
    ],
)
def test_each_broken_promise_of_the_door_is_named(changes: dict[str, Any], words: str) -> None:
    [broken] = figures(**changes).broken_promises()
    assert words in broken
