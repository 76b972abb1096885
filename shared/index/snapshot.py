"""The open shards of one manifest version, and how they follow the manifest."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from shared.errors import CorruptObjectError
from shared.index.liveness import superseded_entities
from shared.index.manifest_store import ManifestCache
from shared.index.shard_cache import ShardCache
from shared.index.shard_reader import SearchTuning, Shard
from shared.models.manifest import Manifest, ShardDescriptor
from shared.observability import logger


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one search sees: a manifest and all of its shards, in its order."""

    manifest: Manifest
    shards: Sequence[Shard]


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
    ) -> None:
        self._manifests = manifests
        self._cache = cache
        self._pool = pool
        self._tuning = tuning or SearchTuning()
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Snapshot | None = None
        self._refused: tuple[Manifest, float] | None = None

    def refresh(self) -> Refreshed:
        """Return the snapshot of the current manifest, opening the shards that are new.

        Raises:
            NotFoundError: nothing was committed yet.
            CorruptObjectError: the first snapshot cannot be read; names the key.
            DimensionMismatchError: the manifest is of another model.
        """
        with self._lock:
            started = self._clock()
            manifest = self._manifests.current()
            held = self._held
            if held is not None and (held.manifest is manifest or self._is_refused(manifest)):
                return Refreshed(held, 0, 0.0)
            try:
                snapshot, opened = self._open(manifest)
            except CorruptObjectError as error:
                if held is None:
                    raise
                self._refused = (manifest, self._clock())
                logger.error("the last good index goes on serving", extra={"reason": str(error)})
                return Refreshed(held, 0, (self._clock() - started) * 1000.0)
            self._held = snapshot
            return Refreshed(snapshot, opened, (self._clock() - started) * 1000.0)

    def _is_refused(self, manifest: Manifest) -> bool:
        if self._refused is None or self._refused[0] is not manifest:
            return False
        return self._clock() - self._refused[1] < self._retry_seconds

    def _open(self, manifest: Manifest) -> tuple[Snapshot, int]:
        held = self._held.shards if self._held else ()
        open_shards = {shard.descriptor.shard_id: shard for shard in held}
        missing = [d for d in manifest.shards if d.shard_id not in open_shards]
        for shard in self._pool.map(self._open_one, missing):
            open_shards[shard.descriptor.shard_id] = shard
        shards = [open_shards[descriptor.shard_id] for descriptor in manifest.shards]
        superseded = superseded_entities([shard.entities for shard in shards])
        # Only now, when nothing can fail any more, are shards changed that may be serving.
        for shard, entities in zip(shards, superseded, strict=True):
            shard.set_superseded(entities)
        return Snapshot(manifest, shards), len(missing)

    def _open_one(self, descriptor: ShardDescriptor) -> Shard:
        graph = self._cache.fetch(descriptor.graph) if descriptor.graph else None
        sidecar = self._cache.fetch(descriptor.sidecar)
        return Shard(descriptor, graph, sidecar, self._tuning)
