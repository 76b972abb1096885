"""The shapes of Marvel API v1: names, addresses, dates and nested lists.

Source of the format: developer.marvel.com/documentation/apiresults and responses recorded in 2024.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final, Literal, get_args

EntityType = Literal["characters", "comics", "series", "events", "creators", "stories"]
ENTITY_TYPES: Final[tuple[EntityType, ...]] = get_args(EntityType)

WireEntity = dict[str, Any]
"""One entity as the API sends it; its keys differ by type (see `entities.py`)."""

API_PATH: Final = "/v1/public"
RESOURCE_BASE: Final = f"http://gateway.marvel.com{API_PATH}"
LINK_BASE: Final = "http://marvel.example"
"""Web links of the demo corpus: a reserved name (RFC 2606), so none can lead to a wrong page."""

NULL_DATE: Final = "-0001-11-30T00:00:00-0500"
"""What the API sends where it has no date."""

MAXIMUM_NESTED_ITEMS: Final = 20

_STANDARD_TIME = timezone(timedelta(hours=-5))
_DAYLIGHT_TIME = timezone(timedelta(hours=-4))
_DAYLIGHT_MONTHS = range(4, 11)
_OLDEST = datetime.min.replace(tzinfo=UTC)


def as_entity_type(name: str) -> EntityType | None:
    """The entity type of that name, or None when there is none."""
    return name if name in ENTITY_TYPES else None


def resource_uri(entity_type: EntityType, entity_id: int) -> str:
    """The `resourceURI` of an entity: always http, always the official host."""
    return f"{RESOURCE_BASE}/{entity_type}/{entity_id}"


def parse_resource_uri(uri: str) -> tuple[EntityType, int] | None:
    """Type and id named by a `resourceURI`, or None when it names neither."""
    match = re.fullmatch(r"https?://[^/]+/v1/public/([a-z]+)/(\d+)", uri)
    entity_type = as_entity_type(match[1]) if match else None
    return (entity_type, int(match[2])) if match and entity_type else None


def parse_whole_number(text: str) -> int | None:
    """Up to nine plain digits; None for everything else that int() would take or choke on."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def slug(text: str) -> str:
    """Lower-case ASCII words joined by underscores, as the API's web links have them."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_")


def wire_date(moment: datetime) -> str:
    """Format with an offset without colon, `2024-03-01T09:30:00-0500`.

    The API writes New York time; the change of clocks is set to whole months here, because a
    machine need not have a time zone database.
    """
    zone = _DAYLIGHT_TIME if moment.month in _DAYLIGHT_MONTHS else _STANDARD_TIME
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def wire_day(day: date | None) -> str:
    """Midnight in New York of that day; the API's null date for None."""
    if day is None:
        return NULL_DATE
    zone = _DAYLIGHT_TIME if day.month in _DAYLIGHT_MONTHS else _STANDARD_TIME
    return datetime(day.year, day.month, day.day, tzinfo=zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def parse_date(text: str) -> datetime | None:
    """Read a date or a date with time (UTC when it names no offset); None when it is neither."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def sort_date(text: object) -> datetime:
    """The moment to sort by: null and unreadable dates are older than all others."""
    return (parse_date(text) if isinstance(text, str) else None) or _OLDEST


def nested_list(collection_uri: str, items: Sequence[WireEntity]) -> WireEntity:
    """`{available, collectionURI, items, returned}` holding at most 20 of the items."""
    returned = list(items[:MAXIMUM_NESTED_ITEMS])
    return {
        "available": len(items),
        "collectionURI": collection_uri,
        "items": returned,
        "returned": len(returned),
    }
