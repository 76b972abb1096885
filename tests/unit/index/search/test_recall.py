"""Recall: live answers beside exact ones, over a seeded sample of live rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.errors import NotFoundError
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.recall import RecallPlan, measure_recall
from shared.index.search.searcher import Searcher, SearchQuery, SearchResult
from shared.index.search.snapshot import Snapshot
from shared.models.chunk import Chunk
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    GRAPH_ALWAYS,
    build_shard,
    chunk,
    manifests,
    searcher,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor

ROWS = 300
VECTORS = unit_vectors(ROWS, seed=1)


def encode(text: str) -> Vectors:
    vector: Vectors = VECTORS[int(text)]
    return vector


def committed(store: MemoryObjectStore, parts: int = 3) -> None:
    chunks: Sequence[Chunk] = [chunk(f"t:{n}", text=str(n)) for n in range(ROWS)]
    shards = [
        build_shard(store, chunks[p::parts], VECTORS[p::parts], origin=f"r/p/{p}")
        for p in range(parts)
    ]
    manifests(store).commit(shards, floor=no_floor)


@pytest.fixture
def reader(tmp_path: Path) -> Searcher:
    store = MemoryObjectStore()
    committed(store)
    return searcher(store, tmp_path, tuning=GRAPH_ALWAYS)


class Forgetful(Searcher):
    """Finds, without `exact`, only every other hit."""

    def search(self, query: SearchQuery, snapshot: Snapshot | None = None) -> SearchResult:
        found = super().search(query, snapshot)
        if query.exact:
            return found
        return SearchResult(
            found.hits[::2], found.snapshot, found.searched, found.groups, found.milliseconds
        )


def test_a_good_index_recalls_nearly_all(reader: Searcher) -> None:
    found = measure_recall(
        reader, reader.refresh().snapshot, encode, RecallPlan(samples=50, k=10, seed=1)
    )
    assert (found.samples, found.version) == (50, 1)
    assert found.recall >= 0.99
    assert found.recall_worst <= found.recall
    assert found.live_ms >= 0
    assert found.exact_ms >= 0


def test_what_is_not_found_lowers_it(reader: Searcher) -> None:
    forgetful = Forgetful(reader._source, reader._pool, tuning=GRAPH_ALWAYS)
    plan = RecallPlan(samples=20, k=10, seed=1)
    found = measure_recall(forgetful, reader.refresh().snapshot, encode, plan)
    assert found.recall == pytest.approx(0.5, abs=0.01)
    assert found.recall_worst <= 0.5


def asked(reader: Searcher, plan: RecallPlan) -> list[str]:
    texts: list[str] = []

    def record(text: str) -> Vectors:
        texts.append(text)
        return encode(text)

    measure_recall(reader, reader.refresh().snapshot, record, plan)
    return texts


def test_a_seed_draws_the_same_rows_from_all_shards(reader: Searcher) -> None:
    plan = RecallPlan(samples=60, k=1, seed=4)
    texts = asked(reader, plan)
    assert texts == asked(reader, plan)
    assert texts != asked(reader, RecallPlan(samples=60, k=1, seed=5))
    assert len(set(texts)) == 60
    assert {int(text) % 3 for text in texts} == {0, 1, 2}


def test_no_more_rows_are_asked_for_than_are_live(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    committed(store)
    none = np.empty((0, VECTORS.shape[1]), np.float32)
    gone = [f"t:{n}" for n in range(10, ROWS)]
    manifests(store).commit(
        [build_shard(store, [], none, origin="sweep", seq=2, covered=gone)], floor=no_floor
    )
    texts = asked(searcher(store, tmp_path), RecallPlan(samples=50, k=5, seed=0))
    assert sorted(texts, key=int) == [str(n) for n in range(10)]


def test_an_index_without_rows_has_no_recall(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    none = np.empty((0, VECTORS.shape[1]), np.float32)
    manifests(store).commit([build_shard(store, [], none, covered=["t:1"])], floor=no_floor)
    with pytest.raises(NotFoundError, match="holds no row"):
        asked(searcher(store, tmp_path), RecallPlan(samples=5, k=5, seed=0))


def test_it_ends_in_time_with_what_it_has(reader: Searcher) -> None:
    ticks = iter(range(1000))
    plan = RecallPlan(samples=50, k=5, seed=0, seconds=3.5)
    found = measure_recall(
        reader, reader.refresh().snapshot, encode, plan, clock=lambda: float(next(ticks))
    )
    assert found.samples == 4
