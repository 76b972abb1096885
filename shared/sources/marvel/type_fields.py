"""The fields that each Marvel type keeps; what the source leaves empty is left out."""

import re
from collections.abc import Mapping

from shared.canonical.records import readable_date
from shared.models.entity import Scalar
from shared.sources.marvel.answers import (
    Collection,
    WireCharacter,
    WireComic,
    WireCreator,
    WireEntity,
    WireEvent,
    WireSeries,
    WireStory,
)
from shared.sources.marvel.edges import reference_key, references
from shared.text.html import html_to_text

TypeFields = dict[str, Scalar | list[Scalar]]

_NAMED = ("characters", "creators")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


def fields_of_type(wire: WireEntity, warnings: list[str]) -> TypeFields:
    """Return the fields of an entity of any of the six types."""
    return _without_empty({**_own_fields(wire, warnings), **_counts(wire), **_names(wire)})


def _own_fields(wire: WireEntity, warnings: list[str]) -> Mapping[str, Scalar]:
    match wire:
        case WireComic():
            return _comic_fields(wire, warnings)
        case WireSeries():
            return {
                "start_year": wire.start_year,
                "end_year": wire.end_year,
                "rating": wire.rating,
                "series_type": wire.type,
            }
        case WireEvent():
            return {
                "start": readable_date(wire.start, "start", warnings),
                "end": readable_date(wire.end, "end", warnings),
                "next_event_id": _number_of(reference_key(wire.next)),
                "previous_event_id": _number_of(reference_key(wire.previous)),
            }
        case WireStory():
            return {
                "type_hint": wire.type,
                "original_issue_id": _number_of(reference_key(wire.original_issue)),
            }
        case WireCreator():
            return {
                "first_name": wire.first_name,
                "middle_name": wire.middle_name,
                "last_name": wire.last_name,
                "suffix": wire.suffix,
            }
        case _:
            return {}


def _comic_fields(comic: WireComic, warnings: list[str]) -> Mapping[str, Scalar]:
    fields: dict[str, Scalar] = {
        "issue_number": comic.issue_number,
        "page_count": comic.page_count,
        "format": comic.format,
        "variant_description": comic.variant_description,
        "isbn": comic.isbn,
        "upc": comic.upc,
        "ean": comic.ean,
        "issn": comic.issn,
        "diamond_code": comic.diamond_code,
        "digital_id": comic.digital_id,
        "series_id": _number_of(reference_key(comic.series)),
        "series": html_to_text(comic.series.name) if comic.series else None,
    }
    for dated in comic.dates:
        name = snake_case(dated.type)
        if name:
            fields[name] = readable_date(dated.date, name, warnings)
    for priced in comic.prices:
        name = snake_case(priced.type)
        if name:
            fields[name] = priced.price
    return fields


def _counts(wire: WireEntity) -> Mapping[str, Scalar]:
    """How many related entities there are, of which the record names at most 20."""
    return {
        f"{name}_available": value.available
        for name in type(wire).model_fields
        if isinstance(value := getattr(wire, name), Collection)
    }


def _names(wire: WireEntity) -> TypeFields:
    if isinstance(wire, WireCharacter | WireCreator):
        return {}
    names: TypeFields = {}
    for field in _NAMED:
        found = [html_to_text(r.name) for r in references(wire, field)]
        names[field] = list(dict.fromkeys(name for name in found if name))
    return names


def snake_case(name: str) -> str:
    """Return `onsaleDate` as `onsale_date`."""
    return _WORD_START.sub("_", name).strip("_").lower()


def _number_of(key: str | None) -> int | None:
    return int(key.partition(":")[2]) if key else None


def _without_empty(fields: TypeFields) -> TypeFields:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}
