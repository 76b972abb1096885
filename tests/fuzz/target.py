"""What a fuzz target is, and what the groups of targets share."""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

# By the clock: what takes milliseconds can take seconds where others use the processors.
INPUT_TIMEOUT_SECONDS = 10
_CHANGE = struct.Struct("<BBHI")
_KINDS = 5


@dataclass(frozen=True, slots=True)
class Target:
    """A parser as something that takes bytes.

    `check` returns where the parser read the bytes, or refused them with the error that its
    docstring names; whatever else it raises is a finding. `seeds` makes valid inputs, beside those
    in `corpus/<name>`. The fuzzer makes no input that is longer than `maximum_bytes`. `is_json`:
    inputs are JSON documents, of which it mostly changes single values.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]] = tuple
    maximum_bytes: int = 4096
    is_json: bool = False


def text_of(data: bytes) -> str:
    """A text as a queue, an API or a file of UTF-8 gives it: without lone surrogates."""
    return data.decode("utf-8", "replace")


def first_line(data: bytes) -> tuple[str, bytes]:
    """The first line as text, and the bytes behind it."""
    line, _, rest = data.partition(b"\n")
    return text_of(line), rest


def changed(parts: Mapping[str, bytes], changes: bytes) -> dict[str, bytes]:
    """Files of ours with changes, each of eight bytes: which part, how, where, with which number.

    A checksum or a size of 20 kilobytes keeps a fuzzer from changing such files itself.
    """
    found = {name: bytearray(data) for name, data in parts.items()}
    names = list(found)
    for number, kind, place, value in _CHANGE.iter_unpack(_whole(changes)):
        data = found[names[number % len(names)]]
        offset = place % (len(data) + 1)
        word = value.to_bytes(4, "little")
        match kind % _KINDS:
            case 0:
                data[offset : offset + 1] = word[:1]
            case 1:
                data[offset : offset + 4] = word
            case 2:  # as a number of eight bytes, a negative one among them
                data[offset : offset + 8] = word + (b"\xff" if value >> 31 else b"\0") * 4
            case 3:
                del data[offset:]
            case 4:
                data[offset:offset] = word
    return {name: bytes(data) for name, data in found.items()}


def change(part: int, kind: int, place: int, value: int) -> bytes:
    """One change as `changed` reads it."""
    return _CHANGE.pack(part, kind, place, value)


def _whole(changes: bytes) -> bytes:
    return changes[: len(changes) // _CHANGE.size * _CHANGE.size]
