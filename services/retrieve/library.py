"""The indexes of all corpora, each opened when it is first asked for."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.errors import (
    CorruptObjectError,
    DimensionMismatchError,
    NotFoundError,
    OverloadedError,
    UltronError,
)
from shared.index.manifest.generations import (
    is_behind,
    manifest_keys,
    newest_generation,
    present_manifests,
)
from shared.index.manifest.manifest_store import ManifestCache, ManifestStore, describe_model
from shared.index.search.group_messages import GroupScope
from shared.index.search.partitions import partition_shards
from shared.index.search.remote_group import InvokesGroups, RemoteGroup
from shared.index.search.searcher import ScaleOut, Searcher
from shared.index.search.shard_cache import ShardCache
from shared.index.search.shard_group import LocalGroup, ShardGroup, Spread
from shared.index.search.snapshot import Refreshed, Snapshot, SnapshotSource
from shared.models.manifest import Manifest, ModelIdentity
from shared.platform.observability import logger
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """How indexes are kept.

    Shard files lie in `directory`, up to `cache_limit_bytes`. Manifests are read again after
    `recheck_seconds`. A search goes over `parallel_tasks` CPUs. Shards of `memory_budget_bytes`
    are open at a time; None means no limit, for either.
    """

    directory: Path
    recheck_seconds: float
    parallel_tasks: int
    cache_limit_bytes: int | None = None
    memory_budget_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Who searches the groups that do not fit here, and the threads that wait for them."""

    invoker: InvokesGroups
    pool: Executor
    seconds: float = 24.0


@dataclass(slots=True)
class _Index:
    """What is kept of a corpus under a model.

    `visited` is the version that a group was last opened of, `open_bytes` what is open now.
    """

    manifests: ManifestStore
    current: ManifestCache
    source: SnapshotSource
    searcher: Searcher
    visited: Manifest | None = None
    open_bytes: int = 0


_IndexKey = tuple[str, ModelIdentity]


class IndexLibrary:
    """Gives the searcher of a corpus; safe under threads."""

    def __init__(
        self,
        store: ObjectStore,
        pool: Executor,
        settings: LibrarySettings,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """Open indexes of `store`; without `elsewhere`, whole ones, whatever their size."""
        self._store = store
        self._pool = pool
        self._settings = settings
        self._elsewhere = elsewhere
        self._budget = settings.memory_budget_bytes if elsewhere else None
        self._cache = ShardCache(store, settings.directory, limit_bytes=settings.cache_limit_bytes)
        self._spread = Spread(pool, settings.parallel_tasks)
        self._lock = threading.Lock()
        self._indexes: OrderedDict[_IndexKey, _Index] = OrderedDict()
        self._serving: dict[_IndexKey, tuple[ModelIdentity, float]] = {}

    def serving(
        self,
        corpus: str,
        model: ModelIdentity,
        deployed: Callable[[], Iterable[ModelIdentity]],
    ) -> ModelIdentity:
        """Return under which model a corpus is answered: `model`, its own, if that index is ready.

        While it is built, or has to catch up after the corpus came back to it, a newer complete
        index under another of the `deployed` models is answered from.

        Raises:
            CorruptObjectError, DimensionMismatchError: as `open`, of the index under `model`.
            DimensionMismatchError: it is being built, and the complete one's model is not deployed.
        """
        now = time.monotonic()
        chosen, chosen_at = self._serving.get((corpus, model), (None, 0.0))
        if chosen is None or now - chosen_at >= self._settings.recheck_seconds:
            chosen = self._choose(corpus, model, deployed())
            self._serving[corpus, model] = chosen, now
        return chosen

    def _choose(
        self, corpus: str, model: ModelIdentity, deployed: Iterable[ModelIdentity]
    ) -> ModelIdentity:
        own = self._manifest(corpus, model)
        others = [self._other_manifest(corpus, one) for one in deployed if one != model]
        known = [manifest for manifest in others if manifest is not None]
        if is_behind(own, known):
            newest = newest_generation(known)
            return next(found.model for found in known if found.generation == newest)
        if own is not None and own.generation is None:
            self._refuse_unfinished(own)
        return model

    def _refuse_unfinished(self, own: Manifest) -> None:
        complete = [
            found
            for found in present_manifests(self._store, own.corpus)
            if found.generation is not None
        ]
        if complete:
            raise DimensionMismatchError(
                f"the index of corpus {own.corpus} under {describe_model(own.model)} is not "
                f"complete, and {describe_model(complete[0].model)}, under which there is one, is "
                "not deployed; end a full run, or deploy that model beside it until then"
            )

    def _manifest(self, corpus: str, model: ModelIdentity) -> Manifest | None:
        try:
            return self._index(corpus, model).current.current()
        except NotFoundError:
            return None

    def _other_manifest(self, corpus: str, model: ModelIdentity) -> Manifest | None:
        try:
            return self._manifest(corpus, model)
        except (CorruptObjectError, DimensionMismatchError) as error:
            logger.warning("the index of another model is left out", extra={"reason": str(error)})
            return None

    def open(self, corpus: str, model: ModelIdentity) -> tuple[Searcher, Refreshed]:
        """Return the searcher of a corpus under a model, and the current state of its index.

        Raises:
            NotFoundError: the corpus has no index yet.
            DimensionMismatchError: it has one, but of another model.
            CorruptObjectError: the index cannot be read, and no older version of it is open.
            OverloadedError: its shards do not fit on this machine.
        """
        index = self._index(corpus, model)
        try:
            refreshed = index.searcher.refresh()
        except NotFoundError:
            raise self._no_index(corpus, model) from None
        except (CorruptObjectError, OverloadedError) as error:
            refreshed = self._without_own_shards(index, error)
        self._account(index, refreshed.snapshot)
        return index.searcher, refreshed

    def open_group(self, scope: GroupScope) -> LocalGroup:
        """Open some shards of exactly one version of an index, as another function asks to.

        Raises:
            NotFoundError: there is no such version, or no longer.
            CorruptObjectError: it cannot be read, or holds other shards.
        """
        index = self._index(scope.corpus, scope.model)
        manifest = index.visited
        if manifest is None or manifest.version != scope.version:
            manifest = index.visited = index.manifests.read_version(scope.version)
        missing = set(scope.shard_ids) - {shard.shard_id for shard in manifest.shards}
        if missing:
            raise CorruptObjectError(
                f"version {scope.version} of {index.manifests.key} has no shard {min(missing)}"
            )
        snapshot = index.source.open_version(manifest, scope.shard_ids)
        self._account(index, snapshot)
        return LocalGroup(snapshot.shards, self._spread)

    def _without_own_shards(self, index: _Index, error: UltronError) -> Refreshed:
        """What is searched when the own part cannot be opened: other functions' parts, if any."""
        manifest = index.current.current()
        if len(partition_shards(manifest.shards, self._budget)) == 1:
            raise error
        logger.error("the own part of an index is left out", extra={"reason": str(error)})
        return Refreshed(Snapshot(manifest, (), ()), 0, 0.0)

    def _account(self, index: _Index, snapshot: Snapshot) -> None:
        """Close the least recently used indexes until the budget is kept."""
        index.open_bytes = sum(shard.descriptor.size_bytes for shard in snapshot.shards)
        with self._lock:
            total = sum(one.open_bytes for one in self._indexes.values())
            for key, one in list(self._indexes.items()):
                if self._budget is None or total <= self._budget:
                    return
                if one is not index:
                    total -= one.open_bytes
                    del self._indexes[key]

    def _index(self, corpus: str, model: ModelIdentity) -> _Index:
        with self._lock:
            index = self._indexes.get((corpus, model))
            if index is None:
                index = self._indexes[corpus, model] = self._make(corpus, model)
            self._indexes.move_to_end((corpus, model))
            return index

    def _make(self, corpus: str, model: ModelIdentity) -> _Index:
        settings = self._settings
        manifests = ManifestStore(self._store, corpus, model)
        cache = ManifestCache(manifests, recheck_seconds=settings.recheck_seconds)
        source = SnapshotSource(cache, self._cache, self._pool, select=self._own_shards)
        searcher = Searcher(
            source,
            self._pool,
            parallel_tasks=settings.parallel_tasks,
            scale_out=self._scale_out(),
        )
        return _Index(manifests, cache, source, searcher)

    def _own_shards(self, manifest: Manifest) -> list[str]:
        return [shard.shard_id for shard in partition_shards(manifest.shards, self._budget)[0]]

    def _scale_out(self) -> ScaleOut | None:
        elsewhere = self._elsewhere
        if elsewhere is None:
            return None

        def groups(manifest: Manifest) -> Sequence[ShardGroup]:
            return [
                RemoteGroup(
                    GroupScope(
                        corpus=manifest.corpus,
                        model=manifest.model,
                        version=manifest.version,
                        shard_ids=tuple(shard.shard_id for shard in group),
                    ),
                    elsewhere.invoker,
                )
                for group in partition_shards(manifest.shards, self._budget)[1:]
            ]

        return ScaleOut(groups, elsewhere.pool, elsewhere.seconds)

    def _no_index(self, corpus: str, model: ModelIdentity) -> Exception:
        others = sorted(
            str(PurePosixPath(key).parent.relative_to(f"indexes/{corpus}"))
            for key in manifest_keys(self._store, corpus)
        )
        if others:
            return DimensionMismatchError(
                f"corpus {corpus} is indexed under {', '.join(others)}, and is to be embedded "
                f"with {describe_model(model)}; ingest it in full again, and to be answered "
                "meanwhile, deploy the former model beside that one"
            )
        return NotFoundError(f"corpus {corpus} has no index yet; run an ingest of it first")
