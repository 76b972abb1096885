"""Ports of the loopback address: which are free, and who listens."""

import socket
from collections.abc import Iterable

import psutil

# Stands for whichever port is free when a server starts.
ANY_PORT = 0


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


def is_listener(port: int, processes: Iterable[int]) -> bool:
    """Whether one of these processes, which must be ours, listens on the port."""
    return any(port in _listened_ports(pid) for pid in processes)


def _listened_ports(pid: int) -> set[int]:
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:  # it ended meanwhile; one that ends may already deny it
        return set()
    return {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
