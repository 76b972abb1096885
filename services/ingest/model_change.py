"""Detects that a corpus is to be embedded with another model than before."""

from dataclasses import dataclass

from shared.embedding.model_files import model_prefix
from shared.embedding.model_prefixes import ModelPrefixes
from shared.index.manifest.generations import is_behind, present_manifests
from shared.models.corpus import Corpus
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class ModelChange:
    """Compares the model of a corpus with the indexes that there are of it."""

    store: ObjectStore
    models: ModelPrefixes

    def needs_full_run(self, corpus: Corpus) -> bool:
        """Whether only a full run can complete the index under the model of a corpus.

        That is so while readers have an index under another model, which is newer or the only one.

        Raises:
            SettingsError: the corpus names a model that is not deployed.
        """
        prefix = self.models.of(corpus)
        manifests = present_manifests(self.store, corpus.name)
        own = next((found for found in manifests if model_prefix(found.model) == prefix), None)
        return is_behind(own, manifests)
