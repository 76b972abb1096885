"""Which hosts a source may be on: public ones, and those that the deployment allows.

A user names a source's address, and a source names others by redirects: neither may reach what only
this machine can. So the guard checks the address after the name was resolved, and connects to that
very address: another answer of the name server cannot get in between.
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.errors import SettingsError, SourceError
from shared.web.deadline import time_left

Resolve = Callable[[str, int], list[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The registries of special-purpose addresses at IANA (RFC 6890), and multicast.
_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TRIED_ADDRESSES = 3


class ForbiddenAddressError(SourceError):
    """A source is on a host that must not be called from here."""

    code = "FORBIDDEN_ADDRESS"


def is_public(address: Address) -> bool:
    """Whether an address is one that any host on the internet could call.

    An IPv6 address that stands for an IPv4 address is what that one is.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    embedded = address.ipv4_mapped or address.sixtofour
    if embedded is None and address in _NAT64:
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_V6 and not any(address in network for network in _SPECIAL_V6)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """What may be called although it is not public."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, setting: str) -> "AllowedHosts":
        """Read a comma-separated list of `host`, `host:port` and CIDR.

        Raises:
            SettingsError: names the entry that is none of these.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[Network] = []
        for entry in filter(None, (part.strip() for part in setting.split(","))):
            try:
                if "/" in entry:
                    networks.append(ipaddress.ip_network(entry))
                else:
                    hosts.add(_host_and_port(entry))
            except ValueError:
                raise SettingsError(
                    f"OUTBOUND_ALLOWED_HOSTS: {entry[:100]!r} is no host, host:port or network "
                    "such as 10.1.0.0/16"
                ) from None
        return cls(frozenset(hosts), tuple(networks))

    def allows(self, host: str, port: int, address: Address) -> bool:
        """Whether the host, that is at this address, may be called."""
        name = _normal(host)
        if (name, None) in self.hosts or (name, port) in self.hosts:
            return True
        return any(address in network for network in self.networks)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class OutboundGuard:
    """Decides what may be called, and connects to nothing else."""

    def __init__(self, allowed: AllowedHosts | None = None, resolve: Resolve = _resolve) -> None:
        self._allowed = allowed or AllowedHosts()
        self._resolve = resolve

    def check_url(self, url: str) -> None:
        """Check the form of an address; where it leads is checked when it is connected to.

        Raises:
            ForbiddenAddressError: it is malformed, of another scheme, or holds a user or password.
        """
        try:
            parts = urlsplit(url)
            has_host = bool(parts.hostname) and parts.port != 0
        except ValueError:
            has_host, parts = False, urlsplit("")
        is_plain = url.isprintable() and not any(sign in url for sign in " \\")
        if not has_host or not is_plain:
            raise ForbiddenAddressError("the source's address is malformed; check it")
        if parts.scheme not in {"http", "https"}:
            raise ForbiddenAddressError(
                f"{parts.hostname} is to be called by {parts.scheme[:20]!r}; only http and https "
                "are spoken here"
            )
        if "@" in parts.netloc:
            raise ForbiddenAddressError(
                f"the address on {parts.hostname} holds a user or password; put it into a secret"
            )

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, all of which may be called.

        Raises:
            ForbiddenAddressError: one of them may not.
            OSError: the name cannot be resolved.
        """
        try:
            texts = self._resolve(host, port)
        except UnicodeError:
            raise ForbiddenAddressError(f"{host[:100]!r} is no host name; check it") from None
        for text in texts:
            address = ipaddress.ip_address(text)
            if not is_public(address) and not self._allowed.allows(host, port, address):
                raise ForbiddenAddressError(
                    f"{host[:100]} is at {text}, which is not public; if it is meant to be called, "
                    "name the host in outbound_allowed_hosts"
                )
        return texts

    def connect(self, host: str, port: int, timeout_seconds: float | None) -> socket.socket:
        """Connect to the first of a host's addresses that answers.

        Raises:
            ForbiddenAddressError: as `addresses`.
            OSError: none answers.
        """
        problem = OSError(f"{host} has no address")
        for address in self.addresses(host, port)[:_TRIED_ADDRESSES]:
            try:
                return socket.create_connection((address, port), time_left(timeout_seconds))
            except OSError as error:
                problem = error
        raise problem


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if any(sign in entry for sign in "@?#\\ "):
        raise ValueError(entry)
    is_bare_v6 = entry.count(":") > 1 and not entry.startswith("[")
    parts = urlsplit(f"//[{entry}]" if is_bare_v6 else f"//{entry}")
    if not parts.hostname:
        raise ValueError(entry)
    return _normal(parts.hostname), parts.port


def _normal(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
