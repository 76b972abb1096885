"""Reads the dates that sources write."""

import re
from datetime import datetime

_DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s?(Z|z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)


def normalise_date(text: str) -> str | None:
    """Return an ISO 8601 date or date and time, None when the text is no such date.

    `2020-04-04T19:01:59-0400` becomes `2020-04-04T19:01:59-04:00`; no time and no zone is made up.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
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
