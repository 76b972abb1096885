"""Canonical entities from Marvel records."""

from pydantic import ValidationError

from shared.canonical.links import web_addresses
from shared.canonical.records import (
    CanonicalRecord,
    Record,
    RecordContext,
    RecordRejectedError,
    readable_date,
    record_checksum,
    rejected,
)
from shared.models.entity import Entity
from shared.sources.marvel.answers import (
    WireCharacter,
    WireComic,
    WireCreator,
    WireEntity,
    WireEvent,
    WireSeries,
    WireStory,
)
from shared.sources.marvel.edges import ENTITY_TYPES, make_edges
from shared.sources.marvel.type_fields import fields_of_type
from shared.text.html import html_to_text

_MODELS: dict[str, type[WireEntity]] = {
    "characters": WireCharacter,
    "comics": WireComic,
    "series": WireSeries,
    "events": WireEvent,
    "stories": WireStory,
    "creators": WireCreator,
}


def canonicalise_marvel(record: Record, context: RecordContext) -> CanonicalRecord:
    """Return the entity and edges of one record; see `Canonicaliser`."""
    model = _MODELS.get(context.endpoint)
    if model is None:
        raise RecordRejectedError(f"a Marvel corpus has no endpoint {context.endpoint!r}")
    try:
        wire = model.model_validate(record)
        return _canonical(ENTITY_TYPES[context.endpoint], wire, record, context)
    except ValidationError as error:
        raise rejected(error) from None


def _canonical(
    entity_type: str, wire: WireEntity, record: Record, context: RecordContext
) -> CanonicalRecord:
    warnings: list[str] = []
    title = _title(wire)
    if not title:
        warnings.append("the source has no title")
    modified = readable_date(wire.modified, "modified", warnings)
    edges = make_edges(entity_type, f"{entity_type}:{wire.id}", wire, warnings)
    entity = Entity(
        entity_type=entity_type,
        source="marvel",
        source_id=str(wire.id),
        title=title,
        description=_description(wire),
        modified=modified,
        urls=web_addresses(link.url for link in wire.urls),
        thumbnail=_thumbnail(wire),
        attribution=context.attribution,
        ingest_run_id=context.run_id,
        record_checksum=record_checksum(record),
        fields=fields_of_type(wire, warnings),
        warnings=tuple(warnings),
    )
    return CanonicalRecord(entity, edges)


def _title(wire: WireEntity) -> str:
    match wire:
        case WireCharacter():
            raw = wire.name
        case WireCreator():
            parts = (wire.first_name, wire.middle_name, wire.last_name, wire.suffix)
            raw = wire.full_name or " ".join(part for part in parts if part)
        case _:
            raw = wire.title
    return html_to_text(raw).replace("\n", " ")


def _description(wire: WireEntity) -> str:
    """Return the description; a comic without one may have it among its text objects."""
    description = html_to_text(wire.description)
    if description or not isinstance(wire, WireComic):
        return description
    texts = (html_to_text(text_object.text) for text_object in wire.text_objects)
    return next((text for text in texts if text), "")


def _thumbnail(wire: WireEntity) -> str | None:
    if wire.thumbnail is None or not wire.thumbnail.path:
        return None
    if not wire.thumbnail.extension:
        return wire.thumbnail.path
    return f"{wire.thumbnail.path}.{wire.thumbnail.extension}"
