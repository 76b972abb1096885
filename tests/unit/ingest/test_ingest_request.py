"""What may start a run, and which run it is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.request import parse_request, parse_run_request
from shared.errors import InvalidInputError

NOW = datetime(2026, 11, 23, 12, 30, 5, 999_999, tzinfo=UTC)


RUN_ID = "20261123T060000Z-1a2b3c4d"


def test_the_events_id_names_the_request() -> None:
    request = parse_request({"corpus": "marvel", "request_id": "event-1"}, "invocation-1")
    assert (request.corpus, request.mode, request.request_id) == (
        "marvel",
        "incremental",
        "event-1",
    )
    assert request.run_id(NOW) == f"20261123T123005Z-{request.request_hash}"
    assert len(request.request_hash) == 8


def test_an_invocation_stands_in_for_a_missing_request_id() -> None:
    first = parse_request({"corpus": "marvel", "mode": "full"}, "invocation-1")
    retry = parse_request({"corpus": "marvel", "mode": "full"}, "invocation-1")
    other = parse_request({"corpus": "marvel", "mode": "full"}, "invocation-2")
    assert first.request_hash == retry.request_hash != other.request_hash


def test_the_time_of_the_schedule_fixes_the_run() -> None:
    event = {"corpus": "marvel", "request_id": "e", "time": "2026-11-23T08:00:00+02:00"}
    assert parse_request(event, "i").run_id(NOW).startswith("20261123T060000Z-")


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "9999-12-31T00:00:00Z"])
def test_the_first_and_the_last_time_make_the_id_of_a_run(time: str) -> None:
    run_id = parse_request({"corpus": "marvel", "time": time}, "i").run_id(NOW)
    assert parse_run_request({"action": "resume", "run_id": run_id}).run_id == run_id


def test_one_event_starts_different_runs_for_different_corpora() -> None:
    heroes = parse_request({"corpus": "heroes", "request_id": "event-1"}, "i")
    manuals = parse_request({"corpus": "manuals", "request_id": "event-1"}, "i")
    assert heroes.run_id(NOW) != manuals.run_id(NOW)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({}, "corpus: Field required"),
        ({"corpus": "Marvel!"}, "corpus: "),
        ({"corpus": "marvel", "mode": "sometimes"}, "mode: "),
        ({"corpus": "marvel", "request_id": ""}, "request_id: "),
        ({"corpus": "marvel", "request_id": "x" * 201}, "request_id: "),
        ({"corpus": "marvel", "time": "2026-11-23T08:00:00"}, "time: "),
        ({"corpus": "marvel", "time": "now"}, "time: "),
        ({"corpus": "marvel", "time": "9999-12-31T23:59:59-12:00"}, "time: "),
        ({"corpus": "marvel", "time": "0001-01-01T00:00:00+14:00"}, "time: "),
        ({"corpus": "marvel", "time": "0999-01-01T00:00:00Z"}, "time: "),
        ({"corpus": "marvel", "extra": 1}, "extra: "),
    ],
)
def test_a_wrong_request_names_its_fields(event: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        parse_request(event, "invocation-1")


@pytest.mark.parametrize("action", ["resume", "cancel", "retry_gaps"])
def test_an_action_names_its_run(action: str) -> None:
    request = parse_run_request({"action": action, "run_id": RUN_ID})
    assert (request.action, request.run_id) == (action, RUN_ID)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({"action": "stop", "run_id": RUN_ID}, "action: "),
        ({"action": None, "run_id": RUN_ID}, "action: "),
        ({"action": "cancel"}, "run_id: Field required"),
        ({"action": "cancel", "run_id": "run-1"}, "run_id: "),
        ({"action": "cancel", "run_id": RUN_ID, "corpus": "marvel"}, "corpus: "),
    ],
)
def test_a_wrong_action_names_its_fields(event: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        parse_run_request(event)


def test_starting_may_be_said() -> None:
    event = {"action": "start", "corpus": "marvel", "request_id": "event-1"}
    assert parse_request(event, "i") == parse_request(
        {"corpus": "marvel", "request_id": "event-1"}, "i"
    )
