"""What a search may be narrowed to, and how the text of a condition is understood."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,400}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)

Number = int | float


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A condition on one metadata field; its values are text, as a URL brings them.

    `one_of`: a stored string must be equal to one of them; a stored number matches a text that
    reads as the same number, a stored boolean `true` or `false`. `minimum` and `maximum` are
    inclusive: one that reads as a number bounds numbers and lets no string pass; any other, such
    as an ISO date, bounds strings by the order of their text and lets no number pass. A field
    with a list matches when any of its values does.
    """

    field: str
    one_of: tuple[str, ...] = ()
    minimum: str | None = None
    maximum: str | None = None


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Every condition must hold; an empty one is no condition.

    `since` is inclusive, `before` exclusive. A row without a readable date never matches a bound,
    one without the field of a condition never matches that.
    """

    entity_types: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None
    fields: tuple[FieldFilter, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether every row matches."""
        return self == SearchFilters()


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exact; a moment without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def parse_moment(text: str | None) -> datetime | None:
    """Read an ISO 8601 date or time; None for anything else, which sources do send."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def parse_number(text: str) -> Number | None:
    """Read a decimal number, whole ones exactly; None for anything else."""
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None
