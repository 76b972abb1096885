"""One bounded HTTP GET. It repeats and follows nothing: `shared.web.client` does."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3

from shared.errors import SourceError, SourceUnavailableError
from shared.web.connections import guarded_pools
from shared.web.deadline import deadline, is_over
from shared.web.outbound import OutboundGuard
from shared.web.redaction import protect_urllib3_logs, redact

USER_AGENT = "ultron-embeddings/0.1.0 (+semantic search over paged corpora; honours Retry-After)"
_CHUNK_BYTES = 65_536
# At the end of each member what is left of its piece is copied: were all data one piece, many
# small members would take time by its square.
_GZIP_PIECE_BYTES = 16_384
_PADDING = re.compile(rb"\0*")


class TransportError(SourceUnavailableError):
    """No whole answer arrived: refused, reset, timed out or cut short. Worth a retry."""


class DamagedDataError(SourceError):
    """Gzipped data that is damaged or cut short."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one call; `total_timeout_seconds` covers the whole of it, body included.

    `maximum_received_bytes` is of what is received, `maximum_body_bytes` of what that unpacks to.
    """

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


class HttpClient:
    """Sends polite GETs: one user agent, gzip, no redirects, bounded time and size.

    It calls what `guard` allows: public hosts, unless told otherwise.
    """

    def __init__(
        self,
        limits: HttpLimits | None = None,
        guard: OutboundGuard | None = None,
    ) -> None:
        protect_urllib3_logs()
        self._limits = limits or HttpLimits()
        self._guard = guard or OutboundGuard()
        self._pool = guarded_pools(
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
        with deadline(self._limits.total_timeout_seconds):
            try:
                response, received = self._receive(url, headers)
            except urllib3.exceptions.HTTPError as error:
                if is_over():
                    raise self._too_slow() from None
                # `from None`: the library's error may quote the signed URL.
                raise TransportError(
                    f"no whole answer from the source: {type(error).__name__}: {redact(str(error))}"
                ) from None
        # By name: a header that comes several times, as `Link` may, is one list.
        lowered = {name.lower(): response.headers[name] for name in response.headers}
        body = self._decompress(received, lowered.get("content-encoding", ""))
        return HttpResponse(response.status, lowered, body)

    def _receive(
        self, url: str, headers: Mapping[str, str]
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
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
            received = self._read(response)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return response, received

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        received = bytearray()
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            received += chunk
            if len(received) > self._limits.maximum_received_bytes:
                raise SourceError(
                    f"the source's answer exceeds {self._limits.maximum_received_bytes} bytes; "
                    "use a smaller page size"
                )
        return bytes(received)

    def _too_slow(self) -> TransportError:
        return TransportError(
            f"the source's answer took longer than {self._limits.total_timeout_seconds:g} seconds"
        )

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
    position = 0
    while position < len(data):
        decompressor = zlib.decompressobj(wbits=31)
        while not decompressor.eof:
            piece = data[position : position + _GZIP_PIECE_BYTES]
            if not piece:
                raise DamagedDataError("the gzipped data is cut short")
            try:
                body += decompressor.decompress(piece, maximum_bytes - len(body) + 1)
            except zlib.error as error:
                raise DamagedDataError(f"the gzipped data is damaged: {error}") from error
            if len(body) > maximum_bytes:
                raise SourceError(f"the data exceeds {maximum_bytes} bytes when decompressed")
            position += len(piece) - len(decompressor.unused_data)
        # Writers of tapes and blocks pad the last member with zeros.
        padding = _PADDING.match(data, position)
        position = padding.end() if padding else position
    return bytes(body)
