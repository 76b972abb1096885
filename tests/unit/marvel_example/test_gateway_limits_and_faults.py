"""Rate limits under a clock that the test moves, and scripted faults."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from examples.marvel.faults import Fault, FaultScript, fault_refusal
from examples.marvel.limits import RateLimiter, RateLimits


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_without_limits_everything_is_admitted() -> None:
    limiter = RateLimiter(RateLimits(), SetClock(1_000_000))
    assert [limiter.admit() for _ in range(5000)] == [None] * 5000


def test_a_full_window_says_how_long_to_wait() -> None:
    clock = SetClock(1_000_000)
    limiter = RateLimiter(RateLimits(throttle_after=2, throttle_window_seconds=10), clock)
    assert [limiter.admit(), limiter.admit(), limiter.admit()] == [None, None, 10]
    clock.now += 9.5
    assert limiter.admit() == 1
    clock.now += 0.5
    assert limiter.admit() is None


def test_the_daily_limit_lasts_until_midnight_utc() -> None:
    clock = SetClock(86_400 * 20_000 + 86_400 - 90)
    limiter = RateLimiter(RateLimits(daily_limit=1), clock)
    assert [limiter.admit(), limiter.admit()] == [None, 90]
    clock.now += 90
    assert limiter.admit() is None


@given(
    throttle_after=st.integers(1, 5),
    window=st.integers(1, 20),
    steps=st.lists(st.floats(0, 30), max_size=60),
)
def test_waiting_as_told_is_enough_and_no_window_overflows(
    throttle_after: int, window: int, steps: list[float]
) -> None:
    clock = SetClock(86_400.0)
    limits = RateLimits(throttle_after=throttle_after, throttle_window_seconds=window)
    limiter = RateLimiter(limits, clock)
    admitted: list[float] = []
    for step in steps:
        clock.now += step
        wait_seconds = limiter.admit()
        if wait_seconds is not None:
            assert 1 <= wait_seconds <= window
            clock.now += wait_seconds
            assert limiter.admit() is None
        admitted.append(clock.now)
    # A window that begins when the one before ends can put two full ones side by side, not more.
    for moment in admitted:
        inside = [other for other in admitted if moment <= other < moment + window]
        assert len(inside) <= 2 * throttle_after


@pytest.mark.parametrize(
    "limits",
    [{"throttle_after": 0}, {"daily_limit": -1}, {"throttle_window_seconds": 0}, {"per_hour": 1}],
)
def test_senseless_limits_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RateLimits.model_validate(limits)


def test_faults_are_used_up_in_order() -> None:
    script = FaultScript([Fault(match="comics", status=500, times=2), Fault(match="", status=429)])
    taken = [script.take("/v1/public/comics?limit=1") for _ in range(4)]
    assert [fault.status if fault else None for fault in taken] == [500, 500, 429, None]


def test_pending_faults_show_what_is_left() -> None:
    script = FaultScript([Fault(match="comics", status=500, times=3)])
    assert script.take("/v1/public/events") is None
    assert script.take("/v1/public/comics") is not None
    assert [fault.times for fault in script.pending()] == [2]


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "x"},
        {"match": "x", "status": 500, "disconnect": True},
        {"match": "(", "status": 500},
        {"match": "x", "status": 200},
        {"match": "x", "status": 600},
        {"match": "x", "status": 500, "times": 0},
        {"match": "x", "status": 500, "retry_after_seconds": -1},
        {"status": 500},
        {"match": "x", "status": 500, "when": "later"},
    ],
)
def test_senseless_faults_are_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(fault)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {"code": "RequestThrottled"}),
        (401, {"code": "InvalidCredentials"}),
        (500, {"code": 500, "status": "Internal Server Error"}),
        (503, {"code": 503, "status": "Service Unavailable"}),
        (599, {"code": 599, "status": "Error"}),
    ],
)
def test_faults_answer_in_the_shape_of_their_status(status: int, body: dict[str, Any]) -> None:
    refusal = fault_refusal(status, 7)
    assert refusal.status == status
    assert refusal.body.items() >= body.items()
