"""Processes of this machine: who they are, which belong together, and how they are ended."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from scripts.processes.errors import LocalProcessError

POLL_SECONDS = 0.05
STOP_TIMEOUT_SECONDS = 10.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # of Linux


def process_identity(pid: int) -> str | None:
    """What tells a live process from an earlier or later one of the same number.

    None when there is no such process, or when it has ended and is a zombie.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        began = process.create_time()
    except psutil.NoSuchProcess:
        return None
    if not _BOOT_ID.exists():
        return f"{pid}/{began}"
    # Counted from the boot, in the ticks of Linux: the time of day of both moves with the clock.
    ticks = round((began - psutil.boot_time()) * os.sysconf("SC_CLK_TCK"))
    return f"{_BOOT_ID.read_text(encoding='ascii').strip()}/{pid}/{ticks}"


def live_group_members(group: int) -> set[int]:
    """The process ids of a process group, without zombies."""
    members = set[int]()
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):  # it ended meanwhile
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.add(pid)
    return members


def with_descendants(pid: int) -> list[psutil.Process]:
    """A process and all below it, parents first; none when there is no such process."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


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
