"""Rate limits: so many calls a window, so many a day."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

Clock = Callable[[], float]
"""Seconds since the epoch."""

_SECONDS_A_DAY: Final = 86_400

PositiveInt = Annotated[int, Field(ge=1)]


class RateLimits(BaseModel):
    """What a key may do; None means without limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    throttle_after: PositiveInt | None = None
    throttle_window_seconds: PositiveInt = 60
    daily_limit: PositiveInt | None = None


class RateLimiter:
    """Counts calls. Refused calls do not count. Not thread-safe: the gateway holds its lock."""

    def __init__(self, limits: RateLimits, clock: Clock) -> None:
        self.limits = limits
        self._clock = clock
        self._window_began = 0.0
        self._calls_in_window = 0
        self._day = 0
        self._calls_today = 0

    def admit(self) -> int | None:
        """Count a call; when it is over a limit, the whole seconds to wait instead."""
        now = self._clock()
        self._roll(now)
        limits = self.limits
        if limits.daily_limit is not None and self._calls_today >= limits.daily_limit:
            return _whole_seconds((self._day + 1) * _SECONDS_A_DAY - now)
        if limits.throttle_after is not None and self._calls_in_window >= limits.throttle_after:
            return _whole_seconds(self._window_began + limits.throttle_window_seconds - now)
        self._calls_in_window += 1
        self._calls_today += 1
        return None

    def _roll(self, now: float) -> None:
        """Begin a new window (at the first call after the old one) or a new UTC day."""
        if now - self._window_began >= self.limits.throttle_window_seconds:
            self._window_began = now
            self._calls_in_window = 0
        day = int(now // _SECONDS_A_DAY)
        if day != self._day:
            self._day = day
            self._calls_today = 0


def _whole_seconds(seconds: float) -> int:
    """Rounded up and at least 1: a client that waits this long is let in."""
    return max(1, -int(-seconds // 1))
