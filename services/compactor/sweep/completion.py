"""Switches readers to the index of another model, once it holds all that the old one should."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.compactor.live_versions import open_live_catalogs
from shared.corpora.entity_versions import EntityVersions
from shared.errors import NotFoundError
from shared.index.catalog.catalog import hash_entity_key
from shared.index.manifest.generations import is_behind, newest_generation, present_manifests
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.models.base import CorpusName
from shared.models.manifest import Manifest, ModelIdentity
from shared.platform.observability import logger
from shared.storage.object_store import ObjectStore

_ASKED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Completion:
    """Completes indexes after a full run.

    A full run that ended under a model may have embedded under another one: it may have begun
    before the model changed. So the completion compares what the run saw with what the index knows.
    """

    store: ObjectStore
    model: ModelIdentity
    versions: EntityVersions
    work_directory: Path

    def is_due(self, corpus: CorpusName) -> bool:
        """Whether readers have another index than this one, which has to be completed first."""
        return self._behind(corpus) is not None

    def complete(self, corpus: CorpusName, seen: Iterable[str]) -> str | None:
        """Have readers keep to the index from now on if it knows every entity that was `seen`.

        Returns:
            Why it is not complete; None when it is, or was before.

        Raises:
            CorruptObjectError: a catalog of it cannot be read; names the key.
        """
        found = self._behind(corpus)
        if found is None:
            return None
        index, newest = found
        missing = self._missing(corpus, index, seen)
        if missing:
            return (
                f"{missing} entities are not indexed under the model {self.model.id} yet, so the "
                "index under the former one goes on answering; run in full again"
            )
        ManifestStore(self.store, corpus, self.model).complete(newest + 1)
        logger.info("readers move to another model", extra={"corpus": corpus, "to": self.model.id})
        return None

    def _behind(self, corpus: CorpusName) -> tuple[Manifest | None, int] | None:
        """The index, if any, while it is behind, and the generation that readers keep to."""
        try:
            index = ManifestStore(self.store, corpus, self.model).read().manifest
        except NotFoundError:
            index = None
        manifests = present_manifests(self.store, corpus)
        newest = newest_generation(manifests)
        if newest is None or not is_behind(index, manifests):
            return None
        return index, newest

    def _missing(self, corpus: CorpusName, index: Manifest | None, seen: Iterable[str]) -> int:
        self.work_directory.mkdir(parents=True, exist_ok=True)
        shards = () if index is None else index.shards
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            catalogs = open_live_catalogs(shards, ShardCache(self.store, Path(folder)))
            known = {
                entity_hash.tobytes()
                for found in catalogs
                for entity_hash in found.catalog.entity_hashes
            }
        absent = sorted({key for key in seen if hash_entity_key(key) not in known})
        # One without text leaves no trace in an index that was merged long after.
        remembered = 0
        for start in range(0, len(absent), _ASKED_AT_ONCE):
            asked = absent[start : start + _ASKED_AT_ONCE]
            remembered += len(self.versions.read(corpus, self.model, asked))
        return len(absent) - remembered
