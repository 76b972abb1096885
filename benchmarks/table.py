"""What every benchmark prints: the machine, the versions, and aligned columns."""

import ctypes
import gc
import importlib.metadata
import os
import platform
import resource
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

Cell = str | int | float | None


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows under their columns: the first to the left, the others to the right."""
    lines = [list(columns), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    for line in lines:
        cells = [
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4f}" if abs(cell) < 1 else f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def print_machine(*packages: str) -> None:
    """Print what the figures were measured on, and the versions of packages that are installed."""
    print(f"{processor_name()}, {usable_processors()} CPUs, {_memory_gib():.0f} GiB; ", end="")
    versions = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    versions += [f"{name} {version}" for name in packages if (version := version_of(name))]
    print(", ".join(versions))


def version_of(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def usable_processors() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """The name of the processor, as Linux tells it; the architecture elsewhere."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return f"{value.strip()} ({platform.machine()})"
    return platform.machine()


def _memory_gib() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2**30


def held_memory_bytes() -> int:
    """What this process has resident once it gave back all that it does not use (Linux only).

    What glibc keeps of freed memory moves up and down, and hides whether the rest grows.
    """
    gc.collect()
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_memory_bytes() -> int:
    """The most memory that this process ever had resident, of which files it maps are a part.

    Linux tells it without what the parent had when it forked, which getrusage counts in.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
