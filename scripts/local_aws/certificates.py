"""A certificate that vouches for itself, made with no tool beyond Python.

RFC 5280 (certificates) and RFC 5915 (keys) in DER (X.690), signed by ECDSA over P-256 (FIPS 186-5).
For servers on this machine alone: its arithmetic takes no care to hide the key.
"""

import base64
import hashlib
import ipaddress
import secrets
from datetime import UTC, datetime, timedelta

_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_INTEGER, _BITS, _OCTETS, _OBJECT, _TEXT, _MOMENT = 0x02, 0x03, 0x04, 0x06, 0x0C, 0x17
_SEQUENCE, _SET = 0x30, 0x31
_KEY_KIND, _CURVE, _SIGNATURE_KIND = "2a8648ce3d0201", "2a8648ce3d030107", "2a8648ce3d040302"
_COMMON_NAME, _HOST_NAMES, _USE = "550403", "551d11", "551d0f"

Point = tuple[int, int]


def self_signed(host: str) -> str:
    """Return a new key and its certificate for a host or address, as one PEM text; for a day."""
    key = 1 + secrets.randbelow(_ORDER - 1)
    public = _times(key, _BASE)
    if public is None:
        raise AssertionError("a key below the order has a point")
    point = b"\x04" + _number(public[0]) + _number(public[1])
    body = _body(host, point)
    signed = _der(_SEQUENCE, body, _signature_kind(), _bits(_signature(key, body)))
    stored = _der(
        _SEQUENCE,
        _whole(1),
        _der(_OCTETS, _number(key)),
        _der(0xA0, _object(_CURVE)),
        _der(0xA1, _bits(point)),
    )
    return _pem("EC PRIVATE KEY", stored) + _pem("CERTIFICATE", signed)


def _body(host: str, point: bytes) -> bytes:
    now = datetime.now(UTC)
    name = _der(
        _SEQUENCE,
        _der(_SET, _der(_SEQUENCE, _object(_COMMON_NAME), _der(_TEXT, host.encode()))),
    )
    curve = _der(_SEQUENCE, _object(_KEY_KIND), _object(_CURVE))
    return _der(
        _SEQUENCE,
        _der(0xA0, _whole(2)),  # version 3
        _whole(1 + secrets.randbelow(2**64)),
        _signature_kind(),
        name,
        _der(_SEQUENCE, _moment(now - timedelta(days=1)), _moment(now + timedelta(days=1))),
        name,
        _der(_SEQUENCE, curve, _bits(point)),
        _der(
            0xA3,
            _der(
                _SEQUENCE,
                _extension(_HOST_NAMES, _der(_SEQUENCE, _alternative_name(host))),
                _extension(_USE, b"\x03\x02\x07\x80"),  # signatures
            ),
        ),
    )


def _alternative_name(host: str) -> bytes:
    """A GeneralName: an iPAddress where the host is one, else a dNSName."""
    try:
        return _der(0x87, ipaddress.ip_address(host).packed)
    except ValueError:
        return _der(0x82, host.encode())


def _signature(key: int, body: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(body).digest())
    while True:
        once = 1 + secrets.randbelow(_ORDER - 1)
        place = _times(once, _BASE)
        first = 0 if place is None else place[0] % _ORDER
        second = pow(once, -1, _ORDER) * (digest + first * key) % _ORDER
        if first and second:
            return _der(_SEQUENCE, _whole(first), _whole(second))


def _times(factor: int, point: Point) -> Point | None:
    found: Point | None = None
    doubled: Point | None = point
    while factor:
        if factor & 1:
            found = _sum(found, doubled)
        doubled = _sum(doubled, doubled)
        factor >>= 1
    return found


def _sum(one: Point | None, other: Point | None) -> Point | None:
    """The group's sum; None is its neutral element."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _PRIME == 0:
        return None
    if one == other:
        slope = 3 * (x1 * x1 - 1) * pow(2 * y1, -1, _PRIME)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, _PRIME)
    x3 = (slope * slope - x1 - x2) % _PRIME
    return x3, (slope * (x1 - x3) - y1) % _PRIME


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + content


def _whole(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _number(value: int) -> bytes:
    return value.to_bytes(32)


def _bits(content: bytes) -> bytes:
    return _der(_BITS, b"\x00", content)


def _object(encoded: str) -> bytes:
    return _der(_OBJECT, bytes.fromhex(encoded))


def _moment(moment: datetime) -> bytes:
    return _der(_MOMENT, f"{moment:%y%m%d%H%M%SZ}".encode())


def _signature_kind() -> bytes:
    return _der(_SEQUENCE, _object(_SIGNATURE_KIND))


def _extension(kind: str, value: bytes) -> bytes:
    return _der(_SEQUENCE, _object(kind), _der(_OCTETS, value))


def _pem(kind: str, content: bytes) -> str:
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"
