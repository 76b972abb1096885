"""What an index holds of each entity, read from the catalogs of its shards."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from shared.index.catalog.catalog import Catalog, read_catalog
from shared.index.catalog.liveness import EntityMask, live_entities
from shared.index.search.shard_cache import ShardCache
from shared.models.entity import EntityVersion
from shared.models.manifest import ShardDescriptor

_PARALLEL_DOWNLOADS = 8


@dataclass(frozen=True, slots=True)
class LiveCatalog:
    """A catalog, and which of its entities its shard speaks for."""

    catalog: Catalog
    live: EntityMask

    @property
    def with_content(self) -> EntityMask:
        """Which entities the shard speaks for and has rows of."""
        has_rows = np.zeros(self.catalog.entities, dtype=np.bool_)
        has_rows[self.catalog.row_entities] = True
        return self.live & has_rows


def open_live_catalogs(shards: Sequence[ShardDescriptor], cache: ShardCache) -> list[LiveCatalog]:
    """Return the catalogs of all shards of a manifest.

    Raises:
        CorruptObjectError: one is gone or damaged; names its key.
    """
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        paths = list(pool.map(cache.fetch, [shard.catalog for shard in shards]))
    catalogs = [
        read_catalog(path, name=shard.catalog.key)
        for path, shard in zip(paths, shards, strict=True)
    ]
    return [
        LiveCatalog(catalog, live)
        for catalog, live in zip(catalogs, live_entities(catalogs), strict=True)
    ]


def live_versions(catalogs: Sequence[LiveCatalog]) -> dict[str, EntityVersion]:
    """Return the version that the index holds of each entity, the deleted ones among them."""
    return dict(_live_versions(catalogs))


def differing_entities(
    before: Mapping[str, EntityVersion], after: Mapping[str, EntityVersion]
) -> set[str]:
    """Return the entities of which two states of an index hold other versions.

    What is remembered of them (`EntityVersions`) must be forgotten before the index goes from one
    state to the other by anything but a newer commit.
    """
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _live_versions(catalogs: Sequence[LiveCatalog]) -> Iterator[tuple[str, EntityVersion]]:
    for found in catalogs:
        for (key, version), is_live in zip(
            found.catalog.versions().items(), found.live, strict=True
        ):
            if is_live:
                yield key, version
