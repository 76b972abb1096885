"""Committing batches: which jobs fail alone, and what is asked of the compactor afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from services.indexer.group_commit import GroupCommitter
from shared.errors import CorruptObjectError, InvalidJobError
from shared.index.manifest_store import ManifestStore
from shared.index.origin import shard_name, shard_origin
from shared.models.jobs import IndexJob
from shared.models.manifest import FileReference, Manifest, ModelIdentity, ShardDescriptor
from shared.state.index_floor import IndexFloor
from shared.state.runs import RunStore
from shared.storage.keys import shard_key
from shared.storage.memory import MemoryObjectStore

MODEL = ModelIdentity(id="random", revision="1", dims=4)
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SUFFIXES = ("npz", "hnsw", "sqlite")


@dataclass
class Runs:
    recorded: list[int] = field(default_factory=list)
    outdated: list[int] = field(default_factory=list)
    refuses: set[int] = field(default_factory=set)

    def record_stage(self, job: IndexJob, *_: Any, part: int, **__: Any) -> bool:
        if part in self.refuses:
            raise ConnectionError("the table is away")
        self.recorded.append(part)
        return True

    def record_outdated_part(self, job: IndexJob, *, part: int, parts: int) -> bool:
        self.outdated.append(part)
        return True


@dataclass
class Floor:
    """Answers with the next of these floors, and with the last one for ever."""

    seqs: list[int] = field(default_factory=lambda: [0])

    def read(self, corpus: str) -> int:
        return self.seqs.pop(0) if len(self.seqs) > 1 else self.seqs[0]


@dataclass
class Requests:
    manifests: list[Manifest] = field(default_factory=list)
    error: Exception | None = None

    def __call__(self, manifest: Manifest) -> int:
        if self.error:
            raise self.error
        self.manifests.append(manifest)
        return 0


@dataclass
class World:
    store: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    runs: Runs = field(default_factory=Runs)
    requests: Requests = field(default_factory=Requests)
    floor: Floor = field(default_factory=Floor)

    @property
    def committer(self) -> GroupCommitter:
        return GroupCommitter(
            store=self.store,
            runs=cast(RunStore, self.runs),
            floor=cast(IndexFloor, self.floor),
            request_merges=self.requests,
            now=lambda: NOW,
        )

    def committed(self, corpus: str = "tests") -> list[str]:
        manifest = ManifestStore(self.store, corpus, MODEL).read().manifest
        return [shard.origin for shard in manifest.shards]


@pytest.fixture
def world() -> Iterator[World]:
    yield World()


def job(part: int, *, corpus: str = "tests", age: timedelta = timedelta()) -> IndexJob:
    identity: dict[str, Any] = {
        "corpus": corpus,
        "run_id": "20261101T060000Z-1a2b3c4d",
        "page_id": "comics-0",
        "seq": int((NOW - age).timestamp() * 1000),
        "part": part,
        "parts": 9,
    }
    origin = f"{identity['run_id']}/{identity['page_id']}/{part}"
    shard_id = shard_name(origin, b"content")
    catalog, graph, sidecar = (
        FileReference(key=shard_key(corpus, MODEL, shard_id, suffix), size_bytes=9, sha256="0" * 64)
        for suffix in SUFFIXES
    )
    shard = ShardDescriptor(
        shard_id=shard_id,
        origin=origin,
        seq=identity["seq"],
        model=MODEL,
        vectors=1,
        entities=1,
        catalog=catalog,
        graph=graph,
        sidecar=sidecar,
    )
    return IndexJob(**identity, shard=shard)


def elsewhere(found: IndexJob, file: str) -> IndexJob:
    shard = found.shard
    reference = getattr(shard, file).model_copy(update={"key": "indexes/other/x.npz"})
    return found.model_copy(update={"shard": shard.model_copy(update={file: reference})})


def test_a_batch_is_one_version_of_each_index(world: World) -> None:
    assert world.committer.commit_batch([job(0), job(1), job(0, corpus="others")]) == {}
    assert world.committed() == [shard_origin(job(0)), shard_origin(job(1))]
    assert world.committed("others") == [shard_origin(job(0))]
    assert [manifest.version for manifest in world.requests.manifests] == [1, 1]


@pytest.mark.parametrize("file", ["catalog", "graph", "sidecar"])
def test_a_job_with_a_file_outside_of_its_index_fails_alone(world: World, file: str) -> None:
    errors = world.committer.commit_batch([elsewhere(job(0), file), job(1)])
    assert list(errors) == [0]
    assert isinstance(errors[0], InvalidJobError)
    assert "indexes/other/x.npz" in str(errors[0])
    assert world.committed() == [shard_origin(job(1))]


def test_a_job_of_today_is_not_asked_for_its_files(world: World) -> None:
    assert world.committer.commit_batch([job(0, age=timedelta(days=1))]) == {}


@pytest.mark.parametrize("missing", SUFFIXES)
def test_a_late_job_whose_files_are_gone_fails_alone(world: World, missing: str) -> None:
    late = job(0, age=timedelta(days=8))
    for file in late.shard.files:
        if not file.key.endswith(missing):
            world.store.put(file.key, b"9 bytes..")
    errors = world.committer.commit_batch([late, job(1)])
    assert list(errors) == [0]
    assert isinstance(errors[0], CorruptObjectError)
    assert f".{missing} of shard" in str(errors[0])
    assert "8 days ago; embed the part again" in str(errors[0])
    assert world.committed() == [shard_origin(job(1))]
    assert world.runs.recorded == [1]


def test_a_late_job_whose_files_are_there_is_committed(world: World) -> None:
    late = job(0, age=timedelta(days=30))
    for file in late.shard.files:
        world.store.put(file.key, b"9 bytes..")
    assert world.committer.commit_batch([late]) == {}
    assert world.committed() == [shard_origin(late)]


def test_a_store_that_cannot_say_fails_that_job_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(key: str) -> bool:
        raise ConnectionError("no answer")

    monkeypatch.setattr(world.store, "exists", unreachable)
    errors = world.committer.commit_batch([job(0, age=timedelta(days=8)), job(1)])
    assert {position: type(error) for position, error in errors.items()} == {0: ConnectionError}


def test_a_job_that_cannot_be_recorded_fails_alone(world: World) -> None:
    world.runs.refuses = {0}
    errors = world.committer.commit_batch([job(0), job(1)])
    assert list(errors) == [0]
    assert world.runs.recorded == [1]
    assert len(world.requests.manifests) == 1


def test_what_is_committed_stays_so_when_no_compaction_can_be_asked_for(world: World) -> None:
    world.requests.error = ConnectionError("no queue")
    assert world.committer.commit_batch([job(0)]) == {}
    assert world.runs.recorded == [0]


def test_nothing_is_asked_for_when_the_commit_failed(world: World) -> None:
    world.store.put(ManifestStore(world.store, "tests", MODEL).key, b"no manifest")
    errors = world.committer.commit_batch([job(0), job(1)])
    assert sorted(errors) == [0, 1]
    assert world.requests.manifests == []
