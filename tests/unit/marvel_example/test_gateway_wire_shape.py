"""Our entities have the keys, key order and types of the recorded API."""

from typing import Any, Final

import pytest

from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.wire import (
    ENTITY_TYPES,
    NULL_DATE,
    EntityType,
    parse_date,
    parse_resource_uri,
    parse_whole_number,
    resource_uri,
    slug,
)

CATALOG = demo_catalog()

TEXT: Final = "str"
LIST: Final = "dict"

# Seen in 512 recorded entities: the keys in their order, and the JSON types each may have.
RECORDED_FIELDS: Final[dict[EntityType, dict[str, str]]] = {
    "characters": {
        "id": "int", "name": TEXT, "description": TEXT, "modified": TEXT, "thumbnail": "dict",
        "resourceURI": TEXT, "comics": LIST, "series": LIST, "stories": LIST, "events": LIST,
        "urls": "list",
    },
    "comics": {
        "id": "int", "digitalId": "int", "title": TEXT, "issueNumber": "int float",
        "variantDescription": TEXT, "description": "str NoneType", "modified": TEXT,
        "isbn": "str int", "upc": TEXT, "diamondCode": TEXT, "ean": TEXT, "issn": TEXT,
        "format": TEXT, "pageCount": "int", "textObjects": "list", "resourceURI": TEXT,
        "urls": "list", "series": "dict", "variants": "list", "collections": "list",
        "collectedIssues": "list", "dates": "list", "prices": "list", "thumbnail": "dict",
        "images": "list", "creators": LIST, "characters": LIST, "stories": LIST, "events": LIST,
    },
    "series": {
        "id": "int", "title": TEXT, "description": "str NoneType", "resourceURI": TEXT,
        "urls": "list", "startYear": "int", "endYear": "int", "rating": TEXT, "type": TEXT,
        "modified": TEXT, "thumbnail": "dict", "creators": LIST, "characters": LIST,
        "stories": LIST, "comics": LIST, "events": LIST, "next": "dict NoneType",
        "previous": "dict NoneType",
    },
    "events": {
        "id": "int", "title": TEXT, "description": TEXT, "resourceURI": TEXT, "urls": "list",
        "modified": TEXT, "start": "str NoneType", "end": "str NoneType", "thumbnail": "dict",
        "creators": LIST, "characters": LIST, "stories": LIST, "comics": LIST, "series": LIST,
        "next": "dict NoneType", "previous": "dict NoneType",
    },
    "creators": {
        "id": "int", "firstName": TEXT, "middleName": TEXT, "lastName": TEXT, "suffix": TEXT,
        "fullName": TEXT, "modified": TEXT, "thumbnail": "dict", "resourceURI": TEXT,
        "comics": LIST, "series": LIST, "stories": LIST, "events": LIST, "urls": "list",
    },
    "stories": {
        "id": "int", "title": TEXT, "description": TEXT, "resourceURI": TEXT, "type": TEXT,
        "modified": TEXT, "thumbnail": "NoneType", "creators": LIST, "characters": LIST,
        "series": LIST, "comics": LIST, "events": LIST, "originalIssue": "dict",
    },
}  # fmt: skip

MEMBER_FIELDS: Final = {
    "urls": {"type", "url"},
    "dates": {"type", "date"},
    "prices": {"type", "price"},
    "textObjects": {"type", "language", "text"},
    "variants": {"resourceURI", "name"},
    "collections": {"resourceURI", "name"},
    "collectedIssues": {"resourceURI", "name"},
}


@pytest.mark.parametrize("kind", ENTITY_TYPES)
def test_fields_and_types_are_those_recorded(kind: EntityType) -> None:
    expected = RECORDED_FIELDS[kind]
    for entity in CATALOG.all(kind):
        assert list(entity) == list(expected)
        for field, types in expected.items():
            assert type(entity[field]).__name__ in types.split(), (entity["id"], field)


@pytest.mark.parametrize("kind", ENTITY_TYPES)
def test_members_of_lists_have_the_recorded_fields(kind: EntityType) -> None:
    for entity in CATALOG.all(kind):
        for field, keys in MEMBER_FIELDS.items():
            for member in entity.get(field) or []:
                assert set(member) == keys, (entity["id"], field)
        for other in ENTITY_TYPES:
            nested = entity.get(other)
            for item in nested.get("items", []) if nested else []:
                assert set(item) == item_fields(other)


def item_fields(kind: EntityType) -> set[str]:
    extra = {"creators": {"role"}, "stories": {"type"}}
    return {"resourceURI", "name"} | extra.get(kind, set())


@pytest.mark.parametrize("kind", ENTITY_TYPES)
def test_addresses_and_dates_are_in_wire_form(kind: EntityType) -> None:
    for entity in CATALOG.all(kind):
        assert entity["resourceURI"] == resource_uri(kind, entity["id"])
        assert entity["resourceURI"].startswith("http://gateway.marvel.com/v1/public/")
        dates = [entity["modified"], *(entry["date"] for entry in entity.get("dates", []))]
        for date in dates:
            assert date == NULL_DATE or (parse_date(date) and date[-5:] in {"-0400", "-0500"})


def test_comic_titles_name_series_year_and_number() -> None:
    titles = {comic["title"] for comic in CATALOG.all("comics")}
    assert {"Avengers (1963) #55", "Avengers (2010) #12.1", "Age of Ultron (2013) #10"} <= titles


def test_chains_lead_both_ways() -> None:
    for kind in ("events", "series"):
        for entity in CATALOG.all(kind):
            if entity["next"]:
                following = CATALOG.get(*uri_target(entity["next"]))
                assert following is not None
                assert following["previous"]["resourceURI"] == entity["resourceURI"]


def test_collections_and_variants_name_each_other() -> None:
    linked = 0
    for comic in CATALOG.all("comics"):
        for field, back in (("collectedIssues", "collections"), ("variants", "variants")):
            for reference in comic[field]:
                other = CATALOG.get(*uri_target(reference))
                assert other is not None
                assert comic["resourceURI"] in [one["resourceURI"] for one in other[back]]
                linked += 1
    assert linked >= 6


def uri_target(reference: dict[str, Any]) -> tuple[EntityType, int]:
    target = parse_resource_uri(reference["resourceURI"])
    assert target is not None
    return target


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("http://gateway.marvel.com/v1/public/comics/7", ("comics", 7)),
        ("https://mirror.example/v1/public/stories/12", ("stories", 12)),
        ("http://gateway.marvel.com/v1/public/heroes/7", None),
        ("http://gateway.marvel.com/v1/public/comics/7/stories", None),
        ("http://gateway.marvel.com/v1/public/comics/", None),
        ("", None),
    ],
)
def test_resource_uris_are_read(uri: str, target: object) -> None:
    assert parse_resource_uri(uri) == target


@pytest.mark.parametrize(
    ("text", "words"),
    [("Araña", "arana"), ("Avengers (1963) #55", "avengers_1963_55"), ("!", ""), ("X-23", "x_23")],
)
def test_slugs_are_plain_ascii(text: str, words: str) -> None:
    assert slug(text) == words


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("100", 100), ("", None), ("-1", None), ("1_0", None), (" 7", None),
     ("\u0663", None), ("7\n", None), ("1.0", None), ("1" * 5000, None)],
)  # fmt: skip
def test_whole_numbers_are_plain_digits(text: str, number: int | None) -> None:
    assert parse_whole_number(text) == number
