"""Makes a call in a child process, which may crash, hang or take too much memory."""

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path


def status_of(call: Callable[[], None], log: Path, timeout_seconds: float) -> int:
    """Return how a child that made the call ended: its exit status, or below zero the signal.

    The child is a copy of this process, with all that is imported. All it writes, libraries in C
    too, goes to the log. It ends as any Python program does, through all callers of this function,
    because libFuzzer saves the input that failed when its process exits.
    """
    child = os.fork()
    if child == 0:
        _write_to(log)
        # As Python sets it at its start; `tests.fuzz.run` has changed it for its own output.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        call()
        sys.exit(0)
    if not _has_ended(child, timeout_seconds):
        os.kill(child, signal.SIGKILL)
        with log.open("ab") as file:
            file.write(f"\nSUMMARY: libFuzzer: no end after {timeout_seconds} seconds\n".encode())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _write_to(log: Path) -> None:
    with log.open("wb") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _has_ended(child: int, timeout_seconds: float) -> bool:
    """Wait for the end of a child; whether it came in time (pidfd_open(2), Linux only)."""
    handle = os.pidfd_open(child)
    try:
        return bool(select.select([handle], [], [], timeout_seconds)[0])
    finally:
        os.close(handle)
