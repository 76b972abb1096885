"""How long to wait for a source: exponential back-off with full jitter, and what it asks for.

Full jitter: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

HAND_ON_AFTER_SECONDS = 120.0
"""After so long a page of several calls keeps what it read and hands on the rest.

A function that is cut off keeps nothing, and the call that is under way may take as long again.
"""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How failed calls are repeated: briefly, since waiting time in a function is paid.

    All pauses of one call, its redirects included, sum up to `maximum_wait_seconds` at most, and no
    attempt begins later than `maximum_elapsed_seconds` after the first.
    """

    maximum_attempts: int = 5
    base_seconds: float = 0.5
    longest_pause_seconds: float = 5.0
    maximum_wait_seconds: float = 10.0
    maximum_elapsed_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """What a caller does that has to wait for a rate-limit slot or for a source that refuses.

    The caller sleeps up to `patience_seconds`: a queue counts in whole seconds, so its messages
    meet within one. Once it made a first call, it sleeps up to `further_patience_seconds`:
    beginning again would cost that call again, and jobs of several calls would keep each other from
    ever ending. For a longer wait it gives the work back, or up where `may_postpone` is false.

    It gives up a source that refuses for longer than `maximum_refusal_seconds`; it does not call
    one that refuses without saying for how long for `refusal_pause_seconds`.
    """

    patience_seconds: float = 1.0
    further_patience_seconds: float = 30.0
    may_postpone: bool = True
    maximum_refusal_seconds: float = 900.0
    refusal_pause_seconds: float = 30.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Timing:
    """Clocks, sleep and chance, so that a test needs none of them."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Backoff:
    """The pauses of one call; one object counts its failures and what was waited."""

    def __init__(self, policy: RetryPolicy, timing: Timing) -> None:
        self._policy = policy
        self._timing = timing
        self._started = timing.monotonic()
        self._waited = 0.0
        self.failures = 0

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the first attempt."""
        return self._timing.monotonic() - self._started

    @property
    def is_out_of_time(self) -> bool:
        """Whether no further attempt may begin."""
        return self.elapsed_seconds > self._policy.maximum_elapsed_seconds

    def next_pause(self, at_least_seconds: float) -> float | None:
        """Count a failure; how long to wait before the next attempt, None for no further one."""
        self.failures += 1
        ceiling = min(
            self._policy.longest_pause_seconds,
            self._policy.base_seconds * 2 ** (self.failures - 1),
        )
        pause = at_least_seconds + self._timing.uniform(0.0, ceiling)
        if (
            self.failures >= self._policy.maximum_attempts
            or self._waited + pause > self._policy.maximum_wait_seconds
            or self.elapsed_seconds + pause > self._policy.maximum_elapsed_seconds
        ):
            return None
        self._waited += pause
        return pause


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds a `Retry-After` header asks for (RFC 9110 section 10.2.3).

    None when there is no such header or it cannot be read; a date in the past is 0.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for numbers that no date holds
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
