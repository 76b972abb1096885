"""Ports of the loopback address: which are free, and who listens."""

import random
import socket
from collections.abc import Iterable

import psutil

from scripts.processes.errors import LocalProcessError

# Stands for whichever port is free when a server starts.
ANY_PORT = 0
# Below the ports that systems give to connections (Linux from 32768, macOS from 49152): a program's
# connection could take one of those before the server listens.
_PORTS_FOR_SERVERS = range(20_000, 32_000)
_TRIED_PORTS = 200


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
    """A port that nothing listens on; another server may take it before it is used.

    Raises:
        LocalProcessError: all ports that were tried are taken.
    """
    # Two programs that start at once, and tests that set a seed, must not draw the same ports.
    for port in random.SystemRandom().sample(_PORTS_FOR_SERVERS, _TRIED_PORTS):
        if is_port_free(port):
            return port
    raise LocalProcessError(
        f"{_TRIED_PORTS} ports from {_PORTS_FOR_SERVERS.start} to {_PORTS_FOR_SERVERS.stop} are "
        "taken by other programs: end some of them."
    )


def is_listener(port: int, processes: Iterable[int]) -> bool:
    """Whether one of these processes, which must be ours, listens on the port."""
    return any(port in _listened_ports(pid) for pid in processes)


def _listened_ports(pid: int) -> set[int]:
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:  # it ended meanwhile; one that ends may already deny it
        return set()
    return {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
