"""Merges shards of an index to one: live rows only, with the vectors and words they have already.

What goes on is decided here; the order of the rows, and the files, are in `merged_files.py`.

Memory: the new graph, which hnswlib holds whole, and the pages of the old graphs that are read
through memory maps; all else is streamed or some numbers a row. That is about 2.5 times the size
of the new shard at most, however many shards the index has beside those that are merged.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from shared.errors import CorruptObjectError, DamagedIndexError
from shared.index.catalog.catalog import Catalog, check_every_key, read_catalog
from shared.index.catalog.liveness import EntityMask, live_entities
from shared.index.graph.hnsw_file import GraphFile
from shared.index.maintenance.merged_files import MergeInput, write_merged
from shared.index.search.shard_cache import ShardCache
from shared.index.shard.damage import damaged_shard, is_about
from shared.index.shard.shard_writer import ShardSource, upload_shard
from shared.index.shard.sidecar import Sidecar
from shared.models.manifest import Manifest, ShardDescriptor
from shared.storage.object_store import ObjectStore

_logger = logging.getLogger(__name__)

_PARALLEL_DOWNLOADS = 8
_OUTSIDE_ENTITIES_AT_ONCE = 200_000
_ORIGIN_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Merger:
    """Merges shards of stored indexes with files in `directory`, which the caller empties.

    An entity without rows is remembered for `tombstone_kept` after its run began, as a late
    message may still bring an older version of it, and as long as another shard has one.
    """

    store: ObjectStore
    directory: Path
    threads: int = 1
    tombstone_kept: timedelta = timedelta(days=21)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def merge(self, manifest: Manifest, shard_ids: Collection[str]) -> ShardDescriptor | None:
        """Merge some of a manifest's shards and upload the one they become.

        Each entity keeps its own version. Entities of which any shard of the manifest has a newer
        version are dropped.

        Returns:
            The new shard, or None when nothing of the old ones goes on.

        Raises:
            DamagedIndexError: a file of a shard that is merged is gone or damaged; names the shard
                and what takes it out. Damage to the others keeps no merge from going on.
        """
        try:
            return self._merge(manifest, shard_ids)
        except CorruptObjectError as error:
            merged = (shard for shard in manifest.shards if shard.shard_id in shard_ids)
            damaged = next((shard for shard in merged if is_about(shard, error)), None)
            if damaged is None:
                raise
            named = damaged_shard(manifest.corpus, damaged)
            raise DamagedIndexError(f"{named}; {error}") from error

    def _merge(self, manifest: Manifest, shard_ids: Collection[str]) -> ShardDescriptor | None:
        cache = ShardCache(self.store, self.directory)
        liveness = GroupLiveness(manifest, shard_ids, cache)
        group = liveness.group
        kept = liveness.kept_entities(self.now() - self.tombstone_kept)
        _fetch_rows(group, liveness.catalogs, kept, cache)
        inputs = [
            _open_input(shard, catalog, mask, cache)
            for shard, catalog, mask in zip(group, liveness.catalogs, kept, strict=True)
        ]
        files = write_merged(self.directory, manifest.model, inputs, threads=self.threads)
        if files is None:
            return None
        seq = max(shard.seq for shard in group)
        origin = compaction_origin(shard.shard_id for shard in group)
        source = ShardSource(manifest.corpus, manifest.model, origin, seq)
        return upload_shard(self.store, source, files)


def compaction_origin(shard_ids: Iterable[str]) -> str:
    """The origin of the shard that others are merged to: of the same shards, the same."""
    digest = hashlib.sha256("\n".join(sorted(shard_ids)).encode()).hexdigest()
    return f"compact/{digest[:_ORIGIN_DIGITS]}"


class GroupLiveness:
    """Which entities of some shards of a manifest still count, against all of its shards.

    Only the catalogs of the other shards are fetched, and looked at some at a time: that an entity
    is live means that it beats every other version, so it may as well beat them one by one.
    """

    def __init__(self, manifest: Manifest, shard_ids: Collection[str], cache: ShardCache) -> None:
        self._cache = cache
        self._places = {shard.shard_id: n for n, shard in enumerate(manifest.shards)}
        self.group = [shard for shard in manifest.shards if shard.shard_id in shard_ids]
        self._others = [shard for shard in manifest.shards if shard.shard_id not in shard_ids]
        self.catalogs = _fetch_catalogs(self.group, cache)

    def kept_entities(self, forget_before: datetime) -> list[EntityMask]:
        """Return, for each shard of the group, which of its entities go on.

        Those are the live ones that have rows, are covered by another shard too, or are not from
        before `forget_before`. Of another shard that cannot be read, anything may be covered.
        """
        live = live_entities(self.catalogs)
        covered = [np.zeros(catalog.entities, dtype=np.bool_) for catalog in self.catalogs]
        for batch in _batches(self._others):
            others, catalogs = _readable(batch, self._cache)
            if len(others) < len(batch):
                for mask in covered:
                    mask[:] = True
            if not others:
                continue
            for mask, found in zip(live, self._live_against(others, catalogs), strict=True):
                mask &= found
            # Half of the hash does: should two keys ever share it, one is remembered too long.
            hashes = np.concatenate([catalog.entity_hashes[:, 0] for catalog in catalogs])
            for mask, catalog in zip(covered, self.catalogs, strict=True):
                mask |= np.isin(catalog.entity_hashes[:, 0], hashes)
        oldest = int(forget_before.timestamp() * 1000)
        return [
            is_live & (_has_rows(catalog) | is_covered | (catalog.entity_seqs >= oldest))
            for is_live, is_covered, catalog in zip(live, covered, self.catalogs, strict=True)
        ]

    def _live_against(
        self, others: Sequence[ShardDescriptor], catalogs: Sequence[Catalog]
    ) -> list[EntityMask]:
        """Liveness of the group among these others, in the order of the manifest."""
        shards = [*self.group, *others]
        known = [*self.catalogs, *catalogs]
        order = sorted(range(len(shards)), key=lambda n: self._places[shards[n].shard_id])
        found = dict(zip(order, live_entities([known[n] for n in order]), strict=True))
        return [found[number] for number in range(len(self.group))]


def _has_rows(catalog: Catalog) -> EntityMask:
    mask = np.zeros(catalog.entities, dtype=np.bool_)
    mask[catalog.row_entities] = True
    return mask


def _fetch_catalogs(shards: Sequence[ShardDescriptor], cache: ShardCache) -> list[Catalog]:
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        paths = list(pool.map(cache.fetch, [shard.catalog for shard in shards]))
    return [
        read_catalog(path, name=shard.catalog.key)
        for path, shard in zip(paths, shards, strict=True)
    ]


def _readable(
    shards: Sequence[ShardDescriptor], cache: ShardCache
) -> tuple[list[ShardDescriptor], list[Catalog]]:
    """The shards whose catalogs can be read, and these; the others are logged."""
    try:
        return list(shards), _fetch_catalogs(shards, cache)
    except CorruptObjectError as error:
        if len(shards) == 1:
            _logger.error(
                "a damaged shard is left out of a merge of others",
                extra={"shard_id": shards[0].shard_id, "reason": str(error)},
            )
            return [], []
    parts = [_readable([shard], cache) for shard in shards]
    return [one for found, _ in parts for one in found], [
        one for _, found in parts for one in found
    ]


def _batches(shards: Sequence[ShardDescriptor]) -> Iterator[list[ShardDescriptor]]:
    """Shards in their order, so many at a time that their catalogs take a bounded memory."""
    batch: list[ShardDescriptor] = []
    for shard in shards:
        batch.append(shard)
        if sum(member.entities for member in batch) >= _OUTSIDE_ENTITIES_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _fetch_rows(
    shards: Sequence[ShardDescriptor],
    catalogs: Sequence[Catalog],
    kept: Sequence[EntityMask],
    cache: ShardCache,
) -> None:
    """Fetch, all at once, what the catalogs of shards with rows that go on do not hold."""
    files = [
        file
        for shard, catalog, mask in zip(shards, catalogs, kept, strict=True)
        if mask[catalog.row_entities].any()
        for file in (shard.graph, shard.sidecar)
        if file is not None
    ]
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        list(pool.map(cache.fetch, files))


def _open_input(
    shard: ShardDescriptor, catalog: Catalog, kept: EntityMask, cache: ShardCache
) -> MergeInput:
    if (catalog.rows, catalog.entities) != (shard.vectors, shard.entities):
        raise CorruptObjectError(
            f"{shard.catalog.key} has {catalog.rows} rows of {catalog.entities} entities, its "
            f"manifest says {shard.vectors} of {shard.entities}; build the shard again"
        )
    check_every_key(catalog, name=shard.catalog.key)
    if shard.graph is None or shard.sidecar is None or not kept[catalog.row_entities].any():
        return MergeInput(catalog, kept, None, None)
    graph = GraphFile(
        partial(cache.fetch, shard.graph),
        rows=shard.vectors,
        dims=shard.model.dims,
        name=shard.graph.key,
    )
    sidecar = Sidecar(
        partial(cache.fetch, shard.sidecar),
        model=shard.model,
        rows=shard.vectors,
        name=shard.sidecar.key,
        has_titles=catalog.has_titles,
    )
    return MergeInput(catalog, kept, graph.vectors, sidecar)
