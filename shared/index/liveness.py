"""Which shard speaks for an entity: the one with the newest version of it."""

from collections.abc import Mapping, Sequence

Version = tuple[int, str]
"""`(seq, origin)` of an entity in a shard; the greater one is the newer."""


def superseded_entities(shards: Sequence[Mapping[str, Version]]) -> list[set[str]]:
    """Return, for each shard, the entities that another shard has a newer version of.

    A shard covers an entity even when it holds no row of it: then the entity has no text any more
    and disappears. The answer depends on the versions alone, not on the order of the shards,
    except between equal versions, where the first shard wins.
    """
    winners: dict[str, tuple[Version, int]] = {}
    for number, entities in enumerate(shards):
        for key, version in entities.items():
            present = winners.get(key)
            if present is None or version > present[0]:
                winners[key] = (version, number)
    return [
        {key for key in entities if winners[key][1] != number}
        for number, entities in enumerate(shards)
    ]
