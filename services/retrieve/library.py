"""The indexes of all corpora, each opened when it is first asked for."""

import threading
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.errors import DimensionMismatchError, NotFoundError
from shared.index.manifest_store import ManifestCache, ManifestStore, describe_model
from shared.index.searcher import Searcher
from shared.index.shard_cache import ShardCache
from shared.index.snapshot import Refreshed, SnapshotSource
from shared.models.manifest import ModelIdentity
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """Where shards are kept, how often manifests are read, over how many CPUs a search goes."""

    directory: Path
    recheck_seconds: float
    parallel_groups: int


class IndexLibrary:
    """Gives the searcher of a corpus; safe under threads."""

    def __init__(self, store: ObjectStore, pool: Executor, settings: LibrarySettings) -> None:
        self._store = store
        self._pool = pool
        self._settings = settings
        self._lock = threading.Lock()
        self._searchers: dict[tuple[str, ModelIdentity], Searcher] = {}

    def open(self, corpus: str, model: ModelIdentity) -> tuple[Searcher, Refreshed]:
        """Return the searcher of a corpus under a model, and the current state of its index.

        Raises:
            NotFoundError: the corpus has no index yet.
            DimensionMismatchError: it has one, but of another model.
            CorruptObjectError: the index cannot be read, and no older version of it is open.
        """
        with self._lock:
            searcher = self._searchers.get((corpus, model))
            if searcher is None:
                searcher = self._searchers[corpus, model] = self._make(corpus, model)
        try:
            return searcher, searcher.refresh()
        except NotFoundError:
            raise self._no_index(corpus, model) from None

    def _make(self, corpus: str, model: ModelIdentity) -> Searcher:
        settings = self._settings
        cache = ManifestCache(
            ManifestStore(self._store, corpus, model), recheck_seconds=settings.recheck_seconds
        )
        shards = ShardCache(self._store, settings.directory)
        source = SnapshotSource(cache, shards, self._pool)
        return Searcher(source, self._pool, parallel_groups=settings.parallel_groups)

    def _no_index(self, corpus: str, model: ModelIdentity) -> Exception:
        others = sorted(
            str(PurePosixPath(found.key).parent.relative_to(f"indexes/{corpus}"))
            for found in self._store.list(f"indexes/{corpus}/")
            if found.key.endswith("/manifest.json")
        )
        if others:
            return DimensionMismatchError(
                f"corpus {corpus} is indexed under {', '.join(others)}, and this deployment "
                f"embeds with {describe_model(model)}; ingest the corpus again"
            )
        return NotFoundError(f"corpus {corpus} has no index yet; run an ingest of it first")
