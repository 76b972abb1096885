"""The end of a call: no step of it that waits for the source waits beyond.

A timeout of a socket restarts with each byte: a server that sends one now and then would hold a
worker for hours.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound what is done within the block."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def is_over() -> bool:
    """Whether the time of the present call is up."""
    ends_at = _ends_at.get()
    return ends_at is not None and time.monotonic() >= ends_at


def time_left(timeout_seconds: float | None) -> float | None:
    """Return how long a step may wait that would wait for so long.

    Raises:
        TimeoutError: the time of the present call is up.
    """
    ends_at = _ends_at.get()
    if ends_at is None:
        return timeout_seconds
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time of the call is up")
    return left if timeout_seconds is None else min(left, timeout_seconds)


@contextmanager
def within_deadline(used: socket.socket) -> Iterator[None]:
    """Bound how long the socket waits for what is done within the block."""
    timeout_seconds = used.gettimeout()
    used.settimeout(time_left(timeout_seconds))
    try:
        yield
    finally:
        used.settimeout(timeout_seconds)
