"""JSON lines: of a whole object, or those that begin in one byte range of a large one."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import SourceError

MAXIMUM_TAIL_BYTES = 8 * 1024 * 1024
"""How far the last line of a range may continue behind the range's end."""

_FIRST_TAIL_BYTES = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

RangeReader = Callable[[int, int], bytes]
"""Returns `length` bytes from `offset`; fewer only where the object ends."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to, without, `end` of an object of `size_bytes`."""

    start: int
    end: int
    size_bytes: int


def split_lines(data: bytes) -> list[str]:
    """Return the lines of a whole object without empty ones."""
    return _texts(data.removeprefix(_BYTE_ORDER_MARK))


def range_lines(part: ByteRange, read: RangeReader) -> list[str]:
    """Return the lines that begin in a range, without empty ones.

    The ranges of an object, wherever they meet, give each of its lines exactly once: a line
    belongs to the range in which its first byte lies, and is read to its end wherever that is.

    Raises:
        SourceError: its last line goes on too long behind the range; says where.
    """
    # The byte before tells whether a line begins with the first one.
    offset = max(part.start - 1, 0)
    data = read(offset, min(part.end + _FIRST_TAIL_BYTES, part.size_bytes) - offset)
    last_byte = part.end - 1 - offset
    begin = 0
    if part.start > 0:
        begin = data.find(b"\n", 0, last_byte) + 1
        if begin == 0:
            return []
    end = data.find(b"\n", last_byte)
    if end < 0:
        data += _tail(part, offset + len(data), read)
        end = data.find(b"\n", last_byte)
    own = data[begin:] if end < 0 else data[begin:end]
    return split_lines(own) if part.start == 0 else _texts(own)


def _tail(part: ByteRange, offset: int, read: RangeReader) -> bytes:
    """Return the bytes from `offset` to the next line break or the object's end."""
    tail = bytearray()
    length = _FIRST_TAIL_BYTES
    limit = part.end + MAXIMUM_TAIL_BYTES
    while offset < part.size_bytes:
        if offset >= limit:
            raise SourceError(
                f"the line across byte {part.end} goes on for more than {MAXIMUM_TAIL_BYTES} "
                "bytes; split the record, or raise page_bytes"
            )
        block = read(offset, min(length, limit - offset, part.size_bytes - offset))
        tail += block
        if not block or b"\n" in block:
            break
        offset += len(block)
        length *= 2
    return bytes(tail)


def _texts(data: bytes) -> list[str]:
    """Decode line by line: bytes that are no UTF-8 become `\\xNN`, which JSON refuses.

    So such a line is rejected by itself.
    """
    lines = (line.decode("utf-8", "backslashreplace").rstrip("\r") for line in data.split(b"\n"))
    return [line for line in lines if line.strip()]
