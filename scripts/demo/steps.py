"""What a person sees of a long piece of work: one line a step, with its seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from shared.platform.printing import printable


class Steps:
    """Announces steps; `detail` adds to the line of the one that runs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._begun = time.monotonic()
        self._details: list[str] = []
        self._interrupted_line = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step and, when it ends well, say how long it took."""
        begun = time.monotonic()
        self._details, self._interrupted_line = [], False
        self._write(f"  {title} ... ")
        try:
            yield
        except BaseException:
            self._write("failed\n")
            raise
        detail = f" ({', '.join(self._details)})" if self._details else ""
        start = f"  {title}: " if self._interrupted_line else ""
        self._write(f"{start}{time.monotonic() - begun:.1f} s{detail}\n")

    def detail(self, text: str) -> None:
        """A fact to stand behind the seconds of the step that runs."""
        self._details.append(printable(text))

    def line(self, text: str) -> None:
        """A separate line below the step that runs, such as progress."""
        self.below()
        self._write(f"      {printable(text)}\n")

    def below(self) -> None:
        """Let what is written next, here or by another command, stand below the step."""
        if not self._interrupted_line:
            self._write("\n")
            self._interrupted_line = True

    @property
    def seconds(self) -> float:
        """Since the first step could begin."""
        return time.monotonic() - self._begun

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
