"""Ports of the loopback address: which are free, and who listens."""

import shutil
import socket
import subprocess
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

# Stands for whichever port is free when a server starts.
ANY_PORT = 0
_LISTENING = "0A"  # of the column `st` in proc_net_tcp(5)


def is_port_free(port: int) -> bool:
    """Whether a server could listen on the port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nothing listens on; another program may take it before it is used."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listener(port: int, processes: Collection[int]) -> bool:
    """Whether one of these processes listens on the port.

    Where that cannot be found out (no /proc and no `lsof`) it is taken to be so.
    """
    if Path("/proc/net/tcp").exists():
        wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
        return any(wanted & set(_open_files(pid)) for pid in processes)
    if shutil.which("lsof") is None:
        return True
    command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return bool({int(pid) for pid in listed.split()} & set(processes))


def _listening_inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(pid: int) -> Iterator[str]:
    with suppress(OSError):  # it ended meanwhile
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                yield str(entry.readlink())
