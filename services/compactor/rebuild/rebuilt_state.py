"""What an index shows before a rebuild and after it, and what the rebuild must not bring back.

The stored parts remember more than the index: a restore and a bad shard take entities out of the
index, and a full run that does not see one of them afterwards finds nothing there to delete. So a
rebuild deletes again what the last sweep would have deleted if it had been there.
"""

import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.compactor.live_versions import (
    LiveCatalog,
    differing_entities,
    live_versions,
    open_live_catalogs,
)
from services.compactor.sweep.seen_entities import seen_keys
from shared.corpora.corpus_state import PlannedRun
from shared.errors import CorruptObjectError, NotFoundError
from shared.index.catalog.catalog import hash_entity_key
from shared.index.search.shard_cache import ShardCache
from shared.index.shard.shard_writer import ShardContent, ShardSource, write_shard
from shared.models.entity import NO_CONTENT, EntityVersion
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.platform.observability import logger
from shared.runs.run_reader import RunReader
from shared.storage.object_store import ObjectStore

Versions = Mapping[str, EntityVersion]


@dataclass(frozen=True, slots=True)
class RebuiltState:
    """The versions of entities before a rebuild, none where they are not known, and its effect.

    `changed` are the entities of which the index holds another version afterwards. `deleted` are
    those that `swept`, the last run whose sweep was done, did not see.
    """

    before: Versions
    changed: Set[str]
    deleted: Versions
    swept: PlannedRun | None

    @property
    def is_relied_upon(self) -> bool:
        """Whether a run may have found unchanged what the rebuild changes."""
        return any(self.before[key].has_content for key in self.changed & self.before.keys())

    def write_deletions(
        self, store: ObjectStore, corpus: str, model: ModelIdentity, origin: str
    ) -> list[ShardDescriptor]:
        """Write the shard of what is deleted; none where nothing is."""
        if self.swept is None or not self.deleted:
            return []
        entities = {
            key: EntityVersion(found.seq, origin, found.checksum)
            for key, found in self.deleted.items()
        }
        source = ShardSource(corpus, model, origin, self.swept.seq)
        rows = np.empty((0, model.dims), dtype=np.float32)
        return [write_shard(store, source, ShardContent(entities, []), rows)]


@dataclass(frozen=True, slots=True)
class StateReader:
    """Reads the states of one index; files lie in `work_directory` meanwhile."""

    store: ObjectStore
    runs: RunReader
    work_directory: Path

    def read(
        self,
        present: Sequence[ShardDescriptor],
        rebuilt: Sequence[ShardDescriptor],
        swept: PlannedRun | None,
    ) -> RebuiltState:
        """Return both states, by the shards that are there before and after.

        Raises:
            CorruptObjectError: a rebuilt shard, or the entities of a page, cannot be read.
            NotFoundError: the entities of a page of the swept run are gone.
        """
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            cache = ShardCache(self.store, Path(folder))
            catalogs = open_live_catalogs(rebuilt, cache)
            before = self._before(present, cache)
        deleted = self._deleted(catalogs, before, swept)
        changed = differing_entities(before, live_versions(catalogs) | deleted)
        return RebuiltState(before, changed, deleted, swept)

    def _before(self, present: Sequence[ShardDescriptor], cache: ShardCache) -> Versions:
        try:
            return live_versions(open_live_catalogs(present, cache))
        except CorruptObjectError as error:
            logger.warning("what the index held is not known", extra={"reason": str(error)})
            return {}  # so that all that was built differs

    def _deleted(
        self, catalogs: Sequence[LiveCatalog], before: Versions, swept: PlannedRun | None
    ) -> dict[str, EntityVersion]:
        """Return the deletions of what a rebuild shows and the swept run did not see."""
        if swept is None:
            return {}
        shown = {
            found.catalog.entity_key(int(number))
            for found in catalogs
            for number in np.flatnonzero(
                found.with_content & (found.catalog.entity_seqs < swept.seq)
            )
        }
        brought_back = {key for key in shown if key not in before or not before[key].has_content}
        if not brought_back:
            return {}
        try:
            seen = {hash_entity_key(key) for key in seen_keys(self.store, self.runs, swept.run_id)}
        except NotFoundError as error:
            raise NotFoundError(
                f"what run {swept.run_id} saw in the source is gone, so that it is not known which "
                f"entities were deleted: {error}; run in full, and begin the rebuild again"
            ) from error
        return {
            key: EntityVersion(swept.seq, "", NO_CONTENT)
            for key in brought_back
            if hash_entity_key(key) not in seen
        }
