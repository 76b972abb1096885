"""Unchanged entities are not embedded again, and whatever happens, the newest word counts.

The property drives the real embedder over made-up runs whose workers die at any call, whose
messages come twice, late and in between each other's calls, and compares with a plain rule: of
every entity, the index shows what the newest job that saw it found.
"""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.embedder import embed_part
from services.embedder.embed_part import Embedder
from services.embedder.unchanged import UnchangedEntities
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.index.shard.content import content_checksum
from shared.index.shard.shard_writer import ShardContent, ShardSource
from shared.index.shard.vector_file import decode_vectors
from shared.messaging.publisher import JobPublisher
from shared.models.chunk import Chunk, ChunkMetadata, CoveredEntity
from shared.models.entity import EntityVersion
from shared.models.jobs import EmbedJob, IndexJob
from shared.models.manifest import FileReference, ShardDescriptor
from shared.storage import jsonl, keys
from shared.storage.memory import MemoryObjectStore
from tests.unit.embedder.remembered import (
    CountingEncoder,
    RememberedFloor,
    RememberedModel,
    RememberedQueue,
    RememberedRuns,
    RememberedVersions,
    WorkerDiedError,
)
from tests.unit.run_fakes import run_store_of

Texts = Mapping[str, str]
CORPUS = "shelf"
FILE = FileReference(key="x", size_bytes=0, sha256="0" * 64)


def chunks_of(key: str, text: str) -> list[Chunk]:
    if not text:
        return []
    metadata = ChunkMetadata(entity_type="a", source_id=key, title="", source_path="raw/x")
    return [Chunk(chunk_id=f"{key}-001", parent=key, text=text, metadata=metadata)]


class Line:
    """The embedder over remembered state, and an indexer beside it."""

    def __init__(self) -> None:
        self.store = MemoryObjectStore()
        self.versions = RememberedVersions(self.step)
        self.runs = RememberedRuns(self.step)
        self.floor = RememberedFloor()
        self.queue = RememberedQueue(self.step)
        self.encoder = CountingEncoder()
        self.models_loaded = 0
        self.shards: dict[str, dict[str, EntityVersion]] = {}
        self.committed: dict[str, dict[str, EntityVersion]] = {}
        self.embedder = Embedder(
            store=self.store,
            model_of=lambda _: RememberedModel(self.load_model),
            publisher=cast(JobPublisher, self.queue),
            runs=run_store_of(self.runs),
            unchanged=UnchangedEntities(
                cast(EntityVersions, self.versions),
                run_store_of(self.runs),
            ),
            floor=cast(IndexFloor, self.floor),
        )

    def step(self) -> None:
        """What happens between two calls: nothing here."""

    def load_model(self) -> CountingEncoder:
        self.models_loaded += 1
        return self.encoder

    def write_shard(
        self, _: object, source: ShardSource, content: ShardContent, vectors: object
    ) -> ShardDescriptor:
        assert len(content.chunks) == len(cast(list[object], vectors))
        shard_id = f"{len(self.shards):08x}"
        self.shards[shard_id] = content.entities
        return ShardDescriptor(
            shard_id=shard_id, origin=source.origin, seq=source.seq, model=source.model,
            vectors=len(content.chunks), entities=len(content.entities), catalog=FILE,
            graph=None, sidecar=None,
        )  # fmt: skip

    def job(self, run: int, page: int, texts: Texts) -> EmbedJob:
        job = EmbedJob(
            corpus=CORPUS, run_id=f"20261123T060000Z-{run:08x}", page_id=f"p-{page}", seq=run,
            part=0, parts=1, chunks_key="set below",
        )  # fmt: skip
        key = keys.chunks_key(job, 0)
        lines: list[Chunk | CoveredEntity] = []
        for entity, text in texts.items():
            lines += [CoveredEntity(entity_key=entity), *chunks_of(entity, text)]
        self.store.put(key, jsonl.encode_models(lines))
        return job.model_copy(update={"chunks_key": key})

    def embed(self, job: EmbedJob) -> None:
        if ("embedder", origin_of(job)) not in self.runs.marks:
            self.embedder.embed_part(job)

    def index(self, job: IndexJob) -> None:
        origin = job.shard.origin
        if ("indexer", origin) not in self.runs.marks:
            self.committed.setdefault(origin, self.shards[job.shard.shard_id])
            self.step()
            self.runs.mark(job, ["indexer"], {})

    def deliver(self, job: EmbedJob | IndexJob) -> None:
        if isinstance(job, EmbedJob):
            self.embed(job)
        else:
            self.index(job)

    def run_all(self, job: EmbedJob) -> None:
        self.embed(job)
        while self.queue.jobs:
            self.index(self.queue.jobs.pop(0))

    def live(self) -> dict[str, str]:
        """The checksum that the index shows of each entity."""
        newest: dict[str, EntityVersion] = {}
        for entities in self.committed.values():
            for key, version in entities.items():
                if key not in newest or version.order > newest[key].order:
                    newest[key] = version
        return {key: version.checksum for key, version in newest.items()}


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    line = Line()
    monkeypatch.setattr(embed_part, "write_shard", line.write_shard)
    return line


def origin_of(job: EmbedJob) -> str:
    return f"{job.run_id}/{job.page_id}/{job.part}"


def checksums(texts: Texts) -> dict[str, str]:
    return {key: content_checksum(chunks_of(key, text)) for key, text in texts.items()}


FIRST = {"a:1": "one", "a:2": "two", "a:3": ""}


def test_an_unchanged_part_loads_no_model_and_publishes_nothing(line: Line) -> None:
    line.run_all(line.job(1, 0, FIRST))
    assert (line.encoder.texts, line.models_loaded) == (2, 1)
    again = line.job(2, 0, FIRST)
    line.embed(again)
    assert (line.encoder.texts, line.models_loaded, line.queue.jobs) == (2, 1, [])
    assert line.runs.counts[origin_of(again)] == {"vectors": 0, "chunks_unchanged": 2}
    assert {("embedder", origin_of(again)), ("indexer", origin_of(again))} <= line.runs.marks
    assert not line.store.exists(keys.embeddings_key(again, 0))


def test_only_what_changed_is_embedded(line: Line) -> None:
    line.run_all(line.job(1, 0, FIRST))
    changed = line.job(2, 0, FIRST | {"a:2": "zwei"})
    line.run_all(changed)
    assert line.runs.counts[origin_of(changed)] == {"vectors": 1, "chunks_unchanged": 1}
    assert line.encoder.texts == 3
    assert line.live() == checksums(FIRST | {"a:2": "zwei"})
    key = keys.embeddings_key(changed, 0)
    stored = decode_vectors(line.store.get(key).data, key)
    assert (stored.ids, stored.seq, stored.origin) == (("a:2-001",), 2, origin_of(changed))
    assert stored.checksums == checksums({"a:2": "zwei"})


def test_a_text_that_is_gone_needs_no_model(line: Line) -> None:
    line.run_all(line.job(1, 0, FIRST))
    line.run_all(line.job(2, 0, FIRST | {"a:1": ""}))
    assert line.models_loaded == 1
    assert line.live() == checksums(FIRST | {"a:1": ""})


def test_what_was_begun_but_never_committed_is_embedded_again(line: Line) -> None:
    line.embed(line.job(1, 0, FIRST))
    line.queue.jobs.clear()
    line.run_all(line.job(2, 0, FIRST))
    assert line.encoder.texts == 4
    assert line.live() == checksums(FIRST)


def test_a_late_redrive_never_replaces_what_a_newer_run_found_unchanged(line: Line) -> None:
    line.run_all(line.job(1, 0, FIRST))
    late = line.job(2, 0, FIRST | {"a:1": "changed for a day"})
    line.run_all(line.job(3, 0, FIRST))
    line.run_all(late)
    assert line.live() == checksums(FIRST)
    assert line.runs.counts[origin_of(late)] == {"vectors": 0, "chunks_unchanged": 2}


def test_what_a_run_below_the_floor_found_is_outdated(line: Line) -> None:
    late = line.job(1, 0, {"a:9": "gone by the time it is redriven"})
    line.floor.seq = 2
    line.run_all(late)
    assert ("outdated", origin_of(late)) in line.runs.marks
    assert line.runs.indexed_origins([origin_of(late)]) == set()
    assert (line.live(), line.encoder.texts) == ({}, 0)
    line.run_all(line.job(2, 0, FIRST))
    assert line.live() == checksums(FIRST)


def test_what_this_job_committed_itself_counts_as_embedded_by_it(line: Line) -> None:
    job = line.job(1, 0, FIRST)
    line.run_all(job)
    del line.runs.counts[origin_of(job)]
    line.runs.marks.remove(("embedder", origin_of(job)))  # it died before it recorded that
    line.run_all(job)
    assert line.runs.counts[origin_of(job)] == {"vectors": 2, "chunks_unchanged": 0}


def test_a_version_begun_just_before_it_was_found_unchanged_is_replaced(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.run_all(line.job(1, 0, FIRST))
    between, newest = line.job(2, 0, FIRST | {"a:1": "changed"}), line.job(3, 0, FIRST)
    confirm = line.versions.confirm

    def confirm_too_late(*arguments: Any) -> set[str]:
        monkeypatch.setattr(line.versions, "confirm", confirm)
        line.embed(between)
        return confirm(*arguments)

    monkeypatch.setattr(line.versions, "confirm", confirm_too_late)
    line.run_all(newest)
    assert line.live() == checksums(FIRST)
    assert line.runs.counts[origin_of(newest)] == {"vectors": 1, "chunks_unchanged": 1}


class Unreliable(Line):
    """Between any two calls the worker may die, or another message be worked off."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.pending: list[EmbedJob | IndexJob] = []
        self.depth = 0
        super().__init__()

    def step(self) -> None:
        action = self.script.pop() if self.script else 0
        if action == 1:
            raise WorkerDiedError
        if action >= 2 and self.pending and self.depth < 3:
            self.attempt(self.pending.pop(action % len(self.pending)))

    def attempt(self, job: EmbedJob | IndexJob) -> None:
        self.depth += 1
        try:
            self.deliver(job)
        except WorkerDiedError:
            self.pending.append(job)
        finally:
            self.depth -= 1
            self.pending += self.queue.jobs
            self.queue.jobs.clear()


texts = st.dictionaries(
    st.sampled_from(["a:1", "a:2", "a:3"]), st.sampled_from(["", "x", "y"]), min_size=1
)
deliveries = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 1), texts, st.integers(1, 2)),
    min_size=1,
    max_size=8,
    unique_by=lambda entry: entry[:2],
)


@settings(max_examples=400, deadline=None)
@given(deliveries, st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5]), max_size=120), st.data())
def test_the_newest_job_that_saw_an_entity_has_the_last_word(
    jobs: list[tuple[int, int, dict[str, str], int]], script: list[int], data: st.DataObject
) -> None:
    line = Unreliable(script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed_part, "write_shard", line.write_shard)
        waiting: list[EmbedJob] = []
        expected: dict[str, tuple[tuple[int, str], str]] = {}
        for run, page, found, copies in jobs:
            job = line.job(run, page, found)
            waiting += [job] * copies
            for key, checksum in checksums(found).items():
                word = ((run, origin_of(job)), checksum)
                expected[key] = max(expected.get(key, word), word)
        waiting = data.draw(st.permutations(waiting))
        while waiting or line.pending:
            if waiting:
                line.pending.append(waiting.pop())
            line.attempt(line.pending.pop(0))
    assert line.live() == {key: checksum for key, (_, checksum) in expected.items()}
    for run, page, found, _ in jobs:
        counts = line.runs.counts[f"20261123T060000Z-{run:08x}/p-{page}/0"]
        assert counts["vectors"] + counts["chunks_unchanged"] == len(
            [t for t in found.values() if t]
        )
