"""Requests that may be redirected: credentials stay with the origin they are for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from shared.errors import SourceError

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What another host may see: any other header of a caller could hold a credential.
_HARMLESS_HEADERS = frozenset({"accept", "accept-language", "if-none-match", "if-modified-since"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers and query parameters that only the origin of the first request may see."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values, so that they can be kept out of texts."""
        return (*self.headers.values(), *self.query.values())


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """A request; `url` is without the credentials, which are added on their origin only."""

    url: str
    headers: Mapping[str, str]
    credentials: Credentials

    @property
    def full_url(self) -> str:
        """The address with the credentials that belong into its query; never shown."""
        if not self.credentials.query:
            return self.url
        address, _, _ = self.url.partition("#")
        joint = "&" if "?" in address else "?"
        return f"{address}{joint}{urlencode(self.credentials.query)}"

    @property
    def full_headers(self) -> dict[str, str]:
        """The headers with the credentials that belong there; never shown."""
        return {**self.headers, **self.credentials.headers}

    def redirected(self, location: str) -> "OutboundRequest":
        """Return the request for where the answer points to.

        Raises:
            SourceError: it points from https to http.
        """
        try:
            target = urljoin(self.url, location)
            is_same = origin(target) == origin(self.url)
        except ValueError:
            raise SourceError(f"{host_path(self.url)} redirects to no web address") from None
        if urlsplit(self.url).scheme == "https" and urlsplit(target).scheme != "https":
            raise SourceError(
                f"{host_path(self.url)} redirects to {host_path(target)} without encryption; "
                "name the address that it should be read from"
            )
        if is_same:
            return replace(self, url=target)
        kept = {name: v for name, v in self.headers.items() if name.lower() in _HARMLESS_HEADERS}
        return OutboundRequest(target, kept, Credentials())


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port; raises ValueError for a malformed address."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme)


def host_path(url: str) -> str:
    """Return host and path of an address, which may be shown: no user, no query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    host = parts.netloc.rpartition("@")[2]
    return f"{host}{parts.path}"[:300] or "a malformed address"
