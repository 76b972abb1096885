"""How fast a run goes: rates and remaining times from what was read of it; pure."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from shared.models.run import RunProgress

WINDOW_SECONDS = 10.0
PAGES = "pages"


@dataclass(frozen=True, slots=True)
class StageReading:
    """How far one stage is; `total` is how much there is so far, where that is known.

    `per_second` and `seconds_left` are None while nothing can be said.
    """

    name: str
    done: int
    total: int | None
    per_second: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class _Stage:
    name: str
    done: Callable[[RunProgress], int]
    total: Callable[[RunProgress], int] | None = None


_STAGES = (
    _Stage(PAGES, lambda p: p.pages_ended, lambda p: p.run.pages_planned),
    _Stage("entities", lambda p: p.entities),
    _Stage("chunks", lambda p: p.chunks),
    # Chunks that are indexed already need no vector.
    _Stage("vectors", lambda p: p.vectors + p.chunks_unchanged, lambda p: p.chunks),
)


class Meter:
    """Remembers the readings of the last seconds."""

    def __init__(self, window_seconds: float = WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._readings: deque[tuple[float, RunProgress]] = deque()

    def read(self, moment: float, progress: RunProgress) -> list[StageReading]:
        """Take a reading at a moment, in seconds; how far and how fast each stage is."""
        self._readings.append((moment, progress))
        # The last one from before the window stays, so that the window is covered.
        while len(self._readings) > 2 and self._readings[1][0] <= moment - self._window_seconds:
            self._readings.popleft()
        return [self._stage(stage) for stage in _STAGES]

    def _stage(self, stage: _Stage) -> StageReading:
        (began, first), (moment, last) = self._readings[0], self._readings[-1]
        done = stage.done(last)
        elapsed = moment - began
        # Retried gaps leave the pages that have ended: that is no negative speed.
        gained = max(0, done - stage.done(first))
        per_second = gained / elapsed if elapsed > 0 else None
        total = None if stage.total is None else stage.total(last)
        return StageReading(stage.name, done, total, per_second, _left(done, total, per_second))


def _left(done: int, total: int | None, per_second: float | None) -> float | None:
    if total is None:
        return None
    if done >= total:
        return 0.0
    return (total - done) / per_second if per_second else None
