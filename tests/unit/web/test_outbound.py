"""Which addresses may be called, however they are spelled, and what is connected to."""

import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsError
from shared.web.outbound import (
    AllowedHosts,
    ForbiddenAddressError,
    OutboundGuard,
    Resolve,
    is_public,
)

NOT_PUBLIC_V4 = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
)  # fmt: skip
NOT_PUBLIC_V6 = (
    "::", "::1", "fd00:ec2::254", "fc00::1", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1",
    "2001:db8::1", "2001::1", "64:ff9b:1::1", "::127.0.0.1", "100::1", "3fff::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111",
          "2a00:1450:4001::1", "64:ff9b::101:101", "::ffff:1.1.1.1", "2002:101:101::1")  # fmt: skip


def found(*addresses: str) -> Resolve:
    """A name server that knows these addresses for every name."""

    def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


def embedded(address: ipaddress.IPv4Address) -> list[ipaddress.IPv6Address]:
    """The IPv6 addresses that stand for an IPv4 address."""
    value = int(address)
    return [
        ipaddress.IPv6Address((0xFFFF << 32) | value),
        ipaddress.IPv6Address((0x2002 << 112) | (value << 80) | 1),
        ipaddress.IPv6Address((0x64FF9B << 96) | value),
    ]


@pytest.mark.parametrize("text", [*NOT_PUBLIC_V4, *NOT_PUBLIC_V6])
def test_what_is_not_public(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(address)
    if isinstance(address, ipaddress.IPv4Address):
        assert not any(is_public(form) for form in embedded(address))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_no_special_ipv4_address_is_public_in_any_form(address: ipaddress.IPv4Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not is_public(address)
    assert [is_public(form) for form in embedded(address)] == [is_public(address)] * 3


@given(st.ip_addresses(v=6))
def test_no_special_ipv6_address_is_public(address: ipaddress.IPv6Address) -> None:
    stands_for_v4 = address.ipv4_mapped or address.sixtofour
    if not stands_for_v4 and (not address.is_global or address.is_multicast or address.is_reserved):
        assert not is_public(address) or address in ipaddress.ip_network("64:ff9b::/96")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "localhost", "0",
     "169.254.169.254", "2852039166", "0xA9FEA9FE", "::1", "::ffff:127.0.0.1"],
)  # fmt: skip
def test_odd_spellings_lead_nowhere(host: str) -> None:
    with pytest.raises(ForbiddenAddressError, match="outbound_allowed_hosts") as caught:
        OutboundGuard().connect(host, 80, 1)
    assert host in str(caught.value)


def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    guard = OutboundGuard(resolve=found("1.1.1.1", "10.0.0.1"))
    with pytest.raises(ForbiddenAddressError, match=r"wiki\.example is at 10\.0\.0\.1"):
        guard.addresses("wiki.example", 443)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_connection_goes_to_the_address_that_was_checked(port: int) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    def resolve(_host: str, _port: int) -> list[str]:
        return next(answers)

    guard = OutboundGuard(AllowedHosts.parse("wiki.example"), resolve)
    with guard.connect("wiki.example", port, 5) as connected:
        assert connected.getpeername() == ("127.0.0.1", port)
    assert next(answers) == ["10.0.0.1"]  # the name was asked for once


def test_an_address_that_does_not_answer_leaves_the_next(port: int) -> None:
    guard = OutboundGuard(AllowedHosts.parse("127.0.0.0/8"), found("127.0.0.2", "127.0.0.1"))
    with guard.connect("wiki.example", port, 5) as connected:
        assert connected.getpeername() == ("127.0.0.1", port)


def test_names_that_cannot_be_resolved() -> None:
    with pytest.raises(ForbiddenAddressError, match="no host name"):
        OutboundGuard().connect("a" * 64 + ".example", 80, 1)
    with pytest.raises(OSError, match=r"nobody\.example has no address"):
        OutboundGuard(resolve=found()).connect("nobody.example", 80, 1)


@pytest.mark.parametrize(
    ("setting", "host", "port", "address", "is_allowed"),
    [
        ("127.0.0.1", "127.0.0.1", 80, "127.0.0.1", True),
        ("127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1", True),
        ("127.0.0.1:8080", "127.0.0.1", 80, "127.0.0.1", False),
        ("127.0.0.1", "2130706433", 80, "127.0.0.1", False),
        ("Wiki.Internal", "wiki.internal.", 443, "10.0.0.1", True),
        ("wiki.internal", "evil-wiki.internal", 443, "10.0.0.1", False),
        ("wiki.internal", "internal", 443, "10.0.0.1", False),
        ("10.1.0.0/16", "anything", 443, "10.1.2.3", True),
        ("10.1.0.0/16", "anything", 443, "10.2.0.1", False),
        ("::1", "::1", 80, "::1", True),
        ("[::1]:8080", "::1", 8080, "::1", True),
        ("[::1]:8080", "::1", 80, "::1", False),
        ("fd00::/8", "anything", 80, "fd00::1", True),
        (" a.example , 10.1.0.0/16,, b.example ", "b.example", 80, "10.9.9.9", True),
        ("", "127.0.0.1", 80, "127.0.0.1", False),
    ],
)
def test_the_list_of_what_is_allowed(
    setting: str, host: str, port: int, address: str, is_allowed: bool
) -> None:
    allowed = AllowedHosts.parse(setting)
    assert allowed.allows(host, port, ipaddress.ip_address(address)) is is_allowed


@pytest.mark.parametrize(
    "entry", ["10.1.0.0/99", "10.1.2.3/16", "http://x", "a:b", "a:99999", ":80", "a b", "u@h"]
)
def test_an_entry_that_allows_nothing_is_named(entry: str) -> None:
    with pytest.raises(SettingsError, match="OUTBOUND_ALLOWED_HOSTS") as caught:
        AllowedHosts.parse(f"a.example,{entry}")
    assert repr(entry) in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://wiki.example/x", "only http and https"),
        ("file:///etc/passwd", "malformed"),
        ("gopher://wiki.example/", "only http and https"),
        ("//wiki.example/x", "only http and https"),
        ("https://user:hunter2@wiki.example/", "holds a user or password"),
        ("https://user@wiki.example/", "holds a user or password"),
        ("https://", "malformed"),
        ("https://wiki.example:99999/", "malformed"),
        ("https://wiki.example:0/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://wiki.example/a b", "malformed"),
        ("https://wiki.example/\n", "malformed"),
        ("https://wiki.example\\@evil.example/", "malformed"),
        ("", "malformed"),
    ],
)
def test_addresses_of_another_form(url: str, reason: str) -> None:
    with pytest.raises(ForbiddenAddressError, match=reason) as caught:
        OutboundGuard().check_url(url)
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_is_either_checked_or_refused(url: str) -> None:
    try:
        OutboundGuard().check_url(url)
    except ForbiddenAddressError:
        return
    assert url.lower().startswith(("http://", "https://"))


@given(st.text(max_size=300))
def test_any_setting_is_either_read_or_refused(setting: str) -> None:
    try:
        AllowedHosts.parse(setting)
    except SettingsError as error:
        assert "OUTBOUND_ALLOWED_HOSTS" in str(error)


def test_nobody_is_called_before_the_check(port: int) -> None:
    called = threading.Event()

    def connect(*_: object) -> socket.socket:
        called.set()
        raise OSError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", connect)
        with pytest.raises(ForbiddenAddressError):
            OutboundGuard().connect("127.0.0.1", port, 1)
    assert not called.is_set()
