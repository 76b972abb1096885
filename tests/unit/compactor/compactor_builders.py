"""A small index for the compactor's tests, and stand-ins for its queue and its claims."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np

from services.compactor.compact import Compactor
from services.compactor.live_versions import live_versions, open_live_catalogs
from shared.corpora.compaction_claims import CompactionClaims
from shared.index.maintenance.compaction_plan import CompactionPolicy
from shared.index.maintenance.garbage import GarbagePolicy
from shared.index.manifest.manifest_store import CommitRetry, ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.messaging.compaction_requests import CompactionRequests
from shared.messaging.publisher import JobPublisher
from shared.models.base import Contract
from shared.models.maintenance import CompactJob
from shared.models.manifest import Manifest, ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import CORPUS, MODEL, build_shard, chunk, unit_vectors
from tests.unit.index.manifest_builders import no_floor
from tests.unit.table.given_time import GivenTime

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SEQ = int(NOW.timestamp() * 1000)
NO_WAIT = CommitRetry(attempts=50, sleep=lambda _: None)


@dataclass
class Publisher:
    sent: list[Contract] = field(default_factory=list)

    def publish(self, jobs: Iterable[Contract]) -> None:
        self.sent.extend(jobs)


@dataclass
class Claims:
    taken: set[str] = field(default_factory=set)

    def claim(self, corpus: str, shard_ids: Sequence[str]) -> bool:
        if self.taken.intersection(shard_ids):
            return False
        self.taken.update(shard_ids)
        return True


@dataclass
class Index:
    """An index in memory; `asked` collects the manifests that merges were planned for."""

    directory: Path
    store: MemoryObjectStore = field(default_factory=lambda: MemoryObjectStore(lambda: NOW))
    publisher: Publisher = field(default_factory=Publisher)
    claims: Claims = field(default_factory=Claims)
    asked: list[Manifest] = field(default_factory=list)

    def shard(
        self, entities: Mapping[str, int], seq: int = SEQ, origin: str = ""
    ) -> ShardDescriptor:
        """Build and upload a shard, with that many chunks of each entity."""
        chunks = [
            chunk(key, n + 1, f"text {n} of {key} at {seq}")
            for key, count in entities.items()
            for n in range(count)
        ]
        vectors = unit_vectors(len(chunks), seq % 1000)
        origin = origin or f"run/{'-'.join(entities)}/{seq}"
        return build_shard(
            self.store, chunks, vectors, origin=origin, seq=seq, covered=list(entities)
        )

    def add(self, entities: Mapping[str, int], seq: int = SEQ, origin: str = "") -> ShardDescriptor:
        """Build a shard and commit it."""
        shard = self.shard(entities, seq, origin)
        self.manifests.commit([shard], floor=no_floor)
        return shard

    @property
    def manifests(self) -> ManifestStore:
        return ManifestStore(self.store, CORPUS, MODEL, NO_WAIT, lambda: NOW)

    @property
    def manifest(self) -> Manifest:
        return self.manifests.read().manifest

    @property
    def ids(self) -> list[str]:
        return [shard.shard_id for shard in self.manifest.shards]

    def live(self) -> dict[str, int]:
        """The sequence number of each entity that a reader finds rows of."""
        cache = ShardCache(self.store, self.directory / "reader")
        catalogs = open_live_catalogs(self.manifest.shards, cache)
        with_rows = {
            found.catalog.entity_key(int(number))
            for found in catalogs
            for number in np.flatnonzero(found.with_content)
        }
        return {
            key: version.seq for key, version in live_versions(catalogs).items() if key in with_rows
        }

    def requests(self, policy: CompactionPolicy) -> CompactionRequests:
        return CompactionRequests(
            cast(JobPublisher, self.publisher), cast(CompactionClaims, self.claims), policy
        )

    def note_request(self, manifest: Manifest) -> int:
        self.asked.append(manifest)
        return 0

    def compactor(self, now: datetime = NOW) -> Compactor:
        folder = self.directory / "work"
        return Compactor(
            self.store,
            folder,
            self.note_request,
            GivenTime(lambda: now),
            GarbagePolicy().notes_kept,
            retry=NO_WAIT,
        )


def job_of(*shards: ShardDescriptor) -> CompactJob:
    return CompactJob(
        corpus=CORPUS, model=MODEL, shard_ids=tuple(shard.shard_id for shard in shards)
    )
