"""Processes of this machine: who they are, which belong together, and how they are ended."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from scripts.local_aws.errors import LocalProcessError

POLL_SECONDS = 0.05
STOP_TIMEOUT_SECONDS = 10.0


def process_identity(pid: int) -> str | None:
    """What tells a live process from an earlier or later one of the same number.

    None when there is no such process, or only the remains of one that nobody waited for.
    """
    if Path("/proc/self/stat").exists():
        fields = proc_stat(pid)
        if fields is None or fields[0] == "Z":
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        started = fields[
            19
        ]  # field 22 of proc(5): clock ticks since boot, which processes can share
        return f"{boot}/{pid}/{started}"
    listed = _ps("-o", "stat=,lstart=", "-p", str(pid)).split(maxsplit=1)
    is_alive = len(listed) == 2 and not listed[0].startswith("Z")
    return f"{pid}/{listed[1].strip()}" if is_alive else None


def live_group_members(group: int) -> set[int]:
    """The process ids of a process group, dead ones that nobody waited for left out."""
    if not Path("/proc/self/stat").exists():
        rows = [line.split() for line in _ps("-A", "-o", "pid=,pgid=,stat=").splitlines()]
        return {int(row[0]) for row in rows if int(row[1]) == group and row[2][0] != "Z"}
    members = set()
    for entry in Path("/proc").iterdir():
        fields = proc_stat(int(entry.name)) if entry.name.isdigit() else None
        if fields and fields[0] != "Z" and int(fields[2]) == group:
            members.add(int(entry.name))
    return members


def descendants(pid: int) -> dict[int, str]:
    """A live process and all below it, parents first, each with its identity."""
    children: dict[int, list[int]] = {}
    for row in _parents():
        children.setdefault(row[1], []).append(row[0])
    found, queue = dict[int, str](), [pid]
    for each in queue:
        identity = process_identity(each)
        if identity is not None:
            found[each] = identity
        queue.extend(children.get(each, []))
    return found


def command_line(pid: int) -> str:
    """The command that a process runs, empty when there is none any more."""
    return _ps("-o", "args=", "-p", str(pid)).strip()


def end_process(pid: int, identity: str) -> None:
    """Kill a process if it is still the one of this identity."""
    if process_identity(pid) == identity:
        signal_group(pid, signal.SIGKILL, leader_only=True)


def _parents() -> list[tuple[int, int]]:
    """Process id and parent of every process."""
    if not Path("/proc/self/stat").exists():
        rows = [line.split() for line in _ps("-A", "-o", "pid=,ppid=").splitlines()]
        return [(int(row[0]), int(row[1])) for row in rows]
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [(pid, int(fields[1])) for pid in pids if (fields := proc_stat(pid))]


def proc_stat(pid: int) -> list[str] | None:
    """Fields 3 and later of /proc/<pid>/stat (proc(5)), None when there is no such process.

    The name before them may hold spaces.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _ps(*options: str) -> str:
    return subprocess.run(["ps", *options], capture_output=True, text=True, check=False).stdout


def is_alive(pid: int) -> bool:
    """Whether the process runs; collects its exit status when it is our own child."""
    with contextlib.suppress(ChildProcessError):  # an earlier command's child is not ours
        os.waitpid(pid, os.WNOHANG)
    return process_identity(pid) is not None


def end_group(group: int, title: str) -> None:
    """Kill what is left of a process group and wait until it is gone.

    Raises LocalProcessError when processes are left in spite of SIGKILL.
    """
    signal_group(group, signal.SIGKILL)
    if not becomes_true(lambda: not live_group_members(group), STOP_TIMEOUT_SECONDS):
        raise LocalProcessError(
            f"Processes of {title} are left: {sorted(live_group_members(group))}."
        )


def signal_group(pid: int, number: signal.Signals, *, leader_only: bool = False) -> None:
    """Signal a process group, or only the process that leads it; one that is gone is fine."""
    try:
        if leader_only:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)
    except ProcessLookupError:
        return


def becomes_true(
    condition: Callable[[], bool], timeout_seconds: float, poll_seconds: float = POLL_SECONDS
) -> bool:
    """Ask until it is true or the time is over; the last answer."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_seconds)
    return True
