"""Commands that must not outlive the one that runs them."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.demo.errors import StackError
from scripts.processes.os_processes import end_group, signal_group

# Terraform ends in good order at the first interrupt and at once at the second.
_INTERRUPT_SECONDS = 5.0


class OverdueError(StackError):
    """A command did not end before its deadline, and was ended."""

    def __init__(self, command: str, deadline_seconds: float) -> None:
        super().__init__(f"`{command}` did not end within {deadline_seconds:.0f} s and was ended")
        self.deadline_seconds = deadline_seconds


@contextmanager
def child_process(
    command: list[str],
    environment: Mapping[str, str],
    directory: Path,
    *,
    on_terminal: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """A command whose two outputs come as one; it and its children end with the block.

    With `on_terminal` it writes to our standard output itself, and only its errors come.

    It has its own session, so that an interrupt from the terminal reaches it from here only,
    once, and in good order.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=None if on_terminal else subprocess.PIPE,
        stderr=subprocess.PIPE if on_terminal else subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process, command[0])
        for stream in filter(None, (process.stdout, process.stderr)):
            stream.close()


def run_showing(
    command: list[str],
    environment: Mapping[str, str],
    directory: Path,
    show: Callable[[str], None],
    deadline_seconds: float,
    *,
    on_terminal: bool = False,
) -> int:
    """Run a command, give each of its lines to `show` as it comes; its exit status.

    With `on_terminal` it shows itself, and only its errors are given to `show`.

    Raises:
        OverdueError: it did not end before the deadline; it and its children are ended.
    """
    is_overdue = threading.Event()
    with child_process(command, environment, directory, on_terminal=on_terminal) as process:
        lines = process.stderr if on_terminal else process.stdout
        assert lines is not None  # noqa: S101 - for the type checker: it is a pipe

        def end() -> None:
            is_overdue.set()
            _end(process, command[0])

        deadline = threading.Timer(deadline_seconds, end)
        deadline.daemon = True
        deadline.start()
        try:
            for line in lines:
                show(line.rstrip("\n"))
            status = process.wait()
        finally:
            deadline.cancel()
    if is_overdue.is_set():
        raise OverdueError(command[0], deadline_seconds)
    return status


def _end(process: subprocess.Popen[str], title: str) -> None:
    """Interrupt it, twice if need be; then kill it and what it started."""
    for _ in range(2):
        if process.poll() is None:
            signal_group(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):  # then the next, stronger means
                process.wait(timeout=_INTERRUPT_SECONDS)
    end_group(process.pid, title)
    process.wait()
