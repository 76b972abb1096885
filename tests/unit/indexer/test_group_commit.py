"""Committing batches: which jobs fail alone, and what is asked of the compactor afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from services.indexer.group_commit import GroupCommitter
from shared.corpora.index_floor import IndexFloor
from shared.errors import CorruptObjectError, InvalidJobError
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.shard.origin import shard_name, shard_origin
from shared.models.jobs import IndexJob
from shared.models.manifest import FileReference, Manifest, ModelIdentity, ShardDescriptor
from shared.storage.keys import shard_key
from shared.storage.memory import MemoryObjectStore
from tests.unit.run_fakes import run_store_of

MODEL = ModelIdentity(id="random", revision="1", dims=4)
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
            runs=run_store_of(self.runs),
            floor=cast(IndexFloor, self.floor),
            request_merges=self.requests,
        )

    def written(self, found: IndexJob) -> IndexJob:
        """The job, with the files of its shard in the store."""
        for file in found.shard.files:
            self.store.put(file.key, b"9 bytes..")
        return found

    def committed(self, corpus: str = "tests") -> list[str]:
        manifest = ManifestStore(self.store, corpus, MODEL).read().manifest
        return [shard.origin for shard in manifest.shards]


@pytest.fixture
def world() -> World:
    """No index yet, and the files of the first shards of two corpora."""
    found = World()
    for corpus in ("tests", "others"):
        for part in range(3):
            found.written(job(part, corpus=corpus))
    return found


def job(part: int, *, corpus: str = "tests", seq: int = 7) -> IndexJob:
    identity: dict[str, Any] = {
        "corpus": corpus,
        "run_id": "20261101T060000Z-1a2b3c4d",
        "page_id": "comics-0",
        "seq": seq,
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


@pytest.mark.parametrize("missing", SUFFIXES)
def test_a_late_job_whose_files_are_gone_fails_alone(world: World, missing: str) -> None:
    late = world.written(job(0))
    world.store.delete(next(file.key for file in late.shard.files if file.key.endswith(missing)))
    errors = world.committer.commit_batch([late, job(1)])
    assert list(errors) == [0]
    assert isinstance(errors[0], CorruptObjectError)
    assert f".{missing} of shard" in str(errors[0])
    assert "is gone; embed the part again" in str(errors[0])
    assert world.committed() == [shard_origin(job(1))]
    assert world.runs.recorded == [1]


def test_a_store_that_cannot_say_fails_that_job_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists, first = world.store.exists, job(0).shard.catalog.key

    def unreachable(key: str) -> bool:
        if key == first:
            raise ConnectionError("no answer")
        return exists(key)

    monkeypatch.setattr(world.store, "exists", unreachable)
    errors = world.committer.commit_batch([job(0), job(1)])
    assert {position: type(error) for position, error in errors.items()} == {0: ConnectionError}
    assert world.committed() == [shard_origin(job(1))]


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


def test_a_job_below_the_floor_is_outdated_and_not_committed(world: World) -> None:
    world.floor.seqs = [8]
    current = world.written(job(1, seq=8))
    assert world.committer.commit_batch([job(0), current]) == {}
    assert world.committed() == [shard_origin(current)]
    assert (world.runs.recorded, world.runs.outdated) == ([1], [0])


def test_a_job_that_was_committed_before_the_floor_rose_is_indexed(world: World) -> None:
    world.runs.refuses = {0}  # the worker dies before it records the commit
    world.committer.commit_batch([job(0)])
    world.runs.refuses, world.floor.seqs = set(), [8]
    assert world.committer.commit_batch([job(0)]) == {}
    assert (world.runs.recorded, world.runs.outdated) == ([0], [])


def test_a_shard_of_another_seq_than_its_job_is_refused(world: World) -> None:
    found = job(0)
    forged = found.model_copy(update={"shard": found.shard.model_copy(update={"seq": 99})})
    errors = world.committer.commit_batch([forged])
    assert "is of seq 99, not of 7" in str(errors[0])


def with_shard_of(found: IndexJob, other: IndexJob) -> IndexJob:
    return found.model_copy(update={"shard": other.shard})


def with_name_of(found: IndexJob, other: IndexJob) -> IndexJob:
    renamed = found.shard.model_copy(update={"shard_id": other.shard.shard_id})
    return found.model_copy(update={"shard": renamed})


@pytest.mark.parametrize(
    ("forge", "words"),
    [(with_shard_of, "comes from"), (with_name_of, "is not named after its origin")],
)
def test_a_shard_that_passes_for_another_is_refused_alone(
    world: World, forge: Callable[[IndexJob, IndexJob], IndexJob], words: str
) -> None:
    errors = world.committer.commit_batch([forge(job(0), job(1)), job(2)])
    assert list(errors) == [0]
    assert isinstance(errors[0], InvalidJobError)
    assert words in str(errors[0])
    assert world.committed() == [shard_origin(job(2))]
