"""Derives one page: lines in, entities, edges and rejects out. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shared.canonical.raw_json import load_json
from shared.canonical.records import (
    Canonicaliser,
    CanonicalRecord,
    Record,
    RecordContext,
    RecordLeftOutError,
    RecordRejectedError,
)
from shared.models.entity import Edge, Entity, Reject
from shared.text.marks import bounded_marks

MAXIMUM_TEXT_CHARACTERS = 1_000_000
"""An entity's chunks are embedded in one job: more would not end within its function's timeout."""

MAXIMUM_CARRIED_CHARACTERS = 20_000
"""Goes along with each chunk of an entity, of which a long text makes thousands."""

_CARRIED = {"title", "modified", "urls", "attribution", "fields"}
_LONGEST_RAW = 2000
_LONGEST_REASON = 500
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class DerivedPage:
    """What a page became; every raw line is in an entity or among the rejects."""

    entities: tuple[Entity, ...]
    edges: tuple[Edge, ...]
    rejects: tuple[Reject, ...]

    @property
    def left_out(self) -> int:
        """How many of the rejects were not meant to become entities."""
        return sum(reject.is_left_out for reject in self.rejects)


def derive_page(
    lines: Iterable[str], canonicalise: Canonicaliser, context: RecordContext
) -> DerivedPage:
    """Derive every line by itself; of several records of one entity the last one counts."""
    records: dict[str, CanonicalRecord] = {}
    rejects: list[Reject] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = _derive_line(line, canonicalise, context)
        except RecordRejectedError as error:
            rejects.append(_reject(number, line, error))
            continue
        records.pop(record.entity.key, None)
        records[record.entity.key] = record
    edges = dict.fromkeys(edge for record in records.values() for edge in record.edges)
    return DerivedPage(
        entities=tuple(record.entity for record in records.values()),
        edges=tuple(edges),
        rejects=tuple(rejects),
    )


def _derive_line(line: str, canonicalise: Canonicaliser, context: RecordContext) -> CanonicalRecord:
    try:
        record = canonicalise(parse_record(line), context)
    except RecursionError:
        # What can just be parsed may be too deep for the checksum.
        raise RecordRejectedError("the record is nested too deeply") from None
    _require_bounded_text(record.entity)
    _require_bounded_rest(record.entity)
    return record


def parse_record(line: str) -> Record:
    """Parse a raw line.

    Raises:
        RecordRejectedError: it is no JSON, or no object.
    """
    try:
        record = load_json(line)
    except ValueError as error:
        raise RecordRejectedError(f"the line is no JSON: {error}") from None
    # First of all: none of it may get into a reason, which is written down like any text.
    if _SURROGATE_ESCAPE.search(line) and not _is_encodable(record):
        raise RecordRejectedError("the line holds half of a surrogate pair, which is no text")
    if isinstance(record, str):
        # So do sources say why they could not make a record of something.
        raise RecordRejectedError(f"the line is no JSON object, but the text: {record}")
    if not isinstance(record, dict):
        raise RecordRejectedError("the line is no JSON object")
    if line.isascii() and "\\u" not in line:
        return record
    return {name: _with_bounded_marks(value) for name, value in record.items()}


def _with_bounded_marks(value: Any) -> Any:
    """Return a JSON value whose texts libraries may normalise in linear time."""
    match value:
        case str():
            return bounded_marks(value)
        case list():
            return [_with_bounded_marks(item) for item in value]
        case dict():
            return {name: _with_bounded_marks(item) for name, item in value.items()}
        case _:
            return value


def _require_bounded_text(entity: Entity) -> None:
    length = len(entity.description)
    if length > MAXIMUM_TEXT_CHARACTERS:
        raise RecordRejectedError(
            f"its text has {length:,} characters, over the limit of {MAXIMUM_TEXT_CHARACTERS:,}; "
            "split the record",
            "description",
        )


def _require_bounded_rest(entity: Entity) -> None:
    length = len(entity.model_dump_json(include=_CARRIED))
    if length > MAXIMUM_CARRIED_CHARACTERS:
        raise RecordRejectedError(
            f"its title, date, addresses and metadata have {length:,} characters, over the limit "
            f"of {MAXIMUM_CARRIED_CHARACTERS:,}; they go along with each piece of its text"
        )


def _is_encodable(document: object) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _reject(number: int, line: str, error: RecordRejectedError) -> Reject:
    return Reject(
        line_number=number,
        reason=str(error)[:_LONGEST_REASON],
        field_path=error.field_path,
        is_left_out=isinstance(error, RecordLeftOutError),
        raw=line[:_LONGEST_RAW],
    )
