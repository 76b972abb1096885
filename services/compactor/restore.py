"""Restores an older version of an index, so that the next run updates only what differs."""

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.compactor.live_versions import (
    differing_entities,
    live_versions,
    open_live_catalogs,
)
from shared.corpora.corpus_state import CorpusState
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor, keep_all_runs_out
from shared.errors import (
    ConflictError,
    CorruptObjectError,
    DimensionMismatchError,
    NotFoundError,
)
from shared.index.catalog.catalog import read_catalog
from shared.index.manifest.manifest_store import CommittedManifest, ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.models.base import CorpusName
from shared.models.entity import EntityVersion
from shared.models.manifest import Manifest, ModelIdentity
from shared.platform.observability import logger
from shared.runs.run_store import RunStore
from shared.storage.keys import shards_prefix
from shared.storage.object_store import ObjectStore

# Only merges may come in between: the lease keeps runs away, and the floor their late jobs.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Held:
    """The versions that an index holds, and the entities of which that is unknown."""

    versions: Mapping[str, EntityVersion]
    unknown: frozenset[str]


def _new_holder() -> str:
    return f"restore-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Restorer:
    """Restores versions of indexes.

    A restore raises the floor over all runs before it reads the present version, and the older one
    replaces exactly that version: no commit comes in between unseen. The restore first forgets what
    differs and last remembers the restored versions: wherever it is interrupted, some entities are
    embedded once more, and none counts as indexed that is not.
    """

    store: ObjectStore
    model: ModelIdentity
    runs: RunStore
    state: CorpusState
    floor: IndexFloor
    versions: EntityVersions
    work_directory: Path
    lease_seconds: int = 900
    new_holder: Callable[[], str] = _new_holder

    def restore(self, corpus: CorpusName, version: int) -> Manifest:
        """Make a new version with what an older one held; the next run reads the source again.

        Raises:
            NotFoundError: there is no such version, or no longer.
            LeaseHeldError: a run is under way; names it.
            CorruptObjectError: that version, or a catalog of it or of the present one, cannot be
                read; names the key. Nothing was changed.
        """
        manifests = ManifestStore(self.store, corpus, self.model)
        manifests.read_version(version)  # most mistakes are found before anything is held
        holder = self.new_holder()
        self.state.close_abandoned_run(corpus, holder, self.runs)
        self.state.acquire_lease(corpus, holder, self.lease_seconds)
        try:
            return self._restore(manifests, corpus, version)
        finally:
            self.state.release_lease(corpus, holder)

    def _restore(self, manifests: ManifestStore, corpus: CorpusName, version: int) -> Manifest:
        target = manifests.read_version(version)
        keep_all_runs_out(self.floor, self.state, corpus)
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            cache = ShardCache(self.store, Path(folder))
            restored = live_versions(open_live_catalogs(target.shards, cache))
            for _ in range(_ATTEMPTS):
                over = _present(manifests)
                held = self._held_by(over, manifests, corpus, cache)
                changed = differing_entities(held.versions, restored) | held.unknown
                self.versions.forget(corpus, self.model, changed)
                self.state.forget_progress(corpus)
                manifest = manifests.restore(version, over=over)
                if manifest is not None:
                    break
            else:
                raise ConflictError(
                    f"{manifests.key} was changed in each of {_ATTEMPTS} attempts to restore "
                    f"version {version}; nothing was restored, try again"
                )
        known = {key: restored[key] for key in changed if key in restored}
        self.versions.begin(corpus, self.model, known)
        logger.info(
            "restored an index",
            extra={"corpus": corpus, "restored": version, "version": manifest.version,
                   "entities_changed": len(changed)},
        )  # fmt: skip
        return manifest

    def _held_by(
        self,
        present: CommittedManifest | None,
        manifests: ManifestStore,
        corpus: CorpusName,
        cache: ShardCache,
    ) -> _Held:
        """What the present index holds, and the entities of which that cannot be told."""
        if present is not None:
            shards = present.manifest.shards
            return _Held(live_versions(open_live_catalogs(shards, cache)), frozenset())
        # Its last commits are known from the files alone that no readable version names.
        newest = next(manifests.versions(), None)
        unknown: set[str] = set()
        for key in self._stray_catalogs(newest, corpus):
            try:
                unknown.update(self._entity_keys(key))
            except (NotFoundError, CorruptObjectError) as error:
                logger.warning("passed over a damaged shard", extra={"reason": str(error)})
        shards = newest.shards if newest is not None else ()
        return _Held(live_versions(open_live_catalogs(shards, cache)), frozenset(unknown))

    def _entity_keys(self, catalog_key: str) -> Sequence[str]:
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            path = Path(folder) / "catalog"
            self.store.download(catalog_key, path)
            return read_catalog(path, name=catalog_key).entity_keys

    def _stray_catalogs(self, manifest: Manifest | None, corpus: CorpusName) -> Iterator[str]:
        named = {shard.catalog.key for shard in manifest.shards} if manifest else set()
        for found in self.store.list(shards_prefix(corpus, self.model)):
            if PurePosixPath(found.key).suffix == ".npz" and found.key not in named:
                yield found.key


def _present(manifests: ManifestStore) -> CommittedManifest | None:
    """The present manifest, None when it is damaged or missing."""
    try:
        return manifests.read()
    except (NotFoundError, CorruptObjectError, DimensionMismatchError):
        return None
