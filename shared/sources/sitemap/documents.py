"""Sitemaps as documents: XML, plain text, either of them gzipped (sitemaps.org, "Protocol")."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from shared.errors import SourceError
from shared.web.http_get import gunzip

MAXIMUM_BYTES = 64 * 1024 * 1024
# An element takes many times the memory of its text. The protocol allows 50,000 entries.
MAXIMUM_ENTRIES = 200_000
MAXIMUM_ELEMENTS = 50_000
"""How many there may be in one entry."""

MAXIMUM_GAP_BYTES = 256 * 1024
"""How far apart two elements may begin or end. A tag or comment that is not complete is read from
its beginning again with each further piece (expat before 2.6), in quadratic time."""

_LONGEST_DATE = 100
_GZIP = b"\x1f\x8b"
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ROOTS: dict[str, Literal["index", "pages"]] = {"urlset": "pages", "sitemapindex": "index"}
_ENTRIES = frozenset({"url", "sitemap"})


@dataclass(frozen=True, slots=True)
class SitemapEntry:
    """An address as written, and when it changed as the sitemap says."""

    address: str
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Sitemap:
    """What a sitemap names: pages, or further sitemaps."""

    kind: Literal["index", "pages"]
    entries: tuple[SitemapEntry, ...]


def read_sitemap(body: bytes, where: str) -> Sitemap:
    """Parse a sitemap; `where` is what errors call it.

    Raises:
        SourceError: it is none, is damaged or too large, or tries what XML allows to attackers.
    """
    if body.startswith(_GZIP):
        body = gunzip(body, MAXIMUM_BYTES)
    if body.startswith(_MARKS) or body.lstrip()[:1] == b"<":
        return _read_xml(body, where)
    return _read_text(body, where)


def _read_text(body: bytes, where: str) -> Sitemap:
    entries: list[SitemapEntry] = []
    for line in io.TextIOWrapper(io.BytesIO(body), "utf-8", "replace"):
        address = line.strip()
        if not address:
            continue
        if not entries and not address.lower().startswith(("http://", "https://")):
            break
        entries.append(SitemapEntry(address))
        _require_few(entries, where)
    if not entries:
        raise SourceError(f"{where} is no sitemap: neither XML nor a list of addresses")
    return Sitemap("pages", tuple(entries))


def _read_xml(body: bytes, where: str) -> Sitemap:
    kind: Literal["index", "pages"] | None = None
    entries: list[SitemapEntry] = []
    try:
        for element in _elements(body, where):
            name = _local_name(element)
            if kind is None:
                kind = _ROOTS.get(name)
                if kind is None:
                    raise SourceError(f"{where} is no sitemap but {name[:50]!r}")
            elif name in _ENTRIES:
                entries += _entry(element)
                _require_few(entries, where)
    except DefusedXmlException as error:
        raise SourceError(f"{where} holds XML that is refused: {type(error).__name__}") from None
    except (ParseError, ValueError, LookupError) as error:
        raise SourceError(f"{where} is no well-formed XML: {str(error)[:100]}") from None
    if kind is None:
        raise SourceError(f"{where} is no sitemap: it is empty")
    return Sitemap(kind, tuple(entries))


def _elements(body: bytes, where: str) -> Iterator[Element]:
    """Yield the root as it begins, and all others as they end; those of an entry are kept together.

    Raises:
        SourceError: an entry has too many elements.
    """
    root: Element | None = None
    depth = kept = 0
    pieces = _Pieces(body, where)
    for event, element in iterparse(pieces, ("start", "end"), forbid_dtd=True):
        pieces.unused_bytes = 0
        if root is None:
            root = element
            yield root
        elif event == "start":
            depth += 1
            kept += 1
            if kept > MAXIMUM_ELEMENTS:
                raise SourceError(
                    f"{where} has an entry of more than {MAXIMUM_ELEMENTS:,} elements"
                )
        elif depth > 0:
            yield element
            depth -= 1
            if depth == 0:
                root.clear()
                kept = 0


class _Pieces(io.BytesIO):
    """A document as its parser reads it; `unused_bytes` were read since the last element."""

    def __init__(self, body: bytes, where: str) -> None:
        super().__init__(body)
        self._where = where
        self.unused_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        """Return the next piece.

        Raises:
            SourceError: the last ones had neither the beginning nor the end of an element.
        """
        if self.unused_bytes > MAXIMUM_GAP_BYTES:
            raise SourceError(
                f"{self._where} has more than {MAXIMUM_GAP_BYTES:,} bytes between two elements"
            )
        piece = super().read(size)
        self.unused_bytes += len(piece)
        return piece


def _require_few(entries: Sequence[SitemapEntry], where: str) -> None:
    if len(entries) > MAXIMUM_ENTRIES:
        raise SourceError(
            f"{where} names more than {MAXIMUM_ENTRIES:,} addresses; a sitemap has 50,000 at most"
        )


def _entry(element: Element) -> list[SitemapEntry]:
    texts = {_local_name(child): (child.text or "").strip() for child in element}
    address, last_modified = texts.get("loc"), texts.get("lastmod", "")
    if len(last_modified) > _LONGEST_DATE:  # it would go into a message, and is no date
        last_modified = ""
    return [SitemapEntry(address, last_modified or None)] if address else []


def _local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()
