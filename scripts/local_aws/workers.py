"""The processes in which MiniStack runs functions, seen from outside (Linux only).

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
from pathlib import Path

from scripts.local_aws.os_processes import proc_stat

_NAME_VARIABLE = b"AWS_LAMBDA_FUNCTION_NAME="
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of a function, and the CPU seconds that it has used so far."""

    pid: int
    function_name: str
    cpu_seconds: float


def workers(server_pid: int, function_name: str | None = None) -> list[Worker]:
    """Return the live workers of a server, or only those of one function."""
    found = [worker for pid in _children(server_pid) if (worker := _worker(pid)) is not None]
    return [one for one in found if function_name in (None, one.function_name)]


def kill(worker: Worker) -> bool:
    """End a worker at once, whatever it is at; whether it was still there."""
    try:
        os.kill(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def kill_and_wait(killed: list[Worker], timeout_seconds: float) -> None:
    """End workers at once, and wait until their parent can know that they ended.

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
    """The CPU seconds that a process itself has used; raises ProcessLookupError without one."""
    fields = proc_stat(pid)
    if fields is None:
        raise ProcessLookupError(f"there is no process {pid}")
    user, system = fields[11:13]
    return (int(user) + int(system)) / _TICKS_PER_SECOND


@contextmanager
def _process_handle(pid: int) -> Iterator[int]:
    """A file descriptor that can be read once the process has ended (pidfd_open(2))."""
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _children(parent_pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = proc_stat(int(entry.name))
            if fields is not None and int(fields[1]) == parent_pid:
                yield int(entry.name)


def _worker(pid: int) -> Worker | None:
    with suppress(OSError):  # it ended meanwhile
        for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if variable.startswith(_NAME_VARIABLE):
                name = variable.removeprefix(_NAME_VARIABLE).decode()
                return Worker(pid, name, cpu_seconds(pid))
    return None
