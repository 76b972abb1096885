"""Canonical entities from JSON-lines records; the corpus says which field is what."""

from typing import Any

from pydantic import ValidationError

from services.derive.canonical import (
    CanonicalRecord,
    Record,
    RecordContext,
    RecordRejectedError,
    readable_date,
    record_checksum,
    rejected,
)
from services.derive.links import web_addresses
from shared.models.corpus import JsonlSource
from shared.models.entity import Entity, Scalar
from shared.text.html import collapse


def canonicalise_jsonl(
    settings: JsonlSource, record: Record, context: RecordContext
) -> CanonicalRecord:
    """Return the entity of one record; see `Canonicaliser`. Its text is plain text, not HTML."""
    if settings.title_field not in record and settings.text_field not in record:
        raise RecordRejectedError(
            f"the record has neither {settings.title_field!r} nor {settings.text_field!r}",
            settings.text_field,
        )
    warnings: list[str] = []
    title = _text(record, settings.title_field).replace("\n", " ")
    if not title:
        warnings.append("the source has no title")
    try:
        entity = Entity(
            entity_type=settings.entity_type,
            source="jsonl",
            source_id=_identity(record, settings.id_field),
            title=title,
            description=_text(record, settings.text_field),
            modified=_modified(record, settings.modified_field, warnings),
            urls=_addresses(record, settings.url_field, warnings),
            attribution=context.attribution,
            ingest_run_id=context.run_id,
            record_checksum=record_checksum(record),
            extras=_extras(record, settings.metadata_fields, warnings),
            warnings=tuple(warnings),
        )
    except ValidationError as error:
        raise rejected(error) from None
    return CanonicalRecord(entity)


def _identity(record: Record, name: str) -> str:
    value = record.get(name)
    if isinstance(value, str):
        value = value.strip()
    elif isinstance(value, bool) or not isinstance(value, int):
        raise RecordRejectedError(f"must be text or a whole number, not {_kind(value)}", name)
    if value == "":
        raise RecordRejectedError("must not be empty", name)
    return str(value)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RecordRejectedError(f"must be text, not {_kind(value)}", name)
    return collapse(value)


def _modified(record: Record, name: str | None, warnings: list[str]) -> str | None:
    value = record.get(name) if name else None
    return None if value is None else readable_date(str(value), str(name), warnings)


def _addresses(record: Record, name: str | None, warnings: list[str]) -> tuple[str, ...]:
    value = record.get(name) if name else None
    if value is None:
        return ()
    candidates = value if isinstance(value, list) else [value]
    if not all(isinstance(candidate, str) for candidate in candidates):
        warnings.append(f"{name} is neither text nor a list of texts")
        return ()
    return web_addresses(candidates)


def _extras(
    record: Record, names: tuple[str, ...], warnings: list[str]
) -> dict[str, Scalar | list[Scalar]]:
    extras: dict[str, Scalar | list[Scalar]] = {}
    for name in names:
        value = record.get(name)
        if value is None:
            continue
        if _is_scalar(value) or (isinstance(value, list) and all(map(_is_scalar, value))):
            extras[name] = value
        else:
            warnings.append(f"{name} is nested and was left out")
    return extras


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", type(None): "null", bool: "a truth value"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "text")
