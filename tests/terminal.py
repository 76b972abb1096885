"""Commands on a real pseudo-terminal, and what stands on its screen afterwards."""

import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class TerminalCommand:
    """A command whose standard output and error are a separate terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self.written = ""

    def read_until(self, text: str) -> None:
        """Wait until it has written a text."""
        while text not in self.written:
            assert self._read(), f"it ended, and wrote {self.written!r}"

    def wait(self) -> int:
        """Read all that it writes; its exit status."""
        while self._read():
            pass
        return self._process.wait()

    def _read(self) -> bool:
        try:
            chunk = os.read(self._descriptor, 65_536)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.written += chunk.decode()
        return bool(chunk)


@contextmanager
def on_terminal(
    command: Sequence[str], columns: int, environment: Mapping[str, str] | None = None
) -> Iterator[TerminalCommand]:
    """A command that runs on a terminal so wide, and is ended with the block."""
    parent, child = pty.openpty()
    ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=child,
        stderr=child,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    ) as process:
        os.close(child)
        try:
            yield TerminalCommand(process, parent)
        finally:
            process.kill()
            os.close(parent)


class Screen:
    """What stands on a terminal so wide after a text; it knows what we use of one, and no more."""

    def __init__(self, columns: int, written: str) -> None:
        self.columns = columns
        self.lines = [""]
        self.wrapped = False
        self._column = 0
        for token in re.findall(r"\x1b\[K|\r|\n|[^\x1b\r\n]|\x1b.*", written):
            self._show(token)

    def _show(self, token: str) -> None:
        if token == "\x1b[K":
            self.lines[-1] = self.lines[-1][: self._column]
        elif token == "\r":
            self._column = 0
        elif token == "\n":
            self.lines.append("")
        else:
            assert token.isprintable(), token
            self._put(token)

    def _put(self, character: str) -> None:
        if self._column >= self.columns:
            self.wrapped = True
            self.lines.append("")
            self._column = 0
        line = self.lines[-1].ljust(self._column)
        self.lines[-1] = line[: self._column] + character + line[self._column + 1 :]
        self._column += 1
