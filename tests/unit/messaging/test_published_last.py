"""A stage asks for a job when all that the job speaks of is written: the next one may be quick."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from services.chunker.chunk_page import Chunker
from services.derive.derive_job import Deriver
from shared.corpora.documents import CorpusRegistry
from shared.messaging.publisher import JobPublisher
from shared.models.corpus import Corpus
from shared.models.entity import Entity
from shared.models.jobs import ChunkJob, DeriveJob, EmbedJob
from shared.models.sources import JsonlSource
from shared.storage import jsonl, keys
from shared.storage.memory import MemoryObjectStore
from tests.unit.run_fakes import run_store_of

RUN_ID = "20261123T060000Z-00000001"


@dataclass
class QuickQueue:
    """A queue whose jobs are begun while they are sent: the key that each reads, and its bytes."""

    store: MemoryObjectStore
    read: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, jobs: Iterable[ChunkJob | EmbedJob]) -> None:
        for job in jobs:
            key = job.entities_key if isinstance(job, ChunkJob) else job.chunks_key
            self.read.append((key, self.store.get(key).data))


class Corpora:
    def get(self, name: str) -> Corpus:
        return Corpus(name=name, source=JsonlSource(prefix="sources/x/"))


class Runs:
    def record_stage(self, *_: object, **__: object) -> bool:
        return True


def test_derive_writes_the_entities_of_a_page_before_it_asks_to_chunk_them() -> None:
    store = MemoryObjectStore()
    queue = QuickQueue(store)
    job = DeriveJob(
        corpus="tests", run_id=RUN_ID, page_id="p-0", seq=1, endpoint="objects", raw_key="raw/x"
    )
    store.put(job.raw_key, jsonl.encode_lines(['{"id": "a", "title": "Kettle"}']))
    store.put(keys.entities_key(job), b"of an attempt of older code")
    Deriver(
        store=store,
        corpora=cast(CorpusRegistry, Corpora()),
        publisher=cast(JobPublisher, queue),
        runs=run_store_of(Runs()),
    ).derive(job)
    written = store.get(keys.entities_key(job)).data
    assert len(list(jsonl.decode_lines(written, "entities"))) == 1
    assert queue.read == [(keys.entities_key(job), written)]


def test_the_chunker_writes_every_part_of_a_page_before_it_asks_to_embed_it() -> None:
    store = MemoryObjectStore()
    queue = QuickQueue(store)
    job = ChunkJob(corpus="tests", run_id=RUN_ID, page_id="p-0", seq=1, entities_key="derived/x")
    entities = [
        Entity(
            entity_type="a",
            source="x",
            source_id=str(number),
            title="Kettle",
            description="It boils water.",
            ingest_run_id=RUN_ID,
            record_checksum="",
        )
        for number in range(2)
    ]
    store.put(job.entities_key, jsonl.encode_models(entities))
    Chunker(
        store=store,
        corpora=cast(CorpusRegistry, Corpora()),
        publisher=cast(JobPublisher, queue),
        runs=run_store_of(Runs()),
        maximum_chunks_per_part=1,
    ).chunk_page(job)
    written = [keys.chunks_key(job, part) for part in range(2)]
    assert queue.read == [(key, store.get(key).data) for key in written]
