"""Canonical entities from records of any shape; the corpus's mapping says which part is what."""

from pydantic import ValidationError

from shared.canonical.mapped_values import MappedRecord
from shared.canonical.records import (
    CanonicalRecord,
    Record,
    RecordContext,
    RecordRejectedError,
    record_checksum,
    rejected,
)
from shared.models.entity import Entity
from shared.models.mapping import FieldMapping
from shared.text.html import collapse, html_to_text


def canonicalise_mapped(
    mapping: FieldMapping, source: str, record: Record, context: RecordContext
) -> CanonicalRecord:
    """Return the entity of one record; see `Canonicaliser`. `source` is the kind of the source."""
    mapped = MappedRecord(record)
    title, text = mapped.text("title", mapping.title), mapped.text("text", mapping.text)
    if title is None and text is None and not _has_any(record, mapping):
        raise RecordRejectedError(
            f"the record has neither {mapping.title!r} nor {mapping.text!r}, which the mapping "
            "names as title and text",
            mapping.text,
        )
    to_plain = html_to_text if mapping.text_format == "html" else collapse
    try:
        entity = Entity(
            source=source,
            title=mapped.bounded_title(to_plain(title or "")),
            description=to_plain(text or ""),
            entity_type=mapped.entity_type(mapping.type, mapping.entity_type),
            source_id=mapped.identity(mapping.id),
            modified=mapped.moment(mapping.modified),
            urls=mapped.addresses(mapping.url),
            attribution=context.attribution,
            ingest_run_id=context.run_id,
            record_checksum=record_checksum(record),
            fields=mapped.metadata(mapping.metadata),
            warnings=tuple(mapped.warnings),
        )
    except ValidationError as error:
        raise _named(rejected(error), mapping) from None
    return CanonicalRecord(entity)


def _has_any(record: Record, mapping: FieldMapping) -> bool:
    """Whether a field that the mapping names is there, if only as null."""
    return mapping.title in record or mapping.text in record


def _named(error: RecordRejectedError, mapping: FieldMapping) -> RecordRejectedError:
    """Return the error with the mapping's name of the field instead of the entity's."""
    fields = {"source_id": ("id", mapping.id), "entity_type": ("type", mapping.type)}
    if error.field_path not in fields:
        return error
    field, expression = fields[error.field_path]
    return RecordRejectedError(f"the mapping's {field}: {error}", expression)
