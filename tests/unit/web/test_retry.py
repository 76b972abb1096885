"""Waiting for a source: how often, how long, and what a source can ask for."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.retry import Backoff, RetryPolicy, Timing, parse_retry_after

NOW = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)


def pauses_of(policy: RetryPolicy, chance: float, at_least_seconds: float = 0.0) -> list[float]:
    """The pauses of a call that always fails at once, on a clock that moves only by them."""
    pauses: list[float] = []
    timing = Timing(
        now=lambda: NOW,
        monotonic=lambda: sum(pauses),
        uniform=lambda low, high: low + chance * (high - low),
    )
    backoff = Backoff(policy, timing)
    while (pause := backoff.next_pause(at_least_seconds)) is not None:
        pauses.append(pause)
    assert backoff.failures == len(pauses) + 1
    return pauses


def test_the_jitter_is_full_and_the_pause_is_bounded() -> None:
    policy = RetryPolicy(maximum_attempts=9, longest_pause_seconds=4, maximum_wait_seconds=99)
    assert pauses_of(policy, chance=0.0) == [0.0] * 8
    assert pauses_of(policy, chance=1.0) == [0.5, 1, 2, 4, 4, 4, 4, 4]


def test_it_waits_at_least_as_long_as_it_is_asked_to() -> None:
    assert pauses_of(RetryPolicy(), 0.0, at_least_seconds=3) == [3.0, 3.0, 3.0]


def test_it_does_not_begin_a_wait_beyond_the_bound() -> None:
    assert pauses_of(RetryPolicy(), 0.0, at_least_seconds=11) == []


def test_slow_attempts_are_bounded_too() -> None:
    ticks = iter(range(0, 1000, 25))
    backoff = Backoff(RetryPolicy(), Timing(monotonic=lambda: next(ticks), uniform=min))
    assert [backoff.next_pause(0.0) for _ in range(3)] == [0.0, 0.0, None]
    assert backoff.is_out_of_time


@given(st.floats(0, 1), st.floats(0, 20))
def test_time_and_attempts_are_always_bounded(chance: float, at_least_seconds: float) -> None:
    pauses = pauses_of(RetryPolicy(), chance, at_least_seconds)
    assert len(pauses) < 5
    assert sum(pauses) <= 10


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("9" * 50, 999_999_999.0),
        ("Mon, 23 Nov 2026 06:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 05:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 07:00:10 +0100", 10.0),
        ("Mon, 99 Nov 2026 07:00:10 GMT", None),
        ("\u0663", None),
        ("Mon, 23 Nov 2026 07:00:10 +99999999999999999999", None),
        ("Mon, 23 Nov 99999999999999999999 07:00:10 GMT", None),
    ],
)
def test_retry_after_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_never_raises(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0
