"""What canonicalisation takes and gives, and the small steps that all sources share."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from shared.canonical.dates import normalise_date
from shared.errors import UltronError
from shared.models.entity import Edge, Entity
from shared.models.forms import problem_words

Record = dict[str, Any]


class RecordRejectedError(UltronError):
    """A raw record that cannot become an entity; `field_path` names the field at fault."""

    code = "RECORD_REJECTED"

    def __init__(self, message: str, field_path: str | None = None) -> None:
        super().__init__(message)
        self.field_path = field_path


class RecordLeftOutError(RecordRejectedError):
    """A record that is left out, as is what was indexed of it before: not a mistake to fix."""

    code = "RECORD_LEFT_OUT"


@dataclass(frozen=True, slots=True)
class RecordContext:
    """What an entity takes from its page and not from its own record."""

    endpoint: str
    run_id: str
    attribution: str | None = None


@dataclass(frozen=True, slots=True)
class CanonicalRecord:
    """An entity and the edges that its record tells of."""

    entity: Entity
    edges: tuple[Edge, ...] = ()


Canonicaliser = Callable[[Record, RecordContext], CanonicalRecord]
"""A pure function; raises `RecordRejectedError` for a record that breaks the schema."""


def record_checksum(record: Record) -> str:
    """Return the sha256 of the record's stable JSON: sorted names, no white space, ASCII."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def rejected(error: ValidationError) -> RecordRejectedError:
    """Return what a record's first schema error says, with the field's path in the record."""
    problems = error.errors(include_input=False, include_url=False)
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    path = ".".join(str(part) for part in first["loc"])
    return RecordRejectedError(f"{problem_words(first)}{more}", path or None)


def readable_date(text: str | None, name: str, warnings: list[str]) -> str | None:
    """Return a date in ISO 8601; one that cannot be read stays as it is, with a warning."""
    if text is None or not text.strip():
        return None
    normal = normalise_date(text)
    if normal is None:
        warnings.append(f"{name} is not a date: {text[:60]}")
        return text
    return normal
