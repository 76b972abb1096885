"""One bounded HTTP GET. It repeats and follows nothing: `shared.sources.client` does."""

import socket
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from shared.errors import SourceError, SourceUnavailableError
from shared.sources.outbound import OutboundGuard
from shared.sources.redaction import protect_urllib3_logs, redact

USER_AGENT = "ultron-embeddings/0.1.0 (+semantic search over paged corpora; honours Retry-After)"
_CHUNK_BYTES = 65_536


class TransportError(SourceUnavailableError):
    """No whole answer arrived: refused, reset, timed out or cut short. Worth a retry."""


class DamagedDataError(SourceError):
    """Gzipped data that is damaged or cut short."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one call; `total_timeout_seconds` covers the whole of it, body included."""

    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 20.0
    total_timeout_seconds: float = 30.0
    maximum_received_bytes: int = 16 * 1024 * 1024
    maximum_body_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer; header names are in lower case, the body is decompressed.

    `url` is where it was found, without credentials; empty where the caller knows.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""


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
        return connected


class _GuardedTlsConnection(_GuardedConnection, HTTPSConnection):
    """The same, encrypted."""


class _GuardedPools(urllib3.PoolManager):
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


class HttpClient:
    """Sends polite GETs: one user agent, gzip, no redirects, bounded time and size.

    It calls what `guard` allows: public hosts, unless told otherwise.
    """

    def __init__(
        self,
        limits: HttpLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        guard: OutboundGuard | None = None,
    ) -> None:
        protect_urllib3_logs()
        self._limits = limits or HttpLimits()
        self._monotonic = monotonic
        self._guard = guard or OutboundGuard()
        self._pool = _GuardedPools(
            self._guard,
            timeout=urllib3.Timeout(
                connect=self._limits.connect_timeout_seconds,
                read=self._limits.read_timeout_seconds,
            ),
            retries=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
        )

    def get(self, url: str, headers: Mapping[str, str]) -> HttpResponse:
        """Return the answer, whatever its status.

        Raises:
            TransportError: no whole answer arrived.
            ForbiddenAddressError: the address must not be called.
            SourceError: the answer is larger than the bounds, or encoded in another way.
        """
        self._guard.check_url(url)
        deadline = self._monotonic() + self._limits.total_timeout_seconds
        try:
            response = self._pool.request(
                "GET",
                url,
                headers={**self._pool.headers, **headers},
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
            )
            try:
                received = self._read(response, deadline)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            # `from None`: the library's error may quote the signed URL.
            raise TransportError(
                f"no whole answer from the source: {type(error).__name__}: {redact(str(error))}"
            ) from None
        # By name: a header that comes several times, as `Link` may, is one list.
        lowered = {name.lower(): response.headers[name] for name in response.headers}
        body = self._decompress(received, lowered.get("content-encoding", ""))
        return HttpResponse(response.status, lowered, body)

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        received = bytearray()
        # read1 returns what is there, so a server that drips cannot outlast the deadline.
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            received += chunk
            if len(received) > self._limits.maximum_received_bytes:
                raise SourceError(
                    f"the source's answer exceeds {self._limits.maximum_received_bytes} bytes; "
                    "use a smaller page size"
                )
            if self._monotonic() > deadline:
                raise TransportError(
                    "the source's answer took longer than "
                    f"{self._limits.total_timeout_seconds:g} seconds"
                )
        return bytes(received)

    def _decompress(self, received: bytes, encoding: str) -> bytes:
        if not received or encoding.lower() in {"", "identity"}:
            return received
        if encoding.lower() not in {"gzip", "x-gzip"}:
            raise SourceError(f"the source answered in encoding {encoding[:40]!r}, not gzip")
        try:
            return gunzip(received, self._limits.maximum_body_bytes)
        except DamagedDataError as error:
            raise TransportError(f"no whole answer from the source: {error}") from error


def gunzip(data: bytes, maximum_bytes: int) -> bytes:
    """Decompress gzip of one or more members, never beyond the bound.

    Raises:
        DamagedDataError: the data is damaged or cut short.
        SourceError: it is larger than `maximum_bytes` when decompressed.
    """
    body = bytearray()
    while data:
        decompressor = zlib.decompressobj(wbits=31)
        try:
            body += decompressor.decompress(data, maximum_bytes - len(body) + 1)
        except zlib.error as error:
            raise DamagedDataError(f"the gzipped data is damaged: {error}") from error
        if len(body) > maximum_bytes:
            raise SourceError(f"the data exceeds {maximum_bytes} bytes when decompressed")
        if not decompressor.eof:
            raise DamagedDataError("the gzipped data is cut short")
        # Writers of tapes and blocks pad the last member with zeros.
        data = decompressor.unused_data.lstrip(b"\0")
    return bytes(body)
