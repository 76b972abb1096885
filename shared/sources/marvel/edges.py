"""Relation edges from the references inside a Marvel record.

A relation has one direction, whichever of its two entities tells of it, so both tell the same edge.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.models.entity import Edge
from shared.sources.marvel.answers import Collection, Reference, WireEntity

_RESOURCE = re.compile(r"/(?P<endpoint>[a-z]+)/(?P<id>[0-9]{1,18})/?$")
ENTITY_TYPES = {
    "characters": "character",
    "comics": "comic",
    "series": "series",
    "events": "event",
    "stories": "story",
    "creators": "creator",
}
"""Endpoint to entity type."""


@dataclass(frozen=True, slots=True)
class _Relation:
    """A field that refers to entities; `is_from_here` says at which end its owner stands."""

    field: str
    name: str
    is_from_here: bool


def _out(field: str, name: str) -> _Relation:
    return _Relation(field, name, is_from_here=True)


def _in(field: str, name: str) -> _Relation:
    return _Relation(field, name, is_from_here=False)


_RELATIONS: dict[str, tuple[_Relation, ...]] = {
    "character": (
        _out("comics", "character_appears_in_comic"),
        _out("series", "character_appears_in_series"),
        _out("stories", "character_appears_in_story"),
        _out("events", "character_in_event"),
    ),
    "comic": (
        _out("series", "comic_part_of_series"),
        _out("events", "comic_in_event"),
        _out("variants", "comic_has_variant_comic"),
        _out("collections", "comic_collected_in_comic"),
        _in("collected_issues", "comic_collected_in_comic"),
        _in("characters", "character_appears_in_comic"),
        _in("creators", "creator_of_comic"),
        _in("stories", "story_in_comic"),
    ),
    "series": (
        _out("events", "series_in_event"),
        _out("next", "series_followed_by_series"),
        _in("previous", "series_followed_by_series"),
        _in("comics", "comic_part_of_series"),
        _in("characters", "character_appears_in_series"),
        _in("creators", "creator_of_series"),
        _in("stories", "story_in_series"),
    ),
    "event": (
        _out("next", "event_followed_by_event"),
        _in("previous", "event_followed_by_event"),
        _in("comics", "comic_in_event"),
        _in("series", "series_in_event"),
        _in("characters", "character_in_event"),
        _in("creators", "creator_of_event"),
        _in("stories", "story_in_event"),
    ),
    "story": (
        _out("comics", "story_in_comic"),
        _out("series", "story_in_series"),
        _out("events", "story_in_event"),
        _out("original_issue", "story_first_in_comic"),
        _in("characters", "character_appears_in_story"),
        _in("creators", "creator_of_story"),
    ),
    "creator": (
        _out("comics", "creator_of_comic"),
        _out("series", "creator_of_series"),
        _out("stories", "creator_of_story"),
        _out("events", "creator_of_event"),
    ),
}


def make_edges(
    entity_type: str, entity_key: str, wire: WireEntity, warnings: list[str]
) -> tuple[Edge, ...]:
    """Return each edge once, in the order of the record; unreadable references add a warning."""
    edges: dict[Edge, None] = {}
    for relation in _RELATIONS[entity_type]:
        unreadable = 0
        for reference in references(wire, relation.field):
            other = reference_key(reference)
            if other is None:
                unreadable += 1
                continue
            ends = (entity_key, other) if relation.is_from_here else (other, entity_key)
            edges[Edge(relation=relation.name, from_key=ends[0], to_key=ends[1])] = None
        if unreadable:
            warnings.append(f"{unreadable} references in {relation.field} have no readable address")
    return tuple(edges)


def references(wire: WireEntity, field: str) -> Iterator[Reference]:
    """Yield the references in a field, be it one, a list, or a collection."""
    value = getattr(wire, field)
    if isinstance(value, Collection):
        yield from value.items
    elif isinstance(value, Reference):
        yield value
    elif value is not None:
        yield from value


def reference_key(reference: Reference | None) -> str | None:
    """Return the entity key that a reference's API address names, None when it names none."""
    match = _RESOURCE.search(reference.resource_uri) if reference else None
    if match is None or match["endpoint"] not in ENTITY_TYPES:
        return None
    return f"{ENTITY_TYPES[match['endpoint']]}:{int(match['id'])}"
