"""This engine over a folder: shards written, committed and searched by the pipeline's own code."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from shared.embedding.encoder import Vectors
from shared.index.manifest.manifest_store import ManifestCache, ManifestStore
from shared.index.search.searcher import Searcher
from shared.index.search.shard_cache import ShardCache
from shared.index.search.snapshot import SnapshotSource
from shared.index.shard.shard_writer import ShardSource, collect_content, write_shard
from shared.models.chunk import Chunk, CoveredEntity
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.storage.object_store import ObjectStore

CORPUS = "benchmark"
_SEQ = 1
_THREADS = 2
_NEVER_SECONDS = 1e9


def write_index(
    store: ObjectStore,
    model: ModelIdentity,
    chunks: Sequence[Chunk],
    vectors: Vectors,
    *,
    rows_per_shard: int,
) -> list[ShardDescriptor]:
    """Write chunks and their vectors as shards and commit them; returns the shards.

    The chunks of an entity must follow each other: they go to one shard, as one shard speaks for
    an entity, so that a shard may hold a few rows more than `rows_per_shard`.
    """
    shards = []
    for number, part in enumerate(_entity_slices(chunks, rows_per_shard)):
        origin = f"benchmark/shard/{number}"
        content = collect_content(_lines(chunks[part]), origin=origin, seq=_SEQ)
        source = ShardSource(CORPUS, model, origin, _SEQ)
        shards.append(write_shard(store, source, content, vectors[part]))
    ManifestStore(store, CORPUS, model).commit(shards, floor=lambda: 0)
    return shards


def _entity_slices(chunks: Sequence[Chunk], rows: int) -> Iterator[slice]:
    start = 0
    while start < len(chunks):
        stop = min(start + rows, len(chunks))
        while stop < len(chunks) and chunks[stop].parent == chunks[stop - 1].parent:
            stop += 1
        yield slice(start, stop)
        start = stop


def _lines(chunks: Sequence[Chunk]) -> Iterator[Chunk | CoveredEntity]:
    for key in dict.fromkeys(chunk.parent for chunk in chunks):
        yield CoveredEntity(entity_key=key)
    yield from chunks


@contextmanager
def open_index(store: ObjectStore, model: ModelIdentity, cache: Path) -> Iterator[Searcher]:
    """Yield the searcher of what `write_index` committed; shard files are fetched to `cache`."""
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        manifests = ManifestCache(
            ManifestStore(store, CORPUS, model), recheck_seconds=_NEVER_SECONDS
        )
        source = SnapshotSource(manifests, ShardCache(store, cache), pool)
        yield Searcher(source, pool)
