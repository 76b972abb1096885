"""The only module in which the command writes; each line of a text is printed as one line."""

import io
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from shared.platform.printing import fitted, json_text, printable

_TO_LINE_START = "\r"
_ERASE_TO_LINE_END = "\x1b[K"
_DEFAULT_COLUMNS = 80
# What the terminal shows and has not ended; a line that is written replaces it.
_drawn: list["LiveLine"] = []


def accept_any_text() -> None:
    """Let standard output and error escape what their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_line(text: str, stream: TextIO | None = None) -> None:
    """Write one line, of the answer unless a stream is named."""
    _write(stream or sys.stdout, printable(text))


def write_lines(lines: Iterable[str]) -> None:
    """Write the answer, a line each."""
    for line in lines:
        write_line(line)


def write_json(document: Any) -> None:
    """Write the answer as JSON."""
    _write(sys.stdout, json_text(document))


def write_notice(text: str) -> None:
    """Write one line for the person, beside the answer."""
    write_line(text, sys.stderr)


class LiveLine:
    """A line of a terminal that is drawn again and again; it never wraps."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stands = False

    @property
    def columns(self) -> int:
        """How many columns it may take now."""
        return terminal_columns(self._stream) - 1  # in the last one, some terminals wrap

    def draw(self, text: str) -> None:
        """Replace what the terminal shows by a text."""
        line = fitted(printable(text), self.columns)
        self._stream.write(f"{_TO_LINE_START}{line}{_ERASE_TO_LINE_END}")
        self._stream.flush()
        self._stands = True
        if self not in _drawn:
            _drawn.append(self)

    def clear(self) -> None:
        """Make room for another line; the next drawing comes below it."""
        if self._stands:
            self._stream.write(_TO_LINE_START + _ERASE_TO_LINE_END)
            self._stream.flush()
            self._stands = False

    def end(self) -> None:
        """Leave what the terminal shows, and go on below it."""
        if self in _drawn:
            _drawn.remove(self)
        if self._stands:
            self._stream.write("\n")
            self._stream.flush()
            self._stands = False


def terminal_columns(stream: TextIO) -> int:
    """How many columns the terminal behind a stream has; 80 where it does not say."""
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # io.UnsupportedOperation is both: a stream without a descriptor
        found = 0
    return found or _DEFAULT_COLUMNS


def _write(stream: TextIO, text: str) -> None:
    for line in _drawn:
        line.clear()
    stream.write(text + "\n")
    stream.flush()
