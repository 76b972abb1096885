"""Builds small indexes for the tests: random unit vectors, chunks that say which row they are."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from shared.index.catalog.catalog import read_catalog
from shared.index.graph.hnsw_file import RowMask, Vectors
from shared.index.manifest.manifest_store import CommitRetry, ManifestCache, ManifestStore
from shared.index.search.searcher import Searcher
from shared.index.search.shard_cache import ShardCache
from shared.index.search.snapshot import SnapshotSource
from shared.index.shard.shard_reader import OpenFiles, SearchTuning, Shard
from shared.index.shard.shard_writer import ShardSource, collect_content, write_shard
from shared.models.chunk import Chunk, ChunkMetadata, CoveredEntity
from shared.models.entity import Scalar
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.storage.object_store import ObjectStore

CORPUS = "tests"
DIMS = 16
MODEL = ModelIdentity(id="random", revision="1", dims=DIMS)
POOL = ThreadPoolExecutor(max_workers=4)
GRAPH_ALWAYS = SearchTuning(exact_rows=0, exact_share=0.0)


def unit_vectors(rows: int, seed: int, dims: int = DIMS) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((rows, dims)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def chunk(
    entity_key: str,
    number: int = 1,
    text: str = "some text",
    modified: str | None = None,
    fields: Mapping[str, Scalar | list[Scalar]] | None = None,
) -> Chunk:
    entity_type, source_id = entity_key.split(":", 1)
    return Chunk(
        chunk_id=f"{entity_key}-{number:03d}",
        parent=entity_key,
        text=text,
        metadata=ChunkMetadata(
            entity_type=entity_type,
            source_id=source_id,
            title=f"Title {source_id}",
            urls=(f"https://example.test/{source_id}",),
            modified=modified,
            attribution="by nobody",
            source_path="raw/x",
            fields={"issue_number": 3} if fields is None else dict(fields),
        ),
    )


def lines_of(chunks: Sequence[Chunk], covered: Sequence[str] = ()) -> list[Chunk | CoveredEntity]:
    keys = sorted({c.parent for c in chunks} | set(covered))
    return [*(CoveredEntity(entity_key=key) for key in keys), *chunks]


def build_shard(
    store: ObjectStore,
    chunks: Sequence[Chunk],
    vectors: Vectors,
    *,
    origin: str = "run/page/0",
    seq: int = 1,
    covered: Sequence[str] = (),
    model: ModelIdentity = MODEL,
    corpus: str = CORPUS,
) -> ShardDescriptor:
    content = collect_content(lines_of(chunks, covered), origin=origin, seq=seq)
    return write_shard(store, ShardSource(corpus, model, origin, seq), content, vectors)


def open_shard(
    store: ObjectStore,
    descriptor: ShardDescriptor,
    directory: Path,
    *,
    tuning: SearchTuning | None = None,
    is_live: RowMask | None = None,
) -> Shard:
    """Open one shard alone, as if its manifest held no other."""
    cache = ShardCache(store, directory)
    catalog_path = cache.fetch(descriptor.catalog)
    graph = cache.hold(descriptor.graph).path if descriptor.graph else None
    sidecar = cache.hold(descriptor.sidecar).path if descriptor.sidecar else None
    catalog = read_catalog(catalog_path, name=descriptor.catalog.key)
    return Shard(OpenFiles(descriptor, catalog, graph, sidecar), is_live, tuning or SearchTuning())


def manifests(
    store: ObjectStore, retry: CommitRetry | None = None, model: ModelIdentity = MODEL
) -> ManifestStore:
    return ManifestStore(store, CORPUS, model, retry)


def searcher(
    store: ObjectStore,
    directory: Path,
    *,
    tuning: SearchTuning | None = None,
    recheck_seconds: float = 0.0,
    model: ModelIdentity = MODEL,
) -> Searcher:
    cache = ManifestCache(manifests(store, model=model), recheck_seconds=recheck_seconds)
    source = SnapshotSource(cache, ShardCache(store, directory), POOL, tuning=tuning)
    return Searcher(source, POOL, tuning=tuning)


def texts_by_id(chunks: Sequence[Chunk]) -> Mapping[str, str]:
    return {c.chunk_id: c.text for c in chunks}
