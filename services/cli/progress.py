"""A run's progress on a terminal, or in a file."""

import time
from collections.abc import Callable
from typing import TextIO

from services.cli.rendering import progress_line
from shared.models.run import RunProgress

SECONDS_BETWEEN_LINES = 5.0


class ProgressDisplay:
    """Rewrites one line on a terminal; elsewhere it writes a line every few seconds at most."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._rewrites = stream.isatty()
        self._shown = ""
        self._shown_at: float | None = None

    def show(self, progress: RunProgress) -> None:
        """Take a reading; the last one of a run is always shown."""
        line = progress_line(progress)
        if line == self._shown:
            return
        if self._rewrites:
            self._write("\r" + line.ljust(len(self._shown)), line)
        elif self._is_due() or progress.is_ended:
            self._write(line + "\n", line)

    def close(self) -> None:
        """End the line that stands open."""
        if self._rewrites and self._shown:
            self._stream.write("\n")
            self._stream.flush()

    def _is_due(self) -> bool:
        return self._shown_at is None or self._clock() - self._shown_at >= SECONDS_BETWEEN_LINES

    def _write(self, text: str, line: str) -> None:
        self._stream.write(text)
        self._stream.flush()
        self._shown, self._shown_at = line, self._clock()
