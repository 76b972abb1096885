"""Objects that a person puts into the bucket: CSV, JSON, JSON lines, gzip, and expressions."""

import gzip as gzip_format
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise

from pydantic import TypeAdapter, ValidationError

from shared.canonical.raw_json import load_json
from shared.errors import SourceError
from shared.models.expressions import Expression, evaluate
from shared.models.sources import JsonlSource, MarvelArchiveSource
from shared.sources.base import Source
from shared.sources.json_document import JsonDocument
from shared.sources.marvel.archive import MarvelArchive
from shared.sources.objects.csv_rows import csv_lines
from shared.sources.objects.json_lines import ByteRange, range_lines, split_lines
from shared.sources.objects.reading import bounded_lines, utf8_text
from shared.sources.objects.source import JsonlObjects
from shared.storage.memory import MemoryObjectStore
from shared.storage.object_store import ObjectStore
from shared.web.http_get import gunzip
from tests.fuzz.target import Target, first_line

EXPRESSION: TypeAdapter[str] = TypeAdapter(Expression)
LARGEST_BYTES = 100_000
ENDINGS = (".jsonl", ".json", ".csv", ".jsonl.gz", ".json.gz", ".csv.gz")
JSONL = JsonlSource(prefix="sources/a/", items="data.results")
ARCHIVE = MarvelArchiveSource(prefix="raw/a/")
SOURCES: tuple[tuple[str, Callable[[ObjectStore], Source], str], ...] = (
    (JSONL.prefix, partial(JsonlObjects, JSONL), "records"),
    (ARCHIVE.prefix, partial(MarvelArchive, ARCHIVE), "comics"),
)
DELIMITERS = (",", ";", "\t", "|")


def compressed_objects() -> list[bytes]:
    answer = b'{"data": {"total": 1, "results": [{"id": 1}]}}'
    return [
        bytes([number]) + (gzip_format.compress(answer) if ending.endswith(".gz") else answer)
        for number, ending in enumerate(ENDINGS)
    ]


def csv(data: bytes) -> None:
    delimiter = DELIMITERS[data[0] % len(DELIMITERS)] if data else ","
    with suppress(SourceError, ValueError):
        for line in bounded_lines(csv_lines(utf8_text(data[1:]), delimiter)):
            assert "\n" not in line
            assert isinstance(json.loads(line), dict | str)


def json_line_ranges(data: bytes) -> None:
    """Wherever an object is cut, its ranges give each line once."""
    cut, body = (data[0], data[1:]) if data else (0, b"")
    size = len(body)
    cuts = sorted({0, min(cut, size), size // 2, size})
    found: list[str] = []
    for start, end in pairwise(cuts):
        part = ByteRange(start, end, size)
        found += range_lines(part, lambda offset, length: body[offset : offset + length])
    assert found == (split_lines(body) if size else [])


def gzip(data: bytes) -> None:
    with suppress(SourceError):
        body = gunzip(data, LARGEST_BYTES)
        assert len(body) <= LARGEST_BYTES
    assert gunzip(gzip_format.compress(data, 1, mtime=0), LARGEST_BYTES) == data


def checked(expression: str) -> str | None:
    try:
        return EXPRESSION.validate_python(expression)
    except ValidationError:
        return None


def expression(data: bytes) -> None:
    written, body = first_line(data)
    given = checked(written)
    with suppress(ValueError):
        document = load_json(utf8_text(body))
        if given is not None:
            evaluate(given, document)


def json_document(data: bytes) -> None:
    written, body = first_line(data)
    with suppress(ValueError):
        document = JsonDocument(utf8_text(body))
        given = checked(written)
        if given is None:
            return
        found = document.value(given)
        texts = document.record_texts(given)
        records = found if isinstance(found, list) else [] if found is None else [found]
        assert [load_json(text) for text in texts] == records
        assert not any("\n" in text for text in texts)


def stored_object(data: bytes) -> None:
    """The first byte says how the object's name ends, and so how it is read."""
    ending = ENDINGS[data[0] % len(ENDINGS)] if data else ENDINGS[0]
    for prefix, source, endpoint in SOURCES:
        store, key = MemoryObjectStore(), f"{prefix}comics-1{ending}"
        store.put(key, data[1:])
        query = {"key": key, "size_bytes": str(len(data))}
        with suppress(SourceError):
            page = source(store).fetch(endpoint, query, None)
            assert all("\n" not in line for line in page.lines)


TARGETS = {
    "csv": Target(csv),
    "expression": Target(expression, is_json=True),
    "gzip": Target(gzip, lambda: [gzip_format.compress(b"a" * 300) + bytes(3)]),
    "json_document": Target(json_document, is_json=True),
    "json_line_ranges": Target(json_line_ranges),
    "stored_object": Target(stored_object, compressed_objects),
}
