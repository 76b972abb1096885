"""Reads an object that is a page by itself, bounded in size."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from shared.errors import NotFoundError, SourceError
from shared.sources.base import FetchedPage
from shared.sources.objects.listing import is_compressed
from shared.storage.object_store import ObjectStore, StoredObject
from shared.web.http_get import gunzip

# A page passes through functions of 512 MB, which hold it several times over.
MAXIMUM_OBJECT_BYTES = 32 * 1024 * 1024
MAXIMUM_LINE_CHARACTERS = 2 * MAXIMUM_OBJECT_BYTES
"""How long the lines of one page may be together: some formats grow when they become lines."""


@dataclass(frozen=True, slots=True)
class PageContent:
    """What an object holds; `metadata` is the object's own."""

    data: bytes
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PageLines:
    """What is made of it."""

    lines: tuple[str, ...]
    attribution: str | None = None


def fetch_object(
    store: ObjectStore,
    key: str,
    size_bytes: int,
    known_etag: str | None,
    read: Callable[[PageContent], PageLines],
) -> FetchedPage:
    """Read a whole object, unless its etag is the known one; one that is gone is an empty page.

    `read` may raise ValueError or SourceError.

    Raises:
        SourceError: the object is too large or damaged, or `read` failed; names the object.
    """
    _require_bounded(key, size_bytes)
    try:
        stored = store.get(key) if known_etag is None else store.get_if_changed(key, known_etag)
    except NotFoundError:
        return FetchedPage()
    if stored is None:
        return FetchedPage(etag=known_etag, is_not_modified=True)
    _require_bounded(key, len(stored.data))
    try:
        page = read(PageContent(_decompressed(stored), stored.metadata))
    except (ValueError, SourceError) as error:
        raise SourceError(f"{key}: {error}") from None
    return FetchedPage(page.lines, stored.etag, page.attribution)


def utf8_text(data: bytes) -> str:
    """Return the text, without a byte order mark.

    Raises:
        ValueError: it is not UTF-8; says where.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def bounded_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the lines.

    Raises:
        SourceError: together they are longer than a page may be.
    """
    kept: list[str] = []
    length = 0
    for line in lines:
        kept.append(line)
        length += len(line)
        if length > MAXIMUM_LINE_CHARACTERS:
            raise SourceError(
                f"its records have more than {MAXIMUM_LINE_CHARACTERS} characters as JSON; "
                "split it into several objects"
            )
    return tuple(kept)


def _require_bounded(key: str, size_bytes: int) -> None:
    if size_bytes > MAXIMUM_OBJECT_BYTES:
        raise SourceError(
            f"{key} has {size_bytes} bytes, more than the {MAXIMUM_OBJECT_BYTES} of one page; "
            "split it into several objects"
        )


def _decompressed(stored: StoredObject) -> bytes:
    if not is_compressed(stored.key):
        return stored.data
    if not stored.data:
        raise SourceError("it is empty, which is no gzip; upload it again")
    return gunzip(stored.data, MAXIMUM_OBJECT_BYTES)
