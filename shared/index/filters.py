"""What a search may be narrowed to, and the SQL that says it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Every condition must hold; an empty one is no condition.

    `since` is inclusive, `before` exclusive. A row without a readable date never matches a bound.
    """

    entity_types: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every row matches."""
        return self == SearchFilters()

    def where(self) -> tuple[str, list[str | int]]:
        """Return the condition on table `rows` and its parameters."""
        conditions: list[str] = []
        parameters: list[str | int] = []
        for column, wanted in (
            ("entity_type", self.entity_types),
            ("source_id", self.source_ids),
        ):
            if wanted:
                conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                parameters.extend(wanted)
        for comparison, bound in ((">=", self.since), ("<", self.before)):
            if bound is not None:
                conditions.append(f"modified_microseconds {comparison} ?")
                parameters.append(to_microseconds(bound))
        return " AND ".join(conditions) or "1", parameters


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
