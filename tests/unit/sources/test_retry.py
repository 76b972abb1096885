"""Waiting for a source: how often, how long, and what is said on giving up."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BudgetExhaustedError, SourceUnavailableError
from shared.sources.http import HttpResponse, TransportError
from shared.sources.retry import Retrier, RetryPolicy, Timing, parse_retry_after

NOW = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)


class Script:
    """Answers one after the other, on a clock that moves only by sleeping."""

    def __init__(self, *answers: HttpResponse | Exception, chance: float = 1.0) -> None:
        self._answers: Iterator[HttpResponse | Exception] = iter(answers)
        self.calls = 0
        self.pauses: list[float] = []
        self.timing = Timing(
            now=lambda: NOW,
            monotonic=lambda: sum(self.pauses),
            sleep=self.pauses.append,
            uniform=lambda low, high: low + chance * (high - low),
        )

    def attempt(self) -> HttpResponse:
        self.calls += 1
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(status: int, **headers: str) -> HttpResponse:
    return HttpResponse(status, {name.replace("_", "-"): v for name, v in headers.items()}, b"")


@pytest.mark.parametrize("status", [200, 304, 400, 401, 404, 409, 499])
def test_a_plain_answer_is_final(status: int) -> None:
    script = Script(answer(status))
    assert Retrier(timing=script.timing).call(script.attempt).status == status
    assert script.pauses == []


@pytest.mark.parametrize("trouble", [answer(429), answer(500), answer(503), TransportError("x")])
def test_trouble_is_tried_again(trouble: HttpResponse | Exception) -> None:
    script = Script(trouble, trouble, answer(200))
    assert Retrier(timing=script.timing).call(script.attempt).status == 200
    assert script.pauses == [0.5, 1.0]


def test_the_jitter_is_full_and_the_pause_is_bounded() -> None:
    policy = RetryPolicy(maximum_attempts=9, longest_pause_seconds=4, maximum_wait_seconds=99)
    none = Script(*[answer(500)] * 8, answer(200), chance=0.0)
    Retrier(policy, none.timing).call(none.attempt)
    assert none.pauses == [0.0] * 8
    most = Script(*[answer(500)] * 8, answer(200), chance=1.0)
    Retrier(policy, most.timing).call(most.attempt)
    assert most.pauses == [0.5, 1, 2, 4, 4, 4, 4, 4]


def test_it_waits_at_least_as_long_as_it_is_asked_to() -> None:
    script = Script(answer(429, retry_after="7"), answer(200), chance=0.0)
    Retrier(timing=script.timing).call(script.attempt)
    assert script.pauses == [7.0]


def test_it_gives_up_after_its_attempts() -> None:
    script = Script(*[answer(503)] * 9)
    with pytest.raises(SourceUnavailableError, match=r"after 3 attempts .* answered 503"):
        Retrier(RetryPolicy(maximum_attempts=3), script.timing).call(script.attempt)
    assert script.calls == 3


def test_it_does_not_begin_a_wait_beyond_the_bound() -> None:
    script = Script(answer(429, retry_after="3600"))
    with pytest.raises(SourceUnavailableError, match="retried after 3600 seconds"):
        Retrier(timing=script.timing).call(script.attempt)
    assert script.pauses == []


def test_other_errors_pass_at_once() -> None:
    script = Script(BudgetExhaustedError("spent"))
    with pytest.raises(BudgetExhaustedError):
        Retrier(timing=script.timing).call(script.attempt)
    assert script.calls == 1


@given(
    st.lists(
        st.one_of(
            st.sampled_from([429, 500, 503]).map(answer),
            st.integers(0, 100).map(lambda seconds: answer(429, retry_after=str(seconds))),
            st.just(TransportError("reset")),
        ),
        min_size=6,
        max_size=6,
    ),
    st.floats(0, 1),
)
def test_time_and_attempts_are_always_bounded(
    answers: list[HttpResponse | Exception], chance: float
) -> None:
    script = Script(*answers, chance=chance)
    with pytest.raises(SourceUnavailableError):
        Retrier(timing=script.timing).call(script.attempt)
    assert script.calls <= 6
    assert sum(script.pauses) <= 60


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
    ],
)
def test_retry_after_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_never_raises(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0
