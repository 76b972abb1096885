"""Objects of S3 in memory, their etags, and the ranges that a request asks of them."""

import hashlib
import re
from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

PART_BYTES = 8 * 1024 * 1024
"""From this size on boto3 uploads a file in parts of this size."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class KeptObject:
    """An object as it is kept; `etag` has its quotation marks."""

    data: bytes
    etag: str
    content_type: str
    metadata: Mapping[str, str]
    last_modified: datetime


class Bucket:
    """Objects by their keys."""

    def __init__(self) -> None:
        self.objects: dict[str, KeptObject] = {}
        self.sorted_keys: list[str] = []

    def write(self, key: str, kept: KeptObject) -> None:
        """Keep an object in place of another one, if there is one."""
        if key not in self.objects:
            # The order of code points is also that of UTF-8 bytes, by which S3 lists.
            insort(self.sorted_keys, key)
        self.objects[key] = kept

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        if self.objects.pop(key, None) is not None:
            del self.sorted_keys[bisect_left(self.sorted_keys, key)]


def etag_of(data: bytes) -> str:
    """Return the etag of an object that was written at once."""
    return f'"{_digest(data).hex()}"'


def etag_of_parts(data: bytes) -> str:
    """Return the etag of an object that boto3 uploads from a file."""
    if len(data) < PART_BYTES:
        return etag_of(data)
    digests = [
        _digest(data[start : start + PART_BYTES]) for start in range(0, len(data), PART_BYTES)
    ]
    return f'"{_digest(b"".join(digests)).hex()}-{len(digests)}"'


def is_same_etag(asked: str, etag: str) -> bool:
    """Whether an etag, with quotation marks or without, is that of an object."""
    return asked == "*" or asked.strip('"') == etag.strip('"')


def whole_seconds(now: datetime) -> datetime:
    """Return a time as S3 tells it."""
    return now.astimezone(UTC).replace(microsecond=0)


def asked_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Return the first byte and the one behind the last; None where the object has no such byte.

    Raises:
        NotImplementedError: the header is not a range of bytes, or has several.
    """
    found = _RANGE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        raise NotImplementedError(f"get_object with Range {header!r}")
    if not found[1]:
        start, end = max(0, size_bytes - int(found[2])), size_bytes
        return None if int(found[2]) == 0 or size_bytes == 0 else (start, end)
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        raise NotImplementedError(f"get_object with Range {header!r}")
    end = min(int(found[2]) + 1, size_bytes) if found[2] else size_bytes
    return None if start >= size_bytes else (start, end)


def _digest(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
