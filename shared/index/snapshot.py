"""The open shards of one manifest version, and how they follow the manifest."""

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from shared.index.catalog import Catalog, read_catalog
from shared.index.graph import RowMask
from shared.index.liveness import live_entities
from shared.index.manifest_store import ManifestCache
from shared.index.shard_cache import HeldFile, ShardCache
from shared.index.shard_reader import OpenFiles, SearchTuning, Shard, check_catalog
from shared.models.manifest import FileReference, Manifest, ShardDescriptor
from shared.observability import logger


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one search sees: a manifest, and the shards of it that are open here, in its order.

    `catalogs` are those of all shards of the manifest, in its order.
    """

    manifest: Manifest
    shards: Sequence[Shard]
    catalogs: Sequence[Catalog]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the metadata fields that rows of the index can be filtered by, sorted."""
        return tuple(sorted({name for shard in self.manifest.shards for name in shard.fields}))


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The current snapshot, how many shards had to be opened for it, and the milliseconds."""

    snapshot: Snapshot
    opened: int
    milliseconds: float


class SnapshotSource:
    """Keeps the shards of the newest manifest open; safe under threads.

    A shard stays open from one version to the next. When a new version cannot be opened, the last
    good one goes on serving, the defect is logged, and `retry_seconds` later it is tried again.
    What no snapshot in use needs any more is closed.
    """

    def __init__(
        self,
        manifests: ManifestCache,
        cache: ShardCache,
        pool: Executor,
        *,
        tuning: SearchTuning | None = None,
        retry_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        select: Callable[[Manifest], Collection[str]] | None = None,
    ) -> None:
        """Follow `manifests` with files of `cache`, which come side by side on threads of `pool`.

        `select` gives the ids of the shards of a manifest that are searched here; None: all. Of
        the others the catalogs alone are read: an entity's newest version may be there.
        """
        self._manifests = manifests
        self._pool = pool
        self._opener = _Opener(cache, pool, tuning or SearchTuning())
        self._select = select
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Snapshot | None = None
        self._visited: Snapshot | None = None
        self._refused: tuple[Manifest, float] | None = None

    def refresh(self) -> Refreshed:
        """Return the snapshot of the current manifest, opening the shards that are new.

        Raises:
            NotFoundError: nothing was committed yet.
            CorruptObjectError: the first snapshot cannot be read; names the key.
            DimensionMismatchError: the manifest is of another model.
            OverloadedError: the shards do not fit under the limit of the cache.
        """
        with self._lock:
            started = self._clock()
            manifest = self._manifests.current()
            held = self._held
            self._visited = None
            if held is not None and (held.manifest is manifest or self._is_refused(manifest)):
                return Refreshed(held, 0, 0.0)
            wanted = None if self._select is None else self._select(manifest)
            try:
                snapshot, opened = self._opener.open(manifest, wanted, held)
            except Exception as error:
                if held is None:
                    raise
                self._refused = (manifest, self._clock())
                logger.error("the last good index goes on serving", extra={"reason": str(error)})
                return Refreshed(held, 0, (self._clock() - started) * 1000.0)
            self._held = snapshot
            return Refreshed(snapshot, opened, (self._clock() - started) * 1000.0)

    def open_version(self, manifest: Manifest, shard_ids: Collection[str]) -> Snapshot:
        """Open some shards of exactly this manifest; raises like `refresh`.

        They stay open until the next `refresh` or `open_version`. The shards of `refresh` stay
        open too, but without their graphs, so that a process never holds two parts of an index.
        """
        with self._lock:
            for near in (self._visited, self._held):
                if near is not None and _is_of(near, manifest, shard_ids):
                    return near
            if self._held is not None:
                for shard in self._held.shards:
                    if shard.descriptor.shard_id not in shard_ids:
                        shard.release()
            snapshot, _ = self._opener.open(manifest, shard_ids, self._visited or self._held)
            self._visited = snapshot
            return snapshot

    def _is_refused(self, manifest: Manifest) -> bool:
        if self._refused is None or self._refused[0] is not manifest:
            return False
        return self._clock() - self._refused[1] < self._retry_seconds


def _is_of(snapshot: Snapshot, manifest: Manifest, shard_ids: Collection[str]) -> bool:
    held = {shard.descriptor.shard_id for shard in snapshot.shards}
    return snapshot.manifest.version == manifest.version and held == set(shard_ids)


class _Opener:
    """Opens snapshots with the files that are open already, as long as somebody uses them."""

    def __init__(self, cache: ShardCache, pool: Executor, tuning: SearchTuning) -> None:
        self._cache = cache
        self._pool = pool
        self._tuning = tuning
        self._files: weakref.WeakValueDictionary[str, OpenFiles] = weakref.WeakValueDictionary()
        self._catalogs: weakref.WeakValueDictionary[str, Catalog] = weakref.WeakValueDictionary()

    def open(
        self, manifest: Manifest, wanted: Collection[str] | None, before: Snapshot | None
    ) -> tuple[Snapshot, int]:
        """A snapshot, and how many shards were opened for it."""
        descriptors = manifest.shards
        chosen = [d for d in descriptors if wanted is None or d.shard_id in wanted]
        known = {d.shard_id: self._files.get(d.shard_id) for d in chosen}
        held = self._fetch(descriptors, [d for d in chosen if known[d.shard_id] is None])
        catalogs = [self._catalog(descriptor, held) for descriptor in descriptors]
        by_id = {d.shard_id: c for d, c in zip(descriptors, catalogs, strict=True)}
        files = [known[d.shard_id] or self._open_files(d, by_id[d.shard_id], held) for d in chosen]
        live = dict(zip(by_id, live_entities(catalogs), strict=True))
        previous = {s.descriptor.shard_id: s for s in before.shards} if before else {}
        shards = [
            self._view(one, live[one.descriptor.shard_id], previous.get(one.descriptor.shard_id))
            for one in files
        ]
        opened = sum(1 for one in known.values() if one is None)
        return Snapshot(manifest, shards, catalogs), opened

    def _fetch(
        self, descriptors: Iterable[ShardDescriptor], opening: Iterable[ShardDescriptor]
    ) -> dict[str, HeldFile]:
        """All files that are needed, side by side, by their keys."""
        references: dict[str, FileReference] = {}
        for descriptor in opening:  # the largest first: the others come meanwhile
            for file in (descriptor.graph, descriptor.sidecar):
                if file is not None:
                    references[file.key] = file
        for descriptor in descriptors:
            if descriptor.shard_id not in self._catalogs:
                references[descriptor.catalog.key] = descriptor.catalog
        held = self._pool.map(self._cache.hold, references.values())
        return dict(zip(references, held, strict=True))

    def _catalog(self, descriptor: ShardDescriptor, held: dict[str, HeldFile]) -> Catalog:
        catalog = self._catalogs.get(descriptor.shard_id)
        if catalog is None:
            key = descriptor.catalog.key
            file = held.get(key) or self._cache.hold(descriptor.catalog)
            catalog = read_catalog(file.path(), name=key)
            check_catalog(catalog, descriptor)
            self._catalogs[descriptor.shard_id] = catalog
        return catalog

    def _open_files(
        self, descriptor: ShardDescriptor, catalog: Catalog, held: dict[str, HeldFile]
    ) -> OpenFiles:
        graph, sidecar = descriptor.graph, descriptor.sidecar
        files = OpenFiles(
            descriptor,
            catalog,
            held[graph.key].path if graph else None,
            held[sidecar.key].path if sidecar else None,
        )
        self._files[descriptor.shard_id] = files
        return files

    def _view(self, files: OpenFiles, is_live: RowMask, previous: Shard | None) -> Shard:
        """The shard under the new manifest; the very same as before when nothing of it changed."""
        rows = None if is_live.all() else is_live[files.catalog.row_entities]
        if previous is None or previous.files is not files:
            return Shard(files, rows, self._tuning)
        return previous if previous.has_live(rows) else previous.under(rows)
