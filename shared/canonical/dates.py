"""Reads the dates that sources write."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

_DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s?(Z|z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
# As feeds and HTTP headers write them (RFC 5322), but always with a time and its zone.
_WRITTEN_DATE = re.compile(
    r"(?:[A-Z][a-z]{2},\s+)?\d{1,2}\s+[A-Z][a-z]{2}\s+[1-9]\d{3}\s+\d{2}:\d{2}(?::\d{2})?"
    r"\s+(?:GMT|UTC?|[+-]\d{4})",
    re.ASCII,
)


def normalise_date(text: str) -> str | None:
    """Return an ISO 8601 date or date and time, None when the text is no such date.

    `2020-04-04T19:01:59-0400` becomes `2020-04-04T19:01:59-04:00`, and so does
    `Sat, 04 Apr 2020 19:01:59 -0400`; no time and no zone is made up.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return _normalise_written_date(text.strip())
    day, time, zone = match.groups()
    if time is None:
        normal = day
    else:
        zone = "" if zone is None else zone.upper()
        if zone and zone != "Z" and ":" not in zone:
            zone = f"{zone[:3]}:{zone[3:]}"
        normal = f"{day}T{time if time.count(':') == 2 else f'{time}:00'}{zone}"
    try:
        datetime.fromisoformat(normal)
    except ValueError:
        return None
    return normal


def _normalise_written_date(text: str) -> str | None:
    if _WRITTEN_DATE.fullmatch(text) is None:
        return None
    try:
        return parsedate_to_datetime(text).isoformat()
    except ValueError:
        return None
