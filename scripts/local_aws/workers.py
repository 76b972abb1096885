"""The processes in which MiniStack runs functions, seen from outside (Linux only).

Each is a child of the server whose environment names its function. Nothing else is looked at: a
process that is not below the server is none of ours.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
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


def cpu_seconds(pid: int) -> float:
    """The CPU seconds that a process itself has used; raises ProcessLookupError without one."""
    fields = proc_stat(pid)
    if fields is None:
        raise ProcessLookupError(f"there is no process {pid}")
    user, system = fields[11:13]
    return (int(user) + int(system)) / _TICKS_PER_SECOND


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
