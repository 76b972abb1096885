"""Asking for merges: once for each shard, and again when the hour is over."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from shared.corpora.compaction_claims import CompactionClaims
from shared.index.maintenance.compaction_plan import CompactionPolicy
from shared.messaging.compaction_requests import CompactionRequests
from shared.messaging.publisher import JobPublisher
from shared.models.base import Contract
from shared.models.maintenance import CompactJob
from shared.models.manifest import FileReference, Manifest, ModelIdentity, ShardDescriptor

MODEL = ModelIdentity(id="random", revision="1", dims=4)
POLICY = CompactionPolicy(fan_in=2, minimum_bytes=1000, maximum_bytes=2000)


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


def shard(number: int, size: int) -> ShardDescriptor:
    return ShardDescriptor(
        shard_id=f"{number:016x}",
        origin=f"origin/{number}",
        seq=1,
        model=MODEL,
        vectors=1,
        entities=1,
        catalog=FileReference(key=f"{number}.npz", size_bytes=size, sha256="0" * 64),
        graph=None,
        sidecar=None,
    )


def manifest(shards: Sequence[ShardDescriptor]) -> Manifest:
    return Manifest(
        corpus="tests",
        model=MODEL,
        version=1,
        committed_at=datetime(2026, 11, 23, tzinfo=UTC),
        shards=tuple(shards),
    )


def requests(publisher: Publisher, claims: Claims) -> CompactionRequests:
    return CompactionRequests(cast(JobPublisher, publisher), cast(CompactionClaims, claims), POLICY)


def test_planned_merges_are_published_once() -> None:
    publisher, claims = Publisher(), Claims()
    asked = requests(publisher, claims)
    present = manifest([shard(number, 900) for number in range(4)])
    assert asked.request_merges(present) == 2
    assert publisher.sent == [
        CompactJob(corpus="tests", model=MODEL, shard_ids=(f"{a:016x}", f"{a + 1:016x}"))
        for a in (0, 2)
    ]
    assert asked.request_merges(present) == 0
    assert len(publisher.sent) == 2


def test_a_group_that_overlaps_one_asked_for_waits() -> None:
    publisher, claims = Publisher(), Claims({f"{1:016x}"})
    present = manifest([shard(number, 900) for number in range(4)])
    assert requests(publisher, claims).request_merges(present) == 1
    assert [job.shard_ids[0] for job in publisher.sent if isinstance(job, CompactJob)] == [
        f"{2:016x}"
    ]


def test_an_index_of_large_shards_asks_for_nothing() -> None:
    publisher = Publisher()
    assert requests(publisher, Claims()).request_merges(manifest([shard(1, 1000)])) == 0
    assert publisher.sent == []
