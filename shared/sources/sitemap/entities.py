"""Canonical entities from the pages of web sites."""

import hashlib
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.canonical.links import web_addresses
from shared.canonical.records import (
    CanonicalRecord,
    Record,
    RecordContext,
    RecordLeftOutError,
    RecordRejectedError,
    readable_date,
    record_checksum,
    rejected,
)
from shared.models.entity import Entity, Scalar
from shared.models.mapping import EntityType
from shared.sources.sitemap.web_text import WebText, is_refused, read_web_page

_LONGEST_IDENTITY = 300
_SOURCE = "sitemap"


class _WebPage(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    url: str
    found_at: str | None = None
    last_modified: str | None = None
    robots: str = ""
    problem: str | None = None
    html: str | None = None


def canonicalise_web_page(
    entity_type: EntityType, record: Record, context: RecordContext
) -> CanonicalRecord:
    """Return the entity of one page; see `Canonicaliser`."""
    try:
        page = _WebPage.model_validate(record)
    except ValidationError as error:
        raise rejected(error) from None
    if page.problem is not None:
        raise RecordLeftOutError(page.problem, "html")
    if page.html is None:
        raise RecordRejectedError("the page was not read", "html")
    if is_refused(page.robots):
        raise RecordLeftOutError("the site asks not to index the page", "robots")
    identity = page_identity(page.url)
    web = read_web_page(page.html, page.found_at or page.url)
    if web.head.is_refused:
        raise RecordLeftOutError("the page asks not to be indexed", "html")
    if not web.text:
        raise RecordLeftOutError("the page has no readable text", "html")
    warnings: list[str] = [] if web.head.title else ["the source has no title"]
    modified = page.last_modified or web.head.modified or web.published
    try:
        entity = Entity(
            entity_type=entity_type,
            source=_SOURCE,
            source_id=identity,
            title=web.head.title,
            description=web.text,
            modified=readable_date(modified, "last_modified", warnings),
            # What the page calls its own address, where it was found, what was asked for.
            urls=_addresses(web.head.canonical, page.found_at, page.url),
            attribution=context.attribution,
            ingest_run_id=context.run_id,
            record_checksum=record_checksum(record),
            fields=_fields(web),
            warnings=tuple(warnings),
        )
    except ValidationError as error:
        raise rejected(error) from None
    return CanonicalRecord(entity)


def page_identity(url: str) -> str:
    """Return the id of a page within its site: path and query, or a hash where that is long.

    A site keeps its ids when it moves to https or to another host.

    Raises:
        RecordRejectedError: it is no address.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RecordRejectedError("must be a web address", "url") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise RecordRejectedError("must be a web address", "url")
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if len(path) <= _LONGEST_IDENTITY:
        return path
    return f"sha256-{hashlib.sha256(path.encode()).hexdigest()}"


def _addresses(*candidates: str | None) -> tuple[str, ...]:
    """Return the first that may be shown."""
    for candidate in candidates:
        shown = web_addresses([candidate] if candidate else [])
        if shown:
            return shown
    return ()


def _fields(web: WebText) -> dict[str, Scalar | list[Scalar]]:
    named = {"language": web.head.language, "author": web.author, "published": web.published}
    return {name: value for name, value in named.items() if value}
