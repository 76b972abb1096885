"""Sitemaps as documents: XML, plain text, either of them gzipped (sitemaps.org, "Protocol")."""

import io
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from shared.errors import SourceError
from shared.sources.http import gunzip

MAXIMUM_BYTES = 64 * 1024 * 1024
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
    lines = [line.strip() for line in body.decode("utf-8", "replace").splitlines()]
    addresses = [line for line in lines if line]
    if not addresses or not addresses[0].lower().startswith(("http://", "https://")):
        raise SourceError(f"{where} is no sitemap: neither XML nor a list of addresses")
    return Sitemap("pages", tuple(map(SitemapEntry, addresses)))


def _read_xml(body: bytes, where: str) -> Sitemap:
    kind: Literal["index", "pages"] | None = None
    entries: list[SitemapEntry] = []
    try:
        for event, element in iterparse(io.BytesIO(body), ("start", "end"), forbid_dtd=True):
            name = _local_name(element)
            if kind is None:
                kind = _ROOTS.get(name)
                if kind is None:
                    raise SourceError(f"{where} is no sitemap but {name[:50]!r}")
            elif event == "end" and name in _ENTRIES:
                entries += _entry(element)
                element.clear()
    except DefusedXmlException as error:
        raise SourceError(f"{where} holds XML that is refused: {type(error).__name__}") from None
    except (ParseError, ValueError, LookupError) as error:
        raise SourceError(f"{where} is no well-formed XML: {str(error)[:100]}") from None
    if kind is None:
        raise SourceError(f"{where} is no sitemap: it is empty")
    return Sitemap(kind, tuple(entries))


def _entry(element: Element) -> list[SitemapEntry]:
    texts = {_local_name(child): (child.text or "").strip() for child in element}
    address = texts.get("loc")
    return [SitemapEntry(address, texts.get("lastmod") or None)] if address else []


def _local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()
