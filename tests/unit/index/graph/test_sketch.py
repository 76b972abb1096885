"""Filtered dense search by graph and by sketch against brute force over the same filter."""

from pathlib import Path

import numpy as np
import pytest

from shared.index.catalog.filters import FieldFilter, SearchFilters
from shared.index.graph.hnsw_file import GraphFile, Labels, MarkedGraph, Vectors, write_graph
from shared.index.graph.sketch import (
    SKETCH_DIMS,
    Sketch,
    is_worth_sketching,
    least_estimate_in_reach,
)
from shared.index.shard.shard_reader import SearchTuning, Shard
from shared.models.manifest import ModelIdentity
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import build_shard, chunk, open_shard, unit_vectors

DIMS = 200
ROWS = 4000
TOPICS = 40


def topical_vectors(seed: int) -> tuple[Vectors, Labels]:
    """Vectors around some topics, as those of texts are, and the topic of each."""
    random = np.random.default_rng(seed)
    centres = unit_vectors(TOPICS, 1, DIMS)
    topics = random.integers(0, TOPICS, ROWS)
    vectors = centres[topics] + 0.05 * random.standard_normal((ROWS, DIMS)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), topics


def best(vectors: Vectors, query: Vectors, candidates: Labels, count: int) -> set[int]:
    order = np.argsort(-(vectors[candidates] @ query))[:count]
    return set(candidates[order].tolist())


class Topical:
    """A shard whose rows know a random number and how near their topic is to topic 0."""

    def __init__(self, directory: Path) -> None:
        self.vectors, topics = topical_vectors(3)
        centres = unit_vectors(TOPICS, 1, DIMS)
        nearness = np.argsort(np.argsort(-(centres @ centres[0])))
        random = np.random.default_rng(4).permutation(ROWS)
        chunks = [
            chunk(
                f"t:{n:05d}",
                fields={"random": int(random[n]) / ROWS, "far": int(nearness[topics[n]]) / TOPICS},
            )
            for n in range(ROWS)
        ]
        store = MemoryObjectStore()
        model = ModelIdentity(id="random", revision="1", dims=DIMS)
        self.descriptor = build_shard(store, chunks, self.vectors, model=model)
        self.store, self.directory = store, directory
        noise = 0.05 * np.random.default_rng(5).standard_normal((40, DIMS)).astype(np.float32)
        queries = centres[0] + noise
        self.queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)

    def shard(self, tuning: SearchTuning | None = None) -> Shard:
        return open_shard(self.store, self.descriptor, self.directory, tuning=tuning)


@pytest.fixture(scope="module")
def topical(tmp_path_factory: pytest.TempPathFactory) -> Topical:
    return Topical(tmp_path_factory.mktemp("topical"))


@pytest.mark.parametrize("exact_rows", [0, 2000])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("kind", ["random", "near", "far"])
def test_filtered_recall(topical: Topical, kind: str, share: float, exact_rows: int) -> None:
    share = share if kind == "random" else max(share, 1.0 / TOPICS)
    condition = {
        "random": FieldFilter("random", maximum=str(share - 1.0 / ROWS)),
        "near": FieldFilter("far", maximum=str(share - 1.0 / TOPICS)),
        "far": FieldFilter("far", minimum=str(1.0 - share)),
    }[kind]
    shard = topical.shard(SearchTuning(exact_rows=exact_rows))
    candidates = shard.matching(SearchFilters(fields=(condition,)))
    assert candidates is not None
    assert len(candidates) == pytest.approx(share * ROWS, rel=0.3)
    for count in (10, 50):
        hits = total = 0
        for query in topical.queries:
            found = {label for label, _ in shard.nearest(query, count, candidates, breadth=100)}
            assert found <= set(candidates.tolist())
            expected = best(topical.vectors, query, candidates, count)
            hits, total = hits + len(found & expected), total + len(expected)
        assert hits / total >= 0.99


def test_a_filter_over_one_of_many_shards_is_searched_as_widely_as_over_one(
    topical: Topical, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    search = MarkedGraph.search

    def noted(graph: MarkedGraph, query: Vectors, breadth: int) -> object:
        asked.append(breadth)
        return search(graph, query, breadth)

    monkeypatch.setattr(MarkedGraph, "search", noted)
    shard = topical.shard(SearchTuning(exact_rows=0, breadth=200))
    candidates = shard.matching(SearchFilters(fields=(FieldFilter("random", maximum="0.5"),)))
    shard.nearest(topical.queries[0], 10, candidates, breadth=100)
    assert max(asked) == 200


def graph_file(directory: Path, vectors: Vectors) -> GraphFile:
    path = directory / "graph"
    rows, dims = vectors.shape
    write_graph(path, [vectors], rows=rows, dims=dims)
    return GraphFile(lambda: path, rows=rows, dims=dims, name="the-key")


def test_sketches_that_tell_nothing_lead_to_exact_search(tmp_path: Path) -> None:
    vectors = unit_vectors(3000, 1, 300)  # the same in all directions: nothing to sketch
    graph = graph_file(tmp_path, vectors)
    candidates = np.arange(0, 3000, 2)
    for query in unit_vectors(5, 2, 300):
        found = {label for label, _ in graph.sketched(query, 10, candidates)}
        assert found == best(vectors, query, candidates, 10)


def test_sketched_and_exact_search_give_the_same_cosines(topical: Topical, tmp_path: Path) -> None:
    graph = graph_file(tmp_path, topical.vectors)
    candidates = np.arange(0, ROWS, 2)
    for query in topical.queries[:5]:
        sketched = dict(graph.sketched(query, 20, candidates))
        exact = dict(graph.exact(query, 20, candidates))
        assert sketched.keys() == exact.keys()
        assert sketched == exact


def test_sketches_lie_by_label_wherever_the_vectors_do(topical: Topical) -> None:
    order = np.random.default_rng(1).permutation(ROWS)
    positions = np.argsort(order)
    shuffled = Sketch(topical.vectors[order], positions)
    cosines = topical.vectors @ topical.queries[0]
    labels = np.array([5, 17, 3999])
    np.testing.assert_allclose(
        shuffled.estimates(topical.queries[0], labels), cosines[labels], atol=0.15
    )
    every = shuffled.estimates(topical.queries[0], np.arange(ROWS))
    np.testing.assert_allclose(every[labels], shuffled.estimates(topical.queries[0], labels), 1e-4)


def test_short_vectors_are_not_sketched() -> None:
    assert not is_worth_sketching(SKETCH_DIMS)
    assert is_worth_sketching(384)


def test_few_rows_are_in_reach_when_sketches_lack_little() -> None:
    estimates = np.linspace(0.9, 0.5, 100, dtype=np.float32)
    steady = least_estimate_in_reach(estimates, estimates + np.float32(0.01), 10)
    assert steady == pytest.approx(float(estimates[9]), abs=1e-5)
    noise = np.random.default_rng(1).normal(0, 0.2, 100).astype(np.float32)
    assert least_estimate_in_reach(estimates, estimates + noise, 10) < 0.3
    assert least_estimate_in_reach(estimates, estimates, 100) == pytest.approx(0.5)


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.3])
def test_the_best_are_found_however_much_the_sketches_lack(tmp_path: Path, noise: float) -> None:
    random = np.random.default_rng(6)
    latent = random.standard_normal((6000, 20)) @ random.standard_normal((20, DIMS))
    vectors = latent / np.linalg.norm(latent, axis=1, keepdims=True)
    vectors += noise * random.standard_normal((6000, DIMS)) / np.sqrt(DIMS) * 3.0
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    graph = graph_file(tmp_path, vectors)
    candidates = np.flatnonzero(random.random(6000) < 0.7)
    hits = 0
    for query in vectors[:20]:
        for count in (1, 10, 200):
            found = {label for label, _ in graph.sketched(query, count, candidates)}
            hits += len(found & best(vectors, query, candidates, count))
    assert hits >= 0.995 * 20 * 211
