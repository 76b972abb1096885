"""A run's progress on a terminal, or in a file."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from services.cli.output import LiveLine, write_line
from services.cli.run.rendering import watch_bar, watch_line
from services.cli.run.watching import Meter
from shared.models.run import RunProgress

SECONDS_BETWEEN_LINES = 5.0


class ProgressDisplay:
    """Redraws one line on a terminal; in a file, writes a line after a change, not too often."""

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        *,
        can_redraw: bool,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._meter = Meter()
        self._live = LiveLine(stream) if can_redraw and stream.isatty() else None
        self._line = ""
        self._shown: RunProgress | None = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.end()

    def show(self, progress: RunProgress) -> None:
        """Take a reading; the last one of a run is always shown."""
        now = self._clock()
        stages = self._meter.read(now, progress)
        if self._live:
            self._live.draw(watch_bar(progress, stages, self._live.columns))
        elif self._is_due(now, progress):
            line = watch_line(progress, stages)
            if line != self._line:  # what the line does not show may have changed
                write_line(line, self._stream)
            self._line, self._shown, self._shown_at = line, progress, now

    def _is_due(self, now: float, progress: RunProgress) -> bool:
        if progress == self._shown:
            return False
        is_first = self._shown is None
        return is_first or progress.is_ended or now - self._shown_at >= SECONDS_BETWEEN_LINES
