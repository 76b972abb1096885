"""Records in Marvel's wire format, that we wrote, with the oddities real answers have."""

from typing import Any

BASE = "http://gateway.marvel.com/v1/public"


def nested(endpoint: str, *ids: int, available: int | None = None, **item: str) -> dict[str, Any]:
    """A nested list as the API sends it."""
    items = [
        {"resourceURI": f"{BASE}/{endpoint}/{number}", "name": f"{endpoint} {number}", **item}
        for number in ids
    ]
    return {
        "available": len(items) if available is None else available,
        "collectionURI": f"{BASE}/owner/1/{endpoint}",
        "items": items,
        "returned": len(items),
    }


def character(**changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "name": "Lamplighter",
        "description": "Keeps the <i>lamps</i> of the city.\r<br>Fears the dark &amp; the sea.",
        "modified": "2020-04-04T19:01:59-0400",
        "thumbnail": {"path": "http://images.example/7", "extension": "jpg"},
        "resourceURI": f"{BASE}/characters/7",
        "comics": nested("comics", 11, 12, available=2535),
        "series": nested("series", 21),
        "stories": nested("stories", 31, type="cover"),
        "events": nested("events"),
        "urls": [
            {"type": "detail", "url": "http://heroes.example/7?utm_source=PUBLIC&page=2"},
            {"type": "wiki", "url": "javascript:alert(1)"},
        ],
        **changes,
    }


def comic(**changes: Any) -> dict[str, Any]:
    return {
        "id": 11,
        "digitalId": 0,
        "title": "Night Watch (1999) #88.1",
        "issueNumber": 88.10,
        "variantDescription": "",
        "description": None,
        "modified": "-0001-11-30T00:00:00-0500",
        "isbn": 785110283,
        "upc": "",
        "format": "Comic",
        "pageCount": 32,
        "textObjects": [
            {"type": "issue_solicit_text", "language": "en-us", "text": "A <br>long night."}
        ],
        "urls": [],
        "series": {"resourceURI": f"{BASE}/series/21", "name": "Night Watch (1999)"},
        "variants": [{"resourceURI": f"{BASE}/comics/13", "name": "Variant"}],
        "collections": [],
        "collectedIssues": [{"resourceURI": f"{BASE}/comics/14", "name": "Older"}],
        "dates": [
            {"type": "onsaleDate", "date": "1999-05-01T00:00:00-0400"},
            {"type": "focDate", "date": "-0001-11-30T00:00:00-0500"},
        ],
        "prices": [{"type": "printPrice", "price": 2.99}, {"type": "digitalPurchasePrice"}],
        "thumbnail": None,
        "images": [],
        "creators": nested("creators", 41, 42, role="Penciller (Cover)"),
        "characters": nested("characters", 7),
        "stories": nested("stories", 31),
        "events": nested("events", 51),
        **changes,
    }


def series(**changes: Any) -> dict[str, Any]:
    return {
        "id": 21,
        "title": "Night Watch (1999)",
        "description": None,
        "startYear": 1999,
        "endYear": 2001,
        "rating": "T+",
        "type": "limited",
        "modified": "2018-02-15T12:59:41-0500",
        "creators": nested("creators", 41),
        "characters": nested("characters", 7),
        "stories": nested("stories", 31),
        "comics": nested("comics", 11),
        "events": nested("events", 51),
        "next": None,
        "previous": {"resourceURI": f"{BASE}/series/20", "name": "Day Watch"},
        **changes,
    }


def event(**changes: Any) -> dict[str, Any]:
    return {
        "id": 51,
        "title": "The Long Night",
        "description": "All lamps go out.",
        "modified": "2013-06-28T16:31:24-0400",
        "start": "1999-12-10 00:00:00",
        "end": None,
        "creators": nested("creators", 41),
        "characters": nested("characters", 7),
        "stories": nested("stories", 31),
        "comics": nested("comics", 11),
        "series": nested("series", 21),
        "next": {"resourceURI": f"{BASE}/events/52", "name": "Dawn"},
        "previous": None,
        **changes,
    }


def story(**changes: Any) -> dict[str, Any]:
    return {
        "id": 31,
        "title": "",
        "description": "",
        "type": "cover",
        "modified": "1969-12-31T19:00:00-0500",
        "thumbnail": None,
        "creators": nested("creators", 41),
        "characters": nested("characters", 7),
        "series": nested("series", 21),
        "comics": nested("comics", 11),
        "events": nested("events", 51),
        "originalIssue": {"resourceURI": f"{BASE}/comics/11", "name": "Night Watch (1999) #88.1"},
        **changes,
    }


def creator(**changes: Any) -> dict[str, Any]:
    return {
        "id": 41,
        "firstName": "Ada",
        "middleName": "",
        "lastName": "Quill",
        "suffix": "Jr.",
        "fullName": "",
        "modified": "2019-05-13T15:45:25-0400",
        "thumbnail": {"path": "http://images.example/41", "extension": ""},
        "comics": nested("comics", 11),
        "series": nested("series", 21),
        "stories": nested("stories", 31),
        "events": nested("events", 51),
        "urls": None,
        **changes,
    }


SAMPLES = {
    "characters": character,
    "comics": comic,
    "series": series,
    "events": event,
    "stories": story,
    "creators": creator,
}
