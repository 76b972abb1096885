"""Connections to sources: only where the guard allows, and for no longer than a call may take."""

import contextlib
import os
import socket
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ClassVar, Self

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from shared.web.outbound import OutboundGuard


class Deadline:
    """Cuts the connection of the call within its block when the time is up.

    A timeout of a socket restarts with each byte: a server that sends one now and then would hold a
    worker for hours. `is_over` says that the connection was cut: what was read may be a part.
    """

    _current: ClassVar[ContextVar["Deadline | None"]] = ContextVar("deadline", default=None)

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._handle: socket.socket | None = None

    def __enter__(self) -> Self:
        self._token = self._current.set(self)
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._current.reset(self._token)
        self._take_handle(None)

    @classmethod
    def watch(cls, connected: socket.socket) -> None:
        """Make the connection end with the present deadline, if there is one."""
        deadline = cls._current.get()
        if deadline is not None:
            # A second handle: TLS takes the first one over, and a response may close it.
            deadline._take_handle(socket.socket(fileno=os.dup(connected.fileno())))

    def _take_handle(self, handle: socket.socket | None) -> None:
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = handle
            self._end_if_over()

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            self._end_if_over()

    def _end_if_over(self) -> None:
        if self.is_over and self._handle is not None:
            with contextlib.suppress(OSError):  # the source disconnected at the same moment
                self._handle.shutdown(socket.SHUT_RDWR)


class _GuardedConnection(HTTPConnection):
    """Connects where its guard does; all else, as verifying the host's name by TLS, stays."""

    guard: ClassVar[OutboundGuard]

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, float | int) else None
        try:
            connected = self.guard.connect(self._dns_host, self.port or self.default_port, timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} did not answer in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"{self.host} cannot be reached: {error}") from error
        for option in self.socket_options or ():
            connected.setsockopt(*option)
        Deadline.watch(connected)
        return connected

    def request(self, *arguments: Any, **settings: Any) -> None:
        if self.sock is not None:  # it was left open by an earlier call
            Deadline.watch(self.sock)
        super().request(*arguments, **settings)


class _GuardedTlsConnection(_GuardedConnection, HTTPSConnection):
    """The same, encrypted."""


class GuardedPools(urllib3.PoolManager):
    """Pools of guarded connections; variables of the environment that name proxies are not read."""

    def __init__(self, guard: OutboundGuard, **settings: Any) -> None:
        super().__init__(**settings)
        self._connections: dict[str, Any] = {
            "http": type("GuardedHttp", (_GuardedConnection,), {"guard": guard}),
            "https": type("GuardedHttps", (_GuardedTlsConnection,), {"guard": guard}),
        }

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> urllib3.HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        pool.ConnectionCls = self._connections[scheme]
        return pool
