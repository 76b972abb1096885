"""Which shard speaks for an entity: the one with the newest version of it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.index.catalog.catalog import Catalog

EntityMask = npt.NDArray[np.bool_]


def live_entities(catalogs: Sequence[Catalog]) -> list[EntityMask]:
    """Return, for each catalog, which of its entities its shard speaks for.

    A shard covers an entity even when it holds no row of it: then the entity has no text any more
    and disappears. The greatest `(seq, origin)` wins, whatever the order of the shards; between
    equal versions the first shard does.
    """
    lengths = [catalog.entities for catalog in catalogs]
    alive = np.ones(sum(lengths), dtype=np.bool_)
    if len(catalogs) > 1:
        _bury(catalogs, alive)
    return np.split(alive, np.cumsum(lengths)[:-1]) if catalogs else []


def _bury(catalogs: Sequence[Catalog], alive: EntityMask) -> None:
    hashes = np.concatenate([catalog.entity_hashes for catalog in catalogs])
    several = _in_several(hashes[:, 0])
    if len(several) == 0:
        return
    seqs = np.concatenate([catalog.entity_seqs for catalog in catalogs])[several]
    origins = _origin_ranks(catalogs)[several]
    # By key; within a key the newest last, and of equal ones the first shard last.
    order = np.lexsort((-several, origins, seqs, hashes[several, 1], hashes[several, 0]))
    ordered = hashes[several[order]]
    is_outdone = np.all(ordered[:-1] == ordered[1:], axis=1)
    alive[several[order[:-1][is_outdone]]] = False


def _in_several(halves: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Positions of the hashes whose first half occurs more than once: the few worth comparing."""
    order = np.argsort(halves)
    ordered = halves[order]
    is_equal = ordered[:-1] == ordered[1:]
    is_several = np.zeros(len(halves), dtype=np.bool_)
    is_several[:-1] |= is_equal
    is_several[1:] |= is_equal
    return order[is_several]


def _origin_ranks(catalogs: Sequence[Catalog]) -> npt.NDArray[np.int64]:
    """The origin of each entity as a number; numbers compare as the origins do."""
    known = sorted({origin for catalog in catalogs for origin in catalog.origins})
    ranks = {origin: rank for rank, origin in enumerate(known)}
    return np.concatenate(
        [
            np.array([ranks[origin] for origin in catalog.origins], np.int64)[
                catalog.entity_origins
            ]
            for catalog in catalogs
        ]
    )
