"""The work of the chunker for one page."""

from dataclasses import dataclass

from pydantic import ValidationError

from services.chunker.parts import ChunkedEntity, file_lines, split_parts
from shared.corpora.documents import CorpusRegistry
from shared.errors import CorruptObjectError
from shared.messaging.publisher import JobPublisher
from shared.models.entity import Entity
from shared.models.jobs import ChunkJob, EmbedJob
from shared.runs.run_store import RunStore
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore
from shared.text.chunking import chunk_entity


@dataclass(frozen=True, slots=True)
class Chunker:
    """Reads a page's entities, writes its chunk files, publishes its embed jobs."""

    store: ObjectStore
    corpora: CorpusRegistry
    publisher: JobPublisher
    runs: RunStore
    maximum_chunks_per_part: int

    def chunk_page(self, job: ChunkJob) -> None:
        """Do the job; running it again writes the same bytes to the same keys.

        Raises:
            CorruptObjectError: a line of the entities object is no entity.
        """
        settings = self.corpora.get(job.corpus).chunking
        raw_key = keys.raw_key(job)
        chunked = [
            ChunkedEntity(entity.key, chunk_entity(entity, raw_key, settings))
            for entity in self._read_entities(job.entities_key)
        ]
        parts = list(split_parts(chunked, self.maximum_chunks_per_part))
        jobs: list[EmbedJob] = []
        for number, part in enumerate(parts):
            key = keys.chunks_key(job, number)
            body = jsonl.encode_models(file_lines(part))
            self.store.put(key, body, content_type=jsonl.CONTENT_TYPE)
            jobs.append(_embed_job(job, number, len(parts), key))
        self.publisher.publish(jobs)
        chunks = sum(len(entity.chunks) for entity in chunked)
        self.runs.ledger.record_stage(job, "chunker", {"chunks": chunks}, parts=len(parts))

    def _read_entities(self, key: str) -> list[Entity]:
        lines = jsonl.decode_lines(self.store.get(key).data, key)
        try:
            return [Entity.model_validate_json(line) for line in lines]
        except ValidationError as error:
            raise CorruptObjectError(
                f"{key} holds a line that is no entity ({error.error_count()} problems); "
                "derive the page again"
            ) from None


def _embed_job(job: ChunkJob, part: int, parts: int, chunks_key: str) -> EmbedJob:
    return EmbedJob(
        corpus=job.corpus,
        run_id=job.run_id,
        page_id=job.page_id,
        seq=job.seq,
        part=part,
        parts=parts,
        chunks_key=chunks_key,
    )
