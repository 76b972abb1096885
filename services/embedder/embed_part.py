"""The work of the embedder for one part of a page."""

from collections.abc import Callable
from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import ValidationError

from services.embedder.vector_file import encode_vectors
from shared.embedding.encoder import Encoder
from shared.errors import CorruptObjectError
from shared.index.origin import shard_origin
from shared.index.shard_writer import ShardContent, ShardSource, collect_content, write_shard
from shared.messaging.publisher import JobPublisher
from shared.models.chunk import Chunk, CoveredEntity, chunk_file_line
from shared.models.jobs import EmbedJob, IndexJob
from shared.models.manifest import ShardDescriptor
from shared.observability import metrics
from shared.state.runs import RunStore
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore
from shared.text.chunking import passage_for_embedding

_VECTORS_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Embedder:
    """Reads a chunk file, writes its vectors and its shard, publishes the index job.

    `encoder` is asked for when a job needs it, so that loading the model is part of a job and its
    failure is a failure of that job.
    """

    store: ObjectStore
    encoder: Callable[[], Encoder]
    publisher: JobPublisher
    runs: RunStore

    def embed_part(self, job: EmbedJob) -> None:
        """Do the job; running it again leads to the same keys.

        Raises:
            CorruptObjectError: the chunk file cannot be read; names the key.
            DimensionMismatchError, InvalidInputError: the encoder returned unusable vectors.
        """
        origin = shard_origin(job)
        content = collect_content(self._read_lines(job.chunks_key), origin=origin, seq=job.seq)
        shard = self._write_outputs(job, origin, content)
        self.publisher.publish([_index_job(job, shard)])
        counts = {"vectors": len(content.chunks)}
        if self.runs.record_stage(job, "embed", counts, part=job.part, parts=job.parts):
            metrics.add_metric("Vectors", MetricUnit.Count, len(content.chunks))

    def _write_outputs(self, job: EmbedJob, origin: str, content: ShardContent) -> ShardDescriptor:
        encoder = self.encoder()
        passages = [passage_for_embedding(chunk) for chunk in content.chunks]
        vectors = encoder.encode_documents(passages)
        self.store.put(
            keys.embeddings_key(job, job.part),
            encode_vectors([chunk.chunk_id for chunk in content.chunks], vectors),
            content_type=_VECTORS_CONTENT_TYPE,
            metadata={"model-id": encoder.identity.id, "model-revision": encoder.identity.revision},
        )
        source = ShardSource(job.corpus, encoder.identity, origin, job.seq)
        return write_shard(self.store, source, content, vectors)

    def _read_lines(self, key: str) -> list[Chunk | CoveredEntity]:
        lines = jsonl.decode_lines(self.store.get(key).data, key)
        try:
            return [chunk_file_line.validate_json(line) for line in lines]
        except ValidationError as error:
            raise CorruptObjectError(
                f"{key} holds a line that is no chunk ({error.error_count()} problems); "
                "chunk the page again"
            ) from None


def _index_job(job: EmbedJob, shard: ShardDescriptor) -> IndexJob:
    return IndexJob(
        corpus=job.corpus,
        run_id=job.run_id,
        page_id=job.page_id,
        seq=job.seq,
        part=job.part,
        parts=job.parts,
        shard=shard,
    )
