"""Canonical entities from the pages of a wiki, as MediaWiki's API gives them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
from shared.sources.mediawiki.wiki_text import wikitext_to_text
from shared.text.html import collapse

# MediaWiki itself stops at two million bytes a page.
MAXIMUM_WIKITEXT_CHARACTERS = 2 * 1024 * 1024
_PLAIN_MODELS = frozenset({"text", "markdown"})
_SOURCE = "mediawiki"


class _WikiRecord(BaseModel):
    """Fields that are read; others are the wiki's own business."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Content(_WikiRecord):
    content: str | None = None
    contentmodel: str = "wikitext"
    texthidden: bool = False


class _Revision(_Content):
    revid: int | None = None
    timestamp: str | None = None
    slots: dict[str, _Content] = Field(default_factory=dict)

    @property
    def main(self) -> _Content:
        """The text; wikis before MediaWiki 1.32 have no slots and put it into the revision."""
        return self.slots.get("main", self)


class _Category(_WikiRecord):
    title: str


class _Page(_WikiRecord):
    pageid: Annotated[int, Field(ge=0)]
    title: str
    ns: int = 0
    fullurl: str | None = None
    extract: str | None = None
    revisions: Annotated[tuple[_Revision, ...], Field(strict=False)] = ()
    categories: Annotated[tuple[_Category, ...], Field(strict=False)] = ()


def canonicalise_wiki_page(
    entity_type: EntityType, record: Record, context: RecordContext
) -> CanonicalRecord:
    """Return the entity of one page; see `Canonicaliser`."""
    try:
        page = _Page.model_validate(record)
    except ValidationError as error:
        raise rejected(error) from None
    revision = page.revisions[0] if page.revisions else _Revision()
    warnings: list[str] = []
    try:
        entity = Entity(
            entity_type=entity_type,
            source=_SOURCE,
            source_id=str(page.pageid),
            title=collapse(page.title).replace("\n", " "),
            description=_text(page, revision),
            modified=readable_date(revision.timestamp, "timestamp", warnings),
            urls=web_addresses([page.fullurl] if page.fullurl else []),
            attribution=context.attribution,
            ingest_run_id=context.run_id,
            record_checksum=record_checksum(record),
            fields=_fields(page, revision),
            warnings=tuple(warnings),
        )
    except ValidationError as error:
        raise rejected(error) from None
    return CanonicalRecord(entity)


def _text(page: _Page, revision: _Revision) -> str:
    if page.extract is not None:
        return collapse(page.extract)
    main = revision.main
    if main.texthidden:
        raise RecordLeftOutError("the wiki hides the text of this revision", "revisions")
    if main.content is None:
        raise RecordRejectedError(
            "the wiki gave neither wikitext nor an extract; with text = extract it needs the "
            "extension TextExtracts",
            "revisions",
        )
    if main.contentmodel in _PLAIN_MODELS:
        return collapse(main.content)
    if main.contentmodel != "wikitext":
        raise RecordLeftOutError(f"a page of {main.contentmodel[:50]} is no wikitext", "revisions")
    if len(main.content) > MAXIMUM_WIKITEXT_CHARACTERS:
        raise RecordLeftOutError(
            f"its wikitext has more than {MAXIMUM_WIKITEXT_CHARACTERS:,} characters", "revisions"
        )
    return wikitext_to_text(
        main.content, [_split(category.title)[0] for category in page.categories]
    )


def _fields(page: _Page, revision: _Revision) -> dict[str, Scalar | list[Scalar]]:
    fields: dict[str, Scalar | list[Scalar]] = {"namespace": page.ns}
    if revision.revid is not None:
        fields["revision_id"] = revision.revid
    if page.categories:
        fields["categories"] = [_split(category.title)[1] for category in page.categories]
    return fields


def _split(title: str) -> tuple[str, str]:
    """Return the namespace and the name of a category's page."""
    namespace, colon, name = title.partition(":")
    return (namespace, name) if colon else ("Category", title)
