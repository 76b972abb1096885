"""Which entities of a part have to be embedded, and which are indexed already as they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.corpora.entity_versions import EntityVersions
from shared.models.base import CorpusName
from shared.models.entity import EntityVersion
from shared.models.manifest import ModelIdentity
from shared.runs.run_store import RunStore


@dataclass(frozen=True, slots=True)
class BegunEntities:
    """The entities of a part that are to be indexed, and those that a newer job has begun.

    Of the latter it is not known whether the newer job's version is ever indexed.
    """

    begun: frozenset[str]
    superseded: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnchangedEntities:
    """Compares the entities of a part with what was indexed of them."""

    versions: EntityVersions
    runs: RunStore

    def begin_changed(
        self, corpus: CorpusName, model: ModelIdentity, found: Mapping[str, EntityVersion]
    ) -> BegunEntities:
        """Return the entities to index, having noted that their versions are begun.

        `found` are the versions of one job. An entity is left out when the index holds an equal
        one, committed by another job, or when a job newer than this one has seen it. What this
        job itself began earlier is begun again: its worker may have died before the shard was
        published.
        """
        begun: set[str] = set()
        superseded: set[str] = set()
        undecided = dict(found)
        relied_upon: dict[str, EntityVersion] = {}
        while undecided:
            present = self.versions.read(corpus, model, undecided)
            # Refused though unchanged: a newer job has seen the entity, and the newer job counts.
            for key, version in relied_upon.items():
                if present.get(key) == version:
                    del undecided[key]
            indexed = self._indexed_already(undecided, present)
            changed = {key: v for key, v in undecided.items() if key not in indexed}
            newer = self.versions.begin(corpus, model, changed)
            begun |= changed.keys() - newer
            superseded |= newer
            refused = self._confirm(corpus, model, indexed, found)
            relied_upon = {key: indexed[key] for key in refused}
            undecided = {key: found[key] for key in refused}
        return BegunEntities(frozenset(begun), frozenset(superseded))

    def _indexed_already(
        self, found: Mapping[str, EntityVersion], present: Mapping[str, EntityVersion]
    ) -> dict[str, EntityVersion]:
        equal = {
            key: present[key]
            for key, version in found.items()
            if key in present
            and present[key].checksum == version.checksum
            and present[key].origin != version.origin
        }
        committed = self.runs.ledger.indexed_origins({version.origin for version in equal.values()})
        return {key: version for key, version in equal.items() if version.origin in committed}

    def _confirm(
        self,
        corpus: CorpusName,
        model: ModelIdentity,
        indexed: Mapping[str, EntityVersion],
        found: Mapping[str, EntityVersion],
    ) -> set[str]:
        if not indexed:
            return set()
        seen_by = found[next(iter(indexed))].order
        return self.versions.confirm(corpus, model, indexed, seen_by)
