"""Requests and responses without a socket."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlencode

from examples.marvel.refusals import RequestRefusedError

_NEVER_SHOWN: Final = frozenset({"apikey", "hash"})
_DIFFERENT_EACH_TIME: Final = frozenset({"ts"})


@dataclass(frozen=True)
class Request:
    """An HTTP request; header names are lower-case. `is_local`: it came over loopback."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_local: bool = True

    @property
    def shown_parameters(self) -> dict[str, str]:
        """The query without key and hash: what may be logged."""
        return {k: v for k, v in self.parameters.items() if k not in _NEVER_SHOWN}

    @property
    def target(self) -> str:
        """`path?query`, sorted by name and the same each time a request is signed again."""
        query = {k: v for k, v in self.shown_parameters.items() if k not in _DIFFERENT_EACH_TIME}
        return f"{self.path}?{urlencode(sorted(query.items()))}" if query else self.path


@dataclass(frozen=True)
class Response:
    """An HTTP response before transport; `disconnect` means to close without an answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    disconnect: bool = False


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Path and parameters of a request line's target; of a repeated parameter the last counts."""
    # Not urlsplit: it raises for some targets that a client can send.
    path, _, query = target.partition("?")
    return path, dict(parse_qsl(query, keep_blank_values=True))


def json_response(
    body: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response; text stays readable UTF-8."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    all_headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Response(int(status), content, all_headers)


def refusal_response(refusal: RequestRefusedError) -> Response:
    """The error body and, when there is one, `Retry-After` in seconds."""
    seconds = refusal.retry_after_seconds
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return json_response(refusal.body, refusal.status, headers)


def encode_response(response: Response, accept_encoding: str) -> Response:
    """Compress the body when the client takes gzip; the same body always makes the same bytes."""
    headers = {**response.headers, "Vary": "Accept-Encoding"}
    body = response.body
    if body and accepts_gzip(accept_encoding):
        body = gzip.compress(body, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(response.status, body, headers, response.disconnect)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip (RFC 9110, 12.5.3)."""
    qualities = {}
    for part in accept_encoding.split(","):
        coding, *parameters = (piece.strip().lower() for piece in part.split(";"))
        qualities[coding] = not any(_is_zero_quality(parameter) for parameter in parameters)
    return qualities.get("gzip", qualities.get("*", False))


def _is_zero_quality(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in {"0.", "", "."}


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Whether an `If-None-Match` header names the etag, quoted or (as the API's users do) bare."""
    candidates = {part.strip().removeprefix("W/").strip('"') for part in if_none_match.split(",")}
    return etag in candidates or "*" in candidates
