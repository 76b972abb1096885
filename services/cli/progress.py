"""A run's progress on a terminal, or in a file."""

import shutil
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from services.cli.run_rendering import watch_line, watch_lines
from services.cli.watching import Meter
from shared.models.run import RunProgress

SECONDS_BETWEEN_LINES = 5.0
_CURSOR_UP = "\x1b[{}A"
_ERASE_TO_LINE_END = "\x1b[K"


def terminal_width() -> int:
    """How many characters fit on a line."""
    return shutil.get_terminal_size().columns


class ProgressDisplay:
    """Redraws a few lines on a terminal; elsewhere it writes a line every few seconds at most."""

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        width: Callable[[], int] = terminal_width,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._width = width
        self._meter = Meter()
        self._is_terminal = stream.isatty()
        self._drawn = 0
        self._shown: RunProgress | None = None
        self._shown_at = 0.0

    def show(self, progress: RunProgress) -> None:
        """Take a reading; the last one of a run is always shown."""
        now = self._clock()
        stages = self._meter.read(now, progress)
        if self._is_terminal:
            self._redraw(list(watch_lines(progress, stages)))
        elif self._is_due(now, progress):
            self._stream.write(watch_line(progress, stages) + "\n")
            self._stream.flush()
            self._shown, self._shown_at = progress, now

    def _is_due(self, now: float, progress: RunProgress) -> bool:
        if progress == self._shown:
            return False
        is_first = self._shown is None
        return is_first or progress.is_ended or now - self._shown_at >= SECONDS_BETWEEN_LINES

    def _redraw(self, lines: Sequence[str]) -> None:
        text = _CURSOR_UP.format(self._drawn) if self._drawn else ""
        # A line that wrapped would be two, and the next redrawing one too high.
        longest = max(self._width() - 1, 1)
        text += "".join(f"{line[:longest]}{_ERASE_TO_LINE_END}\n" for line in lines)
        self._stream.write(text)
        self._stream.flush()
        self._drawn = len(lines)
