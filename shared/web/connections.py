"""Connections to sources: only where the guard allows, and for no longer than a call may take."""

import socket
import ssl
from typing import Any, ClassVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import create_urllib3_context, ssl_wrap_socket

from shared.web.deadline import within_deadline
from shared.web.outbound import OutboundGuard


class _BoundedSocket(socket.socket):
    """A socket on which no step waits beyond the deadline of the call."""

    def recv_into(self, *arguments: Any) -> int:
        with within_deadline(self):
            return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        with within_deadline(self):
            super().sendall(*arguments)


class _BoundedTlsSocket(_BoundedSocket, ssl.SSLSocket):
    """The same, encrypted."""

    def do_handshake(self, block: bool = False) -> None:
        with within_deadline(self):
            super().do_handshake(block)


class _GuardedConnection(HTTPConnection):
    """Connects where its guard does."""

    guard: ClassVar[OutboundGuard]

    def __init__(self, host: str, **settings: Any) -> None:
        super().__init__(host, **settings)
        # `self.host` is without a final dot. With it, a name is looked up without additions.
        self._name = host

    def connect(self) -> None:
        self.sock = self._open()

    def _open(self) -> _BoundedSocket:
        timeout = self.timeout if isinstance(self.timeout, float | int) else None
        try:
            connected = self.guard.connect(self._name, self.port or self.default_port, timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} did not answer in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"{self.host} cannot be reached: {error}") from error
        for option in self.socket_options or ():
            connected.setsockopt(*option)
        bounded = _BoundedSocket(fileno=connected.detach())
        bounded.settimeout(timeout)
        return bounded


class _GuardedTlsConnection(_GuardedConnection, HTTPSConnection):
    """The same, encrypted; the host proves by a certificate that it has its name."""

    def connect(self) -> None:
        context = create_urllib3_context()
        context.load_default_certs()
        context.sslsocket_class = _BoundedTlsSocket
        with self._open() as opened:
            self.sock = ssl_wrap_socket(opened, ssl_context=context, server_hostname=self.host)
        self.is_verified = True


def guarded_pools(guard: OutboundGuard, **settings: Any) -> urllib3.PoolManager:
    """Pools of guarded connections; variables of the environment that name proxies are not read."""
    plain = type("GuardedHttp", (_GuardedConnection,), {"guard": guard})
    encrypted = type("GuardedHttps", (_GuardedTlsConnection,), {"guard": guard})
    pools = urllib3.PoolManager(**settings)
    pools.pool_classes_by_scheme = {
        "http": type("HttpPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("HttpsPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": encrypted}),
    }
    return pools
