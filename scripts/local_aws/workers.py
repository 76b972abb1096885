"""The processes in which MiniStack runs functions, seen from outside.

Each is a child of the server whose environment names its function. Nothing else is looked at: a
process that is not below the server is none of ours.
"""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

_NAME_VARIABLE = "AWS_LAMBDA_FUNCTION_NAME"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of a function, and the CPU seconds that it has used so far."""

    pid: int
    function_name: str
    cpu_seconds: float


def workers(server_pid: int, function_name: str | None = None) -> list[Worker]:
    """Return the live workers of a server, or only those of one function."""
    with suppress(psutil.NoSuchProcess):  # the server ended
        children = psutil.Process(server_pid).children()
        found = [worker for child in children if (worker := _worker(child)) is not None]
        return [one for one in found if function_name in (None, one.function_name)]
    return []


def kill(worker: Worker) -> bool:
    """End a worker at once, whatever it is at; whether it was still there."""
    try:
        os.kill(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def kill_and_wait(killed: list[Worker], timeout_seconds: float) -> None:
    """End workers at once, and wait until their parent can know that they ended (Linux only).

    /proc shows a process as a zombie as soon as its first thread has ended, and the parent is told
    once the last one has: until then the server gives the next event to the dying worker. Raises
    TimeoutError when one has not ended within the timeout.
    """
    deadline = time.monotonic() + timeout_seconds
    for worker in killed:
        with suppress(ProcessLookupError), _process_handle(worker.pid) as handle:
            os.kill(worker.pid, signal.SIGKILL)
            left_seconds = max(0.0, deadline - time.monotonic())
            if not select.select([handle], [], [], left_seconds)[0]:
                raise TimeoutError(
                    f"worker {worker.pid} of {worker.function_name} lives {timeout_seconds} s "
                    "after it was killed"
                )


def cpu_seconds(pid: int) -> float:
    """The CPU seconds that a process itself has used; raises psutil.NoSuchProcess without one."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@contextmanager
def _process_handle(pid: int) -> Iterator[int]:
    """A file descriptor that can be read once the process has ended (pidfd_open(2))."""
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _worker(process: psutil.Process) -> Worker | None:
    with suppress(psutil.Error):  # it ended meanwhile
        name = process.environ().get(_NAME_VARIABLE)
        return None if name is None else Worker(process.pid, name, cpu_seconds(process.pid))
    return None
