"""Who appears where: the relations an authored corpus states, readable from both sides."""

from collections.abc import Iterator
from typing import Final

from examples.marvel.catalog.authored import AuthoredComic, AuthoredCorpus, CorpusError
from examples.marvel.wire import EntityType

Node = tuple[EntityType, str]
"""Type and key of an entity."""

_INHERITED: Final[tuple[tuple[EntityType, EntityType], ...]] = (
    ("series", "characters"),
    ("series", "creators"),
    ("series", "events"),
    ("events", "characters"),
    ("events", "creators"),
)
"""Pairs that are related when one comic is related to both."""


class Relations:
    """Symmetric links between entities; a link to a creator has a role."""

    def __init__(self, corpus: AuthoredCorpus) -> None:
        self._links: dict[Node, dict[Node, str]] = {}
        self._known = _known_nodes(corpus)
        comics = {comic.key: comic for comic in corpus.comics}
        for comic in corpus.comics:
            self._add_comic(comic)
        for event in corpus.events:
            for character in event.characters:
                self._link(("events", event.key), ("characters", character))
        for story in corpus.stories:
            original = comics.get(story.comic)
            if original is None:
                raise CorpusError(f"stories {story.key}: there is no comic {story.comic}")
            self._add_story(
                story.key,
                [story.comic, *story.reprinted_in],
                original.characters if story.characters is None else story.characters,
                original.creators if story.creators is None else story.creators,
            )

    def linked(self, node: Node, entity_type: EntityType) -> Iterator[tuple[str, str]]:
        """Key and role of every entity of a type linked to the node, in the order of linking."""
        for (other_type, key), role in self._links.get(node, {}).items():
            if other_type == entity_type:
                yield key, role

    def _add_comic(self, comic: AuthoredComic) -> None:
        node: Node = ("comics", comic.key)
        self._link(node, ("series", comic.series))
        for creator, role in comic.creators.items():
            self._link(node, ("creators", creator), role)
        for character in comic.characters:
            self._link(node, ("characters", character))
        for event in comic.events:
            self._link(node, ("events", event))
        for one_type, other_type in _INHERITED:
            for one_key, one_role in list(self.linked(node, one_type)):
                for other_key, other_role in list(self.linked(node, other_type)):
                    self._link((one_type, one_key), (other_type, other_key), one_role or other_role)

    def _add_story(
        self, key: str, comics: list[str], characters: tuple[str, ...], creators: dict[str, str]
    ) -> None:
        node: Node = ("stories", key)
        for comic in comics:
            self._link(node, ("comics", comic))
            for inherited in ("series", "events"):
                for other, _ in list(self.linked(("comics", comic), inherited)):
                    self._link(node, (inherited, other))
        for character in characters:
            self._link(node, ("characters", character))
        for creator, role in creators.items():
            self._link(node, ("creators", creator), role)

    def _link(self, one: Node, other: Node, role: str = "") -> None:
        """Link both ways; the first role of a pair stays."""
        for node in (one, other):
            if node not in self._known:
                raise CorpusError(f"{one[0]} {one[1]}: there is no {node[0]} {node[1]}")
        self._links.setdefault(one, {}).setdefault(other, role)
        self._links.setdefault(other, {}).setdefault(one, role)


def _known_nodes(corpus: AuthoredCorpus) -> set[Node]:
    return {
        *(("characters", entity.key) for entity in corpus.characters),
        *(("comics", entity.key) for entity in corpus.comics),
        *(("series", entity.key) for entity in corpus.series),
        *(("events", entity.key) for entity in corpus.events),
        *(("creators", entity.key) for entity in corpus.creators),
        *(("stories", entity.key) for entity in corpus.stories),
    }
