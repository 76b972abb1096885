"""Canonical entities from records of any shape; the corpus's mapping says which part is what."""

from functools import cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
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
from shared.models.entity import Entity, Scalar
from shared.models.mapping import FieldMapping
from shared.text.html import collapse, html_to_text


def canonicalise_mapped(
    mapping: FieldMapping, source: str, record: Record, context: RecordContext
) -> CanonicalRecord:
    """Return the entity of one record; see `Canonicaliser`. `source` is the kind of the source."""
    title, text = _text(record, mapping.title), _text(record, mapping.text)
    if title is None and text is None and not _has_any(record, mapping):
        raise RecordRejectedError(
            f"the record has neither {mapping.title!r} nor {mapping.text!r}", mapping.text
        )
    warnings: list[str] = []
    title = collapse(title or "").replace("\n", " ")
    if not title:
        warnings.append("the source has no title")
    plain = html_to_text(text) if mapping.text_format == "html" else collapse(text or "")
    try:
        entity = Entity(
            entity_type=_entity_type(record, mapping),
            source=source,
            source_id=_identity(record, mapping.id),
            title=title,
            description=plain,
            modified=_modified(record, mapping.modified, warnings),
            urls=_addresses(record, mapping.url, warnings),
            attribution=context.attribution,
            ingest_run_id=context.run_id,
            record_checksum=record_checksum(record),
            extras=_extras(record, mapping.metadata, warnings),
            warnings=tuple(warnings),
        )
    except ValidationError as error:
        raise rejected(error) from None
    return CanonicalRecord(entity)


@cache
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


def _value(record: Record, expression: str) -> Any:
    try:
        return _compiled(expression).search(record)
    except JMESPathError as error:
        problem = str(error).splitlines()[0]
        raise RecordRejectedError(f"the mapping does not fit: {problem}", expression) from None


def _has_any(record: Record, mapping: FieldMapping) -> bool:
    """Whether a field that the mapping names is there, if only as null."""
    return mapping.title in record or mapping.text in record


def _entity_type(record: Record, mapping: FieldMapping) -> str:
    value = None if mapping.type is None else _value(record, mapping.type)
    if value is None:
        return mapping.entity_type
    if not isinstance(value, str):
        raise RecordRejectedError(f"must be text, not {_kind(value)}", mapping.type)
    return value


def _identity(record: Record, expression: str) -> str:
    value = _value(record, expression)
    if isinstance(value, str):
        value = value.strip()
    elif isinstance(value, bool) or not isinstance(value, int):
        raise RecordRejectedError(f"must be text or a whole number, not {_kind(value)}", expression)
    if value == "":
        raise RecordRejectedError("must not be empty", expression)
    return str(value)


def _text(record: Record, expression: str) -> str | None:
    value = _value(record, expression)
    if value is not None and not isinstance(value, str):
        raise RecordRejectedError(f"must be text, not {_kind(value)}", expression)
    return value


def _modified(record: Record, expression: str | None, warnings: list[str]) -> str | None:
    value = _value(record, expression) if expression else None
    return None if value is None else readable_date(str(value), str(expression), warnings)


def _addresses(record: Record, expression: str | None, warnings: list[str]) -> tuple[str, ...]:
    value = _value(record, expression) if expression else None
    if value is None:
        return ()
    candidates = value if isinstance(value, list) else [value]
    if not all(isinstance(candidate, str) for candidate in candidates):
        warnings.append(f"{expression} is neither text nor a list of texts")
        return ()
    return web_addresses(candidates)


def _extras(
    record: Record, expressions: dict[str, str], warnings: list[str]
) -> dict[str, Scalar | list[Scalar]]:
    extras: dict[str, Scalar | list[Scalar]] = {}
    for name, expression in expressions.items():
        value = _value(record, expression)
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
