"""Gzipped JSON lines. Compression is deterministic: the same records make the same bytes."""

import gzip
import zlib
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from shared.errors import CorruptObjectError

CONTENT_TYPE = "application/x-ndjson"


def encode_models(records: Iterable[BaseModel]) -> bytes:
    """Gzip one JSON document a line."""
    return encode_lines(record.model_dump_json() for record in records)


def encode_lines(lines: Iterable[str]) -> bytes:
    """Gzip lines of text; no line may hold a line break."""
    text = "".join(f"{line}\n" for line in lines)
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def decode_lines(data: bytes, key: str) -> Iterator[str]:
    """Yield the lines of a gzipped object, without empty ones.

    Raises:
        CorruptObjectError: the object is not gzip, is cut short or is not UTF-8.
    """
    if not data:  # gzip would call it an empty text, but nothing we write is zero bytes long
        raise CorruptObjectError(f"{key} is empty; write it again from the stage before")
    try:
        text = gzip.decompress(data).decode()
    except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise CorruptObjectError(f"{key} is not gzipped UTF-8 text: {error}") from error
    for line in text.split("\n"):
        if line.strip():
            yield line
