"""The entities the gateway serves, in wire format."""

from collections.abc import Iterable, Iterator, Mapping

from examples.marvel.wire import (
    ENTITY_TYPES,
    EntityType,
    WireEntity,
    parse_resource_uri,
)


class Catalog:
    """Entities by type and id. Changes replace entities, never alter one that was handed out."""

    def __init__(self, entities: Mapping[EntityType, Iterable[WireEntity]]) -> None:
        self._entities: dict[EntityType, dict[int, WireEntity]] = {
            entity_type: {entity["id"]: entity for entity in entities.get(entity_type, ())}
            for entity_type in ENTITY_TYPES
        }

    def copy(self) -> "Catalog":
        """An independent catalog of the same entities."""
        return Catalog({kind: list(self.all(kind)) for kind in ENTITY_TYPES})

    def counts(self) -> dict[EntityType, int]:
        """Number of entities of each type."""
        return {kind: len(entities) for kind, entities in self._entities.items()}

    def all(self, entity_type: EntityType) -> Iterator[WireEntity]:
        """Every entity of a type, in no particular order."""
        return iter(self._entities[entity_type].values())

    def get(self, entity_type: EntityType, entity_id: int) -> WireEntity | None:
        """One entity, or None."""
        return self._entities[entity_type].get(entity_id)

    def put(self, entity_type: EntityType, entity: WireEntity) -> None:
        """Add or replace an entity."""
        self._entities[entity_type][entity["id"]] = entity

    def remove(self, entity_type: EntityType, entity_id: int) -> bool:
        """Forget an entity; False when there was none. References to it stay, as upstream."""
        return self._entities[entity_type].pop(entity_id, None) is not None

    def related(
        self, entity_type: EntityType, entity: WireEntity, other_type: EntityType
    ) -> list[WireEntity]:
        """Entities of another type that the entity names, or that name it.

        Nested lists are cut at 20, so both directions are read.
        """
        named = set(references(entity, other_type))
        own_id = entity["id"]
        return [
            other
            for other in self.all(other_type)
            if other["id"] in named or own_id in set(references(other, entity_type))
        ]


def references(entity: WireEntity, entity_type: EntityType) -> Iterator[int]:
    """Ids of a type that an entity names in its list, or single reference, of that type."""
    value = entity.get(entity_type)
    if not isinstance(value, dict):
        return
    for item in value.get("items", [value]):
        target = parse_resource_uri(item.get("resourceURI", ""))
        if target and target[0] == entity_type:
            yield target[1]
