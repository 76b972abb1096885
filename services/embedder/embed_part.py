"""The work of the embedder for one part of a page."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import ValidationError

from services.embedder.unchanged import UnchangedEntities
from shared.corpora.index_floor import IndexFloor
from shared.embedding.encoder import Encoder, Vectors
from shared.embedding.model_files import model_prefix
from shared.errors import CorruptObjectError
from shared.index.shard.origin import shard_origin
from shared.index.shard.shard_writer import ShardContent, ShardSource, collect_content, write_shard
from shared.index.shard.vector_file import StoredVectors, encode_vectors
from shared.messaging.publisher import JobPublisher
from shared.models.base import CorpusName
from shared.models.chunk import Chunk, CoveredEntity, chunk_file_line
from shared.models.jobs import EmbedJob, IndexJob
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.platform.observability import logger, metrics
from shared.runs.run_store import RunStore
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore
from shared.text.chunking import passage_for_embedding

_VECTORS_CONTENT_TYPE = "application/octet-stream"


class EmbeddingModel(Protocol):
    """A model whose identity is known before it is loaded."""

    def identity(self) -> ModelIdentity:
        """Return which model this is."""
        ...

    def encoder(self) -> Encoder:
        """Load the model, unless it is."""
        ...


@dataclass(frozen=True, slots=True)
class Embedder:
    """Reads a chunk file, writes vectors and a shard of what changed, publishes the index job.

    `model_of` gives a corpus its model. That is asked for when a job needs it, so that loading it
    is part of a job and its failure is a failure of that job.
    """

    store: ObjectStore
    model_of: Callable[[CorpusName], EmbeddingModel]
    publisher: JobPublisher
    runs: RunStore
    unchanged: UnchangedEntities
    floor: IndexFloor

    def embed_part(self, job: EmbedJob) -> None:
        """Do the job; running it again leads to the same state.

        A job below the corpus's floor is outdated and embeds nothing. The floor may rise at any
        moment, so it is the indexer that enforces it; here it saves work. So is a job of a run
        that began under another model: its page's marks say that a part is indexed, and not where,
        so all parts of a run are indexed under one model.

        Raises:
            CorruptObjectError: the chunk file cannot be read; names the key.
            NotFoundError: the corpus or the run is gone.
            SettingsError: its model is not deployed.
            DimensionMismatchError, InvalidInputError: the encoder returned unusable vectors.
        """
        model = self.model_of(job.corpus)
        is_of_model = self.runs.reader.record(job.run_id).is_of_model(
            model_prefix(model.identity())
        )
        if not is_of_model or job.seq < self.floor.read(job.corpus):
            self.runs.ledger.record_outdated_part(job, part=job.part, parts=job.parts)
            logger.info("dropped an outdated part", extra={"page_id": job.page_id})
            return
        origin = shard_origin(job)
        found = collect_content(self._read_lines(job.chunks_key), origin=origin, seq=job.seq)
        entities = self.unchanged.begin_changed(job.corpus, model.identity(), found.entities)
        if entities.superseded:
            self.runs.ledger.note_superseded_part(job, part=job.part)
        content = _restricted(found, entities.begun)
        vectors = len(content.chunks)
        counts = {"vectors": vectors, "chunks_unchanged": len(found.chunks) - vectors}
        if content.entities:
            shard = self._write_outputs(job, origin, content, model)
            self.publisher.publish([_index_job(job, shard)])
            is_first = self.runs.ledger.record_stage(
                job, "embedder", counts, part=job.part, parts=job.parts
            )
        else:
            is_first = self.runs.ledger.record_part_without_shard(
                job, counts, part=job.part, parts=job.parts
            )
        if is_first:
            metrics.add_metric("Vectors", MetricUnit.Count, vectors)
            metrics.add_metric("ChunksUnchanged", MetricUnit.Count, counts["chunks_unchanged"])

    def _write_outputs(
        self, job: EmbedJob, origin: str, content: ShardContent, model: EmbeddingModel
    ) -> ShardDescriptor:
        identity = model.identity()
        vectors = _embed(content.chunks, model)
        stored = StoredVectors(
            ids=tuple(chunk.chunk_id for chunk in content.chunks),
            vectors=vectors,
            origin=origin,
            seq=job.seq,
            checksums={key: version.checksum for key, version in content.entities.items()},
        )
        self.store.put(
            keys.embeddings_key(job, job.part),
            encode_vectors(stored),
            content_type=_VECTORS_CONTENT_TYPE,
            metadata={"model-id": identity.id, "model-revision": identity.revision},
        )
        return write_shard(
            self.store, ShardSource(job.corpus, identity, origin, job.seq), content, vectors
        )

    def _read_lines(self, key: str) -> list[Chunk | CoveredEntity]:
        lines = jsonl.decode_lines(self.store.get(key).data, key)
        try:
            return [chunk_file_line.validate_json(line) for line in lines]
        except ValidationError as error:
            raise CorruptObjectError(
                f"{key} holds a line that is no chunk ({error.error_count()} problems); "
                "chunk the page again"
            ) from None


def _embed(chunks: Sequence[Chunk], model: EmbeddingModel) -> Vectors:
    if not chunks:  # entities that lost their text: no reason to load the model
        return np.empty((0, model.identity().dims), dtype=np.float32)
    return model.encoder().encode_documents([passage_for_embedding(chunk) for chunk in chunks])


def _restricted(content: ShardContent, entities: Set[str]) -> ShardContent:
    """What a shard says of some of its entities."""
    return ShardContent(
        {key: version for key, version in content.entities.items() if key in entities},
        [chunk for chunk in content.chunks if chunk.parent in entities],
    )


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
