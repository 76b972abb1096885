"""Bringing an older version of an index back, so that the next run mends only what differs."""

import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.compactor.live_versions import (
    differing_entities,
    live_versions,
    open_live_catalogs,
)
from shared.errors import CorruptObjectError, DimensionMismatchError, NotFoundError
from shared.index.catalog import read_catalog
from shared.index.manifest_store import ManifestStore
from shared.index.shard_cache import ShardCache
from shared.models.base import CorpusName
from shared.models.entity_version import EntityVersion
from shared.models.manifest import Manifest, ModelIdentity
from shared.observability import logger
from shared.state.corpus_state import CorpusState
from shared.state.entity_versions import EntityVersions
from shared.state.runs import RunStore
from shared.storage.keys import shards_prefix
from shared.storage.object_store import ObjectStore


def _new_holder() -> str:
    return f"restore-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Restorer:
    """Restores versions of indexes.

    What differs is forgotten first and remembered in its restored version last: cut off anywhere,
    a restore leaves entities that are embedded once more, and none that passes for indexed.
    """

    store: ObjectStore
    model: ModelIdentity
    runs: RunStore
    state: CorpusState
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
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            cache = ShardCache(self.store, Path(folder))
            restored = live_versions(open_live_catalogs(target.shards, cache))
            present, unknown = self._present_versions(manifests, corpus, cache, Path(folder))
        changed = differing_entities(present, restored) | unknown
        self.versions.forget(corpus, self.model, changed)
        self.state.forget_progress(corpus)
        manifest = manifests.restore(version)
        known = {key: restored[key] for key in changed if key in restored}
        self.versions.begin(corpus, self.model, known)
        logger.info(
            "restored an index",
            extra={"corpus": corpus, "restored": version, "version": manifest.version,
                   "entities_changed": len(changed)},
        )  # fmt: skip
        return manifest

    def _present_versions(
        self, manifests: ManifestStore, corpus: CorpusName, cache: ShardCache, folder: Path
    ) -> tuple[dict[str, EntityVersion], set[str]]:
        """What the index holds now, and the entities of which that cannot be told."""
        try:
            manifest: Manifest | None = manifests.read().manifest
            strays: Sequence[str] = ()
        except (NotFoundError, CorruptObjectError, DimensionMismatchError):
            # Its last commits are known from the files alone that no readable version names.
            manifest = next(manifests.versions(), None)
            strays = list(self._stray_catalogs(manifest, corpus))
        shards = manifest.shards if manifest is not None else ()
        unknown: set[str] = set()
        for number, key in enumerate(strays):
            path = folder / f"stray-{number}"
            try:
                self.store.download(key, path)
                unknown.update(read_catalog(path, name=key).entity_keys)
            except (NotFoundError, CorruptObjectError) as error:
                logger.warning("passed over a damaged shard", extra={"reason": str(error)})
            finally:
                path.unlink(missing_ok=True)
        return live_versions(open_live_catalogs(shards, cache)), unknown

    def _stray_catalogs(self, manifest: Manifest | None, corpus: CorpusName) -> Iterator[str]:
        named = {shard.catalog.key for shard in manifest.shards} if manifest else set()
        for found in self.store.list(shards_prefix(corpus, self.model)):
            if PurePosixPath(found.key).suffix == ".npz" and found.key not in named:
                yield found.key
