"""Makes a call in a child process, which may crash, hang or take too much memory."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_POLL_SECONDS = 0.05


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
    status = _ended(child, timeout_seconds)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with log.open("ab") as file:
            file.write(f"\nSUMMARY: libFuzzer: no end after {timeout_seconds} seconds\n".encode())
        return -signal.SIGKILL
    return status


def _write_to(log: Path) -> None:
    with log.open("wb") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _ended(child: int, timeout_seconds: float) -> int | None:
    end = time.monotonic() + timeout_seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found == child:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_SECONDS)
    return None
