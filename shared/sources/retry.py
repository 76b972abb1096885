"""The one place that waits for a source: exponential back-off with full jitter.

Full jitter: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.errors import SourceUnavailableError
from shared.observability import logger
from shared.sources.http import HttpResponse, TransportError

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`maximum_wait_seconds` bounds the time from the first call to the start of the last."""

    maximum_attempts: int = 6
    base_seconds: float = 0.5
    longest_pause_seconds: float = 20.0
    maximum_wait_seconds: float = 60.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Timing:
    """Clocks, sleep and chance, so that a test needs none of them."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Retrier:
    """Repeats a call while the source is overloaded, broken or out of reach."""

    def __init__(self, policy: RetryPolicy | None = None, timing: Timing | None = None) -> None:
        self._policy = policy or RetryPolicy()
        self._timing = timing or Timing()

    def call(self, attempt: Callable[[], HttpResponse]) -> HttpResponse:
        """Return the first answer that is neither 429 nor 5xx.

        Raises:
            SourceUnavailableError: attempts or time ran out; says what the last attempt met.
        """
        started = self._timing.monotonic()
        number = 0
        while True:
            number += 1
            retry_after: float | None = None
            try:
                response = attempt()
            except TransportError as error:
                problem = str(error)
            else:
                if response.status != _TOO_MANY_REQUESTS and response.status < _SERVER_ERROR:
                    return response
                problem = f"the source answered {response.status}"
                retry_after = parse_retry_after(
                    response.headers.get("retry-after"), self._timing.now()
                )
            pause = self._pause_seconds(number, retry_after)
            waited = self._timing.monotonic() - started
            if (
                number >= self._policy.maximum_attempts
                or waited + pause > self._policy.maximum_wait_seconds
            ):
                raise SourceUnavailableError(
                    f"gave up after {number} attempts and {waited:.0f} seconds: {problem}"
                    + (f", to be retried after {retry_after:.0f} seconds" if retry_after else "")
                )
            logger.info("waiting for the source", extra={"problem": problem, "seconds": pause})
            self._timing.sleep(pause)

    def _pause_seconds(self, number: int, retry_after: float | None) -> float:
        ceiling = min(
            self._policy.longest_pause_seconds, self._policy.base_seconds * 2 ** (number - 1)
        )
        return (retry_after or 0.0) + self._timing.uniform(0.0, ceiling)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds a `Retry-After` header asks for (RFC 9110 section 10.2.3).

    None when there is no such header or it cannot be read; a date in the past is 0.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
