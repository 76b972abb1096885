"""Builds a shard from a chunk file and its vectors, and puts it where its manifest will look."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.errors import CorruptObjectError, DimensionMismatchError, InvalidInputError
from shared.index.catalog.catalog import CatalogRow, encode_catalog, read_catalog
from shared.index.graph.hnsw_file import Vectors, write_graph
from shared.index.shard.content import content_checksum
from shared.index.shard.lexical import SearchedRow, build_tables
from shared.index.shard.origin import shard_name
from shared.index.shard.sidecar import Document, write_sidecar
from shared.models.base import CorpusName
from shared.models.chunk import Chunk, CoveredEntity
from shared.models.entity import EntityVersion
from shared.models.manifest import FileReference, ModelIdentity, ShardDescriptor
from shared.storage.keys import shard_key
from shared.storage.object_store import ObjectStore

CATALOG_SUFFIX = "npz"
GRAPH_SUFFIX = "hnsw"
SIDECAR_SUFFIX = "sqlite"
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ShardContent:
    """What a shard speaks for: entities with their versions, and their chunks."""

    entities: dict[str, EntityVersion]
    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class ShardSource:
    """Where a shard belongs and which job it comes from."""

    corpus: CorpusName
    model: ModelIdentity
    origin: str
    seq: int


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """The files of a shard before they are uploaded; one without rows has a catalog only."""

    catalog: Path
    graph: Path | None
    sidecar: Path | None


def collect_content(
    lines: Iterable[Chunk | CoveredEntity], *, origin: str, seq: int
) -> ShardContent:
    """Read the lines of a chunk file.

    Raises:
        CorruptObjectError: a chunk comes twice, or its entity is not among the covered ones, so
            that a newer version of it could not be told from an older one.
    """
    chunks_of: dict[str, list[Chunk]] = {}
    chunks: dict[str, Chunk] = {}
    for line in lines:
        if isinstance(line, CoveredEntity):
            chunks_of[line.entity_key] = []
        elif line.chunk_id in chunks:
            raise CorruptObjectError(f"the chunks of {origin} hold {line.chunk_id} twice")
        else:
            chunks[line.chunk_id] = line
    for chunk in chunks.values():
        if chunk.parent not in chunks_of:
            raise CorruptObjectError(
                f"the chunks of {origin} hold {chunk.chunk_id} but no line that covers its entity "
                f"{chunk.parent}; chunk the page again"
            )
        chunks_of[chunk.parent].append(chunk)
    entities = {
        key: EntityVersion(seq, origin, content_checksum(own)) for key, own in chunks_of.items()
    }
    return ShardContent(entities, list(chunks.values()))


def write_shard(
    store: ObjectStore, source: ShardSource, content: ShardContent, vectors: Vectors
) -> ShardDescriptor:
    """Build a shard and upload it; the same input makes the same files under the same keys.

    Args:
        store: where the files go.
        source: where the shard belongs and which job it comes from.
        content: its entities and chunks, from `collect_content`.
        vectors: one unit vector a chunk, in their order.

    Raises:
        DimensionMismatchError: the vectors do not have the shape that model and chunks ask for.
        InvalidInputError: a vector is not of unit length or a chunk's entity is not covered.
    """
    check_vectors(vectors, len(content.chunks), source)
    order = sorted(range(len(content.chunks)), key=lambda number: content.chunks[number].chunk_id)
    chunks = [content.chunks[number] for number in order]
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), source.model, content, chunks)
        if files.graph is not None:
            write_graph(files.graph, [vectors[order]], rows=len(order), dims=source.model.dims)
        return upload_shard(store, source, files)


def upload_shard(store: ObjectStore, source: ShardSource, files: ShardFiles) -> ShardDescriptor:
    """Upload the files of a shard under the name that their content gives them.

    Raises:
        CorruptObjectError: the catalog cannot be read.
    """
    described = read_catalog(files.catalog, name=f"the catalog of {source.origin}")
    paths = [path for path in (files.catalog, files.graph, files.sidecar) if path is not None]
    digests = {path: _sha256(path) for path in paths}
    shard_id = shard_name(source.origin, "".join(digests.values()).encode())

    def upload(path: Path, suffix: str) -> FileReference:
        key = shard_key(source.corpus, source.model, shard_id, suffix)
        store.upload(path, key)
        return FileReference(key=key, size_bytes=path.stat().st_size, sha256=digests[path])

    return ShardDescriptor(
        shard_id=shard_id,
        origin=source.origin,
        seq=source.seq,
        model=source.model,
        vectors=described.rows,
        entities=described.entities,
        catalog=upload(files.catalog, CATALOG_SUFFIX),
        graph=upload(files.graph, GRAPH_SUFFIX) if files.graph else None,
        sidecar=upload(files.sidecar, SIDECAR_SUFFIX) if files.sidecar else None,
        fields=described.fields,
    )


def write_files(
    folder: Path, model: ModelIdentity, content: ShardContent, chunks: Sequence[Chunk]
) -> ShardFiles:
    """Write catalog and sidecar, and name the graph that is still to be written."""
    tables = build_tables(
        SearchedRow(chunk.parent, chunk.metadata.title, chunk.text) for chunk in chunks
    )
    lengths = zip(chunks, tables.words.tolist(), tables.title_words.tolist(), strict=True)
    rows = (
        CatalogRow(chunk.chunk_id, chunk.parent, chunk.metadata, words, title_words)
        for chunk, words, title_words in lengths
    )
    files = ShardFiles(
        folder / f"shard.{CATALOG_SUFFIX}",
        folder / f"shard.{GRAPH_SUFFIX}" if chunks else None,
        folder / f"shard.{SIDECAR_SUFFIX}" if chunks else None,
    )
    files.catalog.write_bytes(encode_catalog(model, content.entities, rows))
    if files.sidecar is not None:
        write_sidecar(
            files.sidecar,
            model=model,
            documents=(Document(chunk.text, chunk.metadata) for chunk in chunks),
            texts=tables.texts.items(),
            titles=tables.titles.items(),
        )
    return files


def check_vectors(vectors: Vectors, chunks: int, source: ShardSource) -> None:
    """See that there is one unit vector a chunk.

    Raises:
        DimensionMismatchError: they do not have the shape that model and chunks ask for.
        InvalidInputError: one is not of unit length.
    """
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


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
