"""Takes an unusable shard out of an index, so that none of its content is lost for good."""

import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.compactor.rebuild.rebuild_index import Rebuilder, StartedRebuild
from shared.corpora.corpus_state import CorpusState
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor, keep_all_runs_out
from shared.errors import ConflictError, CorruptObjectError, NotFoundError
from shared.index.catalog.catalog import read_catalog
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.index.shard.shard_writer import ShardContent, ShardSource, write_shard
from shared.models.base import CorpusName
from shared.models.entity import NO_CONTENT, EntityVersion
from shared.models.maintenance import ShardId
from shared.models.manifest import Manifest, ModelIdentity, ShardDescriptor
from shared.platform.observability import logger
from shared.runs.run_store import RunStore
from shared.storage.keys import embeddings_prefix
from shared.storage.object_store import ObjectStore

# With a shard's name of the usual length well below what a manifest holds.
_LONGEST_CHANGE = 100


def _new_holder() -> str:
    return f"mark-bad-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class MarkedShard:
    """The index without the shard; `rebuild` is what brings its rows back.

    `entities` is how many the shard spoke for, None when even that could not be read.
    """

    manifest: Manifest
    entities: int | None
    rebuild: StartedRebuild | None


@dataclass(frozen=True, slots=True)
class ShardMarker:
    """Marks shards of the indexes of one model as bad.

    A shard of the same entities without rows replaces it, so that older versions of them, and
    deleted entities, do not become visible again; if its catalog cannot be read, nothing replaces
    it. The floor is raised over all runs first: a late job does not bring older versions back
    either. What is remembered of its entities is forgotten first: the next run that sees them
    embeds them.
    """

    store: ObjectStore
    model: ModelIdentity
    runs: RunStore
    state: CorpusState
    floor: IndexFloor
    versions: EntityVersions
    rebuilder: Rebuilder
    work_directory: Path
    lease_seconds: int = 900
    new_holder: Callable[[], str] = _new_holder

    def mark_bad(self, corpus: CorpusName, shard_id: ShardId, *, rebuild: bool) -> MarkedShard:
        """Commit a version without the shard, and begin a rebuild from the stored vectors.

        Without `rebuild` the next run, of any mode, reads all of the source again. Doing it again
        goes on where it was cut off.

        Raises:
            NotFoundError: the index has no such shard; or it is to be rebuilt, and no vectors are
                kept of the corpus. Nothing was changed.
            LeaseHeldError: a run is under way; names it.
            ConflictError: the shard was merged into another one meanwhile.
        """
        if rebuild and next(self.store.list(embeddings_prefix(corpus)), None) is None:
            raise NotFoundError(
                f"no vectors are kept of corpus {corpus} to rebuild from; mark the shard without a "
                "rebuild and run in full, which embeds its entities again"
            )
        holder = self.new_holder()
        self.state.close_abandoned_run(corpus, holder, self.runs)
        self.state.acquire_lease(corpus, holder, self.lease_seconds)
        try:
            manifest, entities = self._take_out(corpus, shard_id, is_rebuilt=rebuild)
            started = self.rebuilder.begin(corpus) if rebuild else None
        finally:
            self.state.release_lease(corpus, holder)
        logger.info(
            "marked a shard bad",
            extra={"corpus": corpus, "shard_id": shard_id, "version": manifest.version,
                   "entities": entities},
        )  # fmt: skip
        return MarkedShard(manifest, entities, started)

    def _take_out(
        self, corpus: CorpusName, shard_id: ShardId, *, is_rebuilt: bool
    ) -> tuple[Manifest, int | None]:
        manifests = ManifestStore(self.store, corpus, self.model)
        change = f"bad:{shard_id}"[:_LONGEST_CHANGE]
        present = manifests.read().manifest
        shard = next((s for s in present.shards if s.shard_id == shard_id), None)
        if shard is None:
            if any(manifest.change == change for manifest in manifests.versions()):
                return present, None
            raise NotFoundError(
                f"version {present.version} of {manifests.key} has no shard {shard_id}; "
                "`ultron index shards` lists those that it has"
            )
        # The commit that takes the shard out checks again that it is still there.
        keep_all_runs_out(self.floor, self.state, corpus)
        entities = self._entities(shard)
        self._forget(corpus, entities, is_rebuilt=is_rebuilt)
        added = [] if entities is None else [self._without_rows(corpus, shard, entities)]
        committed = manifests.replace([shard_id], added, change)
        if committed is None:
            raise ConflictError(
                f"shard {shard_id} left the index of {corpus} just now, as shards are merged; "
                "look whether the index is still damaged, and mark the shard it went into"
            )
        return committed, None if entities is None else len(entities)

    def _entities(self, shard: ShardDescriptor) -> Mapping[str, EntityVersion] | None:
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            try:
                path = ShardCache(self.store, Path(folder)).fetch(shard.catalog)
                return read_catalog(path, name=shard.catalog.key).versions()
            except CorruptObjectError as error:
                logger.warning("whose shard it was is not known", extra={"reason": str(error)})
                return None

    def _forget(
        self, corpus: CorpusName, entities: Mapping[str, EntityVersion] | None, *, is_rebuilt: bool
    ) -> None:
        if not is_rebuilt:
            self.state.forget_progress(corpus)
        if entities is not None:
            self.versions.forget(corpus, self.model, entities)
        elif (latest := self.state.latest_run(corpus)) is not None:
            self.versions.forget_until(corpus, latest.seq)

    def _without_rows(
        self, corpus: CorpusName, shard: ShardDescriptor, entities: Mapping[str, EntityVersion]
    ) -> ShardDescriptor:
        """A shard of the same origin, whose job can then not bring the bad one back."""
        emptied = {
            key: EntityVersion(version.seq, version.origin, NO_CONTENT)
            for key, version in entities.items()
        }
        return write_shard(
            self.store,
            ShardSource(corpus, self.model, shard.origin, shard.seq),
            ShardContent(emptied, []),
            np.empty((0, self.model.dims), dtype=np.float32),
        )
