"""The open shards of one manifest version, and how they follow the manifest."""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from shared.errors import CorruptObjectError, DamagedIndexError
from shared.index.catalog.catalog import Catalog, read_catalog
from shared.index.catalog.liveness import live_entities
from shared.index.graph.hnsw_file import RowMask
from shared.index.manifest.manifest_store import ManifestCache
from shared.index.search.shard_cache import HeldFile, ShardCache
from shared.index.shard.damage import damaged_shard
from shared.index.shard.shard_reader import OpenFiles, SearchTuning, Shard, check_catalog
from shared.models.base import CorpusName
from shared.models.manifest import FileReference, Manifest, ShardDescriptor

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one search sees: a manifest, and the shards of it that are open here, in its order.

    `catalogs` are those of all shards of the manifest, in its order: they alone show which rows are
    live. `damage` names the shards that should be open here and cannot be.
    """

    manifest: Manifest
    shards: Sequence[Shard]
    catalogs: Sequence[Catalog]
    damage: tuple[DamagedIndexError, ...] = ()

    def without(self, shard_id: str, damage: DamagedIndexError) -> "Snapshot":
        """The same without a shard; itself if the shard is not open here."""
        kept = [shard for shard in self.shards if shard.descriptor.shard_id != shard_id]
        if len(kept) == len(self.shards):
            return self
        return replace(self, shards=kept, damage=(*self.damage, damage))

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
    Where there is no good one, the shards that can be opened serve, and `Snapshot.damage` says so.
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
            CorruptObjectError: the first manifest cannot be read; names the key.
            DamagedIndexError: a catalog of it cannot; names the shard.
            DimensionMismatchError: the manifest is of another model.
            OverloadedError: the shards do not fit under the limit of the cache.
        """
        with self._lock:
            started = self._clock()
            manifest = self._manifests.current()
            held = self._held
            self._visited = None
            if held is not None and self._is_good_enough(held, manifest):
                return Refreshed(held, 0, 0.0)
            wanted = None if self._select is None else self._select(manifest)
            try:
                snapshot, opened = self._opener.open(manifest, wanted, held)
                if snapshot.damage and held is not None and not held.damage:
                    raise snapshot.damage[0]
            except Exception as error:
                if held is None:
                    raise
                self._refused = (manifest, self._clock())
                _log("the last good index goes on serving", error)
                return Refreshed(held, 0, (self._clock() - started) * 1000.0)
            if snapshot.damage:
                self._refused = (manifest, self._clock())
                for damage in snapshot.damage:
                    _log("a shard is left out", damage)
            self._held = snapshot
            return Refreshed(snapshot, opened, (self._clock() - started) * 1000.0)

    def set_aside(self, shard_id: str, damage: DamagedIndexError) -> None:
        """Leave a shard out that a search found damaged, until it is tried again."""
        _log("a shard is left out", damage)
        with self._lock:
            if self._held is not None:
                self._held = self._held.without(shard_id, damage)
                self._refused = (self._held.manifest, self._clock())

    def open_version(self, manifest: Manifest, shard_ids: Collection[str]) -> Snapshot:
        """Open some shards of exactly this manifest, all of them; raises like `refresh`.

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
            if snapshot.damage:
                raise snapshot.damage[0]
            self._visited = snapshot
            return snapshot

    def _is_good_enough(self, held: Snapshot, manifest: Manifest) -> bool:
        is_current = held.manifest is manifest and not held.damage
        return is_current or self._is_refused(manifest)

    def _is_refused(self, manifest: Manifest) -> bool:
        if self._refused is None or self._refused[0] is not manifest:
            return False
        return self._clock() - self._refused[1] < self._retry_seconds


def _is_of(snapshot: Snapshot, manifest: Manifest, shard_ids: Collection[str]) -> bool:
    held = {shard.descriptor.shard_id for shard in snapshot.shards}
    return snapshot.manifest.version == manifest.version and held == set(shard_ids)


# By key: a file that is kept here, or what is wrong with it.
_Fetched = Mapping[str, HeldFile | CorruptObjectError]


def _whole(fetched: HeldFile | CorruptObjectError) -> HeldFile:
    if isinstance(fetched, CorruptObjectError):
        raise fetched
    return fetched


@contextmanager
def _named(corpus: CorpusName, shard: ShardDescriptor) -> Iterator[None]:
    """What is wrong with a file is wrong with this shard."""
    try:
        yield
    except CorruptObjectError as error:
        raise damaged_shard(corpus, shard) from error


def _log(what: str, error: Exception) -> None:
    _logger.error(what, extra={"reason": str(error), "cause": str(error.__cause__ or "")})


class _Opener:
    """Opens snapshots with the files that are open already, as long as a snapshot uses them."""

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
        catalogs: list[Catalog] = []
        for descriptor in descriptors:
            with _named(manifest.corpus, descriptor):
                catalogs.append(self._catalog(descriptor, held))
        by_id = {d.shard_id: c for d, c in zip(descriptors, catalogs, strict=True)}
        files: list[OpenFiles] = []
        damage: list[DamagedIndexError] = []
        for descriptor in chosen:
            one = known[descriptor.shard_id]
            try:
                with _named(manifest.corpus, descriptor):
                    files.append(
                        one or self._open_files(descriptor, by_id[descriptor.shard_id], held)
                    )
            except DamagedIndexError as error:
                damage.append(error)
        live = dict(zip(by_id, live_entities(catalogs), strict=True))
        previous = {s.descriptor.shard_id: s for s in before.shards} if before else {}
        shards = [
            self._view(one, live[one.descriptor.shard_id], previous.get(one.descriptor.shard_id))
            for one in files
        ]
        opened = sum(1 for one in files if known[one.descriptor.shard_id] is None)
        return Snapshot(manifest, shards, catalogs, tuple(damage)), opened

    def _fetch(
        self, descriptors: Iterable[ShardDescriptor], opening: Iterable[ShardDescriptor]
    ) -> "_Fetched":
        """All files that are needed, side by side, by their keys."""
        references: dict[str, FileReference] = {}
        for descriptor in opening:  # the largest first: the others come meanwhile
            for file in (descriptor.graph, descriptor.sidecar):
                if file is not None:
                    references[file.key] = file
        for descriptor in descriptors:
            if descriptor.shard_id not in self._catalogs:
                references[descriptor.catalog.key] = descriptor.catalog
        held = self._pool.map(self._hold, references.values())
        return dict(zip(references, held, strict=True))

    def _hold(self, file: FileReference) -> HeldFile | CorruptObjectError:
        try:
            return self._cache.hold(file)
        except CorruptObjectError as error:
            return error

    def _catalog(self, descriptor: ShardDescriptor, held: "_Fetched") -> Catalog:
        catalog = self._catalogs.get(descriptor.shard_id)
        if catalog is None:
            key = descriptor.catalog.key
            file = _whole(held[key]) if key in held else self._cache.hold(descriptor.catalog)
            catalog = read_catalog(file.path(), name=key)
            check_catalog(catalog, descriptor)
            self._catalogs[descriptor.shard_id] = catalog
        return catalog

    def _open_files(
        self, descriptor: ShardDescriptor, catalog: Catalog, held: "_Fetched"
    ) -> OpenFiles:
        graph, sidecar = descriptor.graph, descriptor.sidecar
        files = OpenFiles(
            descriptor,
            catalog,
            _whole(held[graph.key]).path if graph else None,
            _whole(held[sidecar.key]).path if sidecar else None,
        )
        self._files[descriptor.shard_id] = files
        return files

    def _view(self, files: OpenFiles, is_live: RowMask, previous: Shard | None) -> Shard:
        """The shard under the new manifest; the very same as before when nothing of it changed."""
        rows = None if is_live.all() else is_live[files.catalog.row_entities]
        if previous is None or previous.files is not files:
            return Shard(files, rows, self._tuning)
        return previous if previous.has_live(rows) else previous.under(rows)
