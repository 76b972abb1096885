"""Builds a shard from a chunk file and its vectors, and puts it where its manifest will look."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.errors import CorruptObjectError, DimensionMismatchError, InvalidInputError
from shared.index.graph import Vectors, build_graph
from shared.index.liveness import Version
from shared.index.origin import shard_name
from shared.index.sidecar import write_sidecar
from shared.models.base import CorpusName
from shared.models.chunk import Chunk, CoveredEntity
from shared.models.manifest import FileReference, ModelIdentity, ShardDescriptor
from shared.storage.keys import shard_key
from shared.storage.object_store import ObjectStore

GRAPH_SUFFIX = "hnsw"
SIDECAR_SUFFIX = "sqlite"
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ShardContent:
    """What a shard speaks for: entities with their versions, and their chunks."""

    entities: dict[str, Version]
    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class ShardSource:
    """Where a shard belongs and which job it comes from."""

    corpus: CorpusName
    model: ModelIdentity
    origin: str
    seq: int


def collect_content(
    lines: Iterable[Chunk | CoveredEntity], *, origin: str, seq: int
) -> ShardContent:
    """Read the lines of a chunk file.

    Raises:
        CorruptObjectError: a chunk comes twice, or its entity is not among the covered ones, so
            that a newer version of it could not be told from an older one.
    """
    entities: dict[str, Version] = {}
    chunks: dict[str, Chunk] = {}
    for line in lines:
        if isinstance(line, CoveredEntity):
            entities[line.entity_key] = (seq, origin)
        elif line.chunk_id in chunks:
            raise CorruptObjectError(f"the chunks of {origin} hold {line.chunk_id} twice")
        else:
            chunks[line.chunk_id] = line
    for chunk in chunks.values():
        if chunk.parent not in entities:
            raise CorruptObjectError(
                f"the chunks of {origin} hold {chunk.chunk_id} but no line that covers its entity "
                f"{chunk.parent}; chunk the page again"
            )
    return ShardContent(entities, list(chunks.values()))


def write_shard(
    store: ObjectStore, source: ShardSource, content: ShardContent, vectors: Vectors
) -> ShardDescriptor:
    """Build a shard and upload it; the same input makes the same files under the same keys.

    Args:
        store: where the index is.
        source: the corpus, the model and the job.
        content: what the shard speaks for.
        vectors: unit length, float32, shape (chunks, dims), in the order of `content.chunks`.

    Raises:
        DimensionMismatchError: the vectors are not of that shape.
        InvalidInputError: a vector is not of unit length.
    """
    _check_vectors(vectors, len(content.chunks), source)
    order = sorted(range(len(content.chunks)), key=lambda n: content.chunks[n].chunk_id)
    sidecar = _sidecar_bytes(source.model, content, [content.chunks[n] for n in order])
    graph = build_graph(np.ascontiguousarray(vectors[order], dtype=np.float32)) if order else None
    shard_id = shard_name(source.origin, (graph or b"") + sidecar)
    return ShardDescriptor(
        shard_id=shard_id,
        origin=source.origin,
        seq=source.seq,
        model=source.model,
        vectors=len(content.chunks),
        entities=len(content.entities),
        graph=_upload(store, source, shard_id, GRAPH_SUFFIX, graph) if graph else None,
        sidecar=_upload(store, source, shard_id, SIDECAR_SUFFIX, sidecar),
    )


def _check_vectors(vectors: Vectors, chunks: int, source: ShardSource) -> None:
    expected = (chunks, source.model.dims)
    if vectors.shape != expected:
        raise DimensionMismatchError(
            f"the vectors of {source.origin} have shape {vectors.shape}; "
            f"{chunks} chunks under {source.model.id} need {expected}"
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE))
    if len(wrong):
        raise InvalidInputError(
            f"vector {wrong[0]} of {source.origin} has length {lengths[wrong[0]]:.6g}; "
            "the encoder must return unit length"
        )


def _sidecar_bytes(model: ModelIdentity, content: ShardContent, chunks: Sequence[Chunk]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sidecar"
        write_sidecar(path, model=model, entities=content.entities, chunks=chunks)
        return path.read_bytes()


def _upload(
    store: ObjectStore, source: ShardSource, shard_id: str, suffix: str, data: bytes
) -> FileReference:
    key = shard_key(source.corpus, source.model, shard_id, suffix)
    store.put(key, data)
    digest = hashlib.sha256(data).hexdigest()
    return FileReference(key=key, size_bytes=len(data), sha256=digest)
