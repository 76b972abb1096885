"""The data of the search benchmark: vectors, queries, what the right answers are, and filters."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers.systems import Dataset, K, RowFilter, Rows
from shared.embedding.encoder import Vectors

# The noise of a jittered vector is a third of its length: the cosine with its origin is about .95.
JITTER = 1.0 / 3.0
SHARES = (0.5, 0.1, 0.01, 0.001)
CLUSTERS = 10
_SEED = 11
_CLUSTERING_SAMPLE = 20_000
_CLUSTERING_ROUNDS = 10
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Queries:
    """Questions: their words and their vectors, one row each."""

    texts: Sequence[str]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class FilterCase:
    """A filter for each query, and the rows that exact search under it finds."""

    name: str
    conditions: Sequence[RowFilter]
    truth: Sequence[Sequence[int]]

    def as_requests(self, queries: Sequence[int]) -> list[dict[str, int | None]]:
        """The conditions of some queries, as a worker takes them."""
        return [asdict(self.conditions[number]) for number in queries]


def write_dataset(
    folder: Path,
    vectors: Vectors,
    texts: Sequence[tuple[str, str]],
    queries: Queries,
    rows: int,
) -> Dataset:
    """Write a dataset of `rows` rows; those beyond the real vectors are jittered copies of them."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(_SEED)
    enough = np.concatenate(list(_grown(vectors, rows, random)))
    np.save(folder / "vectors.npy", enough)
    np.save(folder / "queries.npy", queries.vectors)
    (folder / "queries.json").write_text(json.dumps(queries.texts), encoding="utf-8")
    np.save(folder / "ranks.npy", random.permutation(rows))
    np.save(folder / "clusters.npy", nearest(enough, cluster_centres(enough, random)))
    lines = (json.dumps(text, ensure_ascii=False) for text in texts[:rows])
    (folder / "texts.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Dataset(folder)


def _grown(vectors: Vectors, rows: int, random: np.random.Generator) -> Iterator[Vectors]:
    yield np.asarray(vectors[:rows], dtype=np.float32)
    made = min(rows, len(vectors))
    while made < rows:
        origins = vectors[: min(rows - made, len(vectors))]
        noise = random.standard_normal(origins.shape, dtype=np.float32)
        noisy = origins + noise * (JITTER / np.sqrt(vectors.shape[1]))
        yield (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
        made += len(origins)


def cluster_centres(vectors: Vectors, random: np.random.Generator) -> Vectors:
    """Centres of groups of similar rows: k-means over a sample, unit length."""
    size = min(len(vectors), _CLUSTERING_SAMPLE)
    sample = vectors[np.sort(random.choice(len(vectors), size, replace=False))]
    centres = sample[random.choice(size, min(CLUSTERS, size), replace=False)]
    for _ in range(_CLUSTERING_ROUNDS):
        member_of = nearest(sample, centres)
        for number in np.unique(member_of):
            mean = sample[member_of == number].mean(axis=0)
            centres[number] = mean / np.linalg.norm(mean)
    return centres


def nearest(vectors: Vectors, centres: Vectors) -> Rows:
    """The number of the centre that is nearest to each row."""
    found: Rows = np.concatenate(
        [
            np.argmax(vectors[start : start + _ROWS_AT_ONCE] @ centres.T, axis=1)
            for start in range(0, len(vectors), _ROWS_AT_ONCE)
        ]
    )
    return found


def exact_rows(vectors: Vectors, queries: Vectors, among: Rows | None = None) -> list[list[int]]:
    """The `K` best rows for each query by comparing all, or all `among` some rows."""
    candidates = vectors if among is None else vectors[among]
    scores = queries @ candidates.T
    best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    if among is not None:
        best = among[best]
    return [[int(row) for row in line] for line in best]


def filter_cases(dataset: Dataset, queries: Vectors) -> list[FilterCase]:
    """Filters that any row may pass, and filters that go with or against what is asked.

    A correlated filter lets the rows of that cluster pass that is nearest to the query, an
    anti-correlated one those of the farthest; a tenth of all rows, more or less, each.
    """
    vectors, ranks, clusters = np.asarray(dataset.vectors), dataset.ranks, dataset.clusters
    cases = []
    for share in SHARES:
        below = max(K, round(len(vectors) * share))
        truth = exact_rows(vectors, queries, np.flatnonzero(ranks < below))
        condition = RowFilter(rank_below=below)
        cases.append(FilterCase(f"{share:.1%} at random", [condition] * len(queries), truth))
    numbers = np.unique(clusters)
    centres = np.stack([vectors[clusters == number].mean(axis=0) for number in numbers])
    similarity = queries @ centres.T
    for name, chosen in (
        ("correlated cluster", numbers[np.argmax(similarity, axis=1)]),
        ("anti-correlated cluster", numbers[np.argmin(similarity, axis=1)]),
    ):
        truth = [
            exact_rows(vectors, query[np.newaxis], np.flatnonzero(clusters == number))[0]
            for query, number in zip(queries, chosen, strict=True)
        ]
        conditions = [RowFilter(cluster=int(number)) for number in chosen]
        cases.append(FilterCase(name, conditions, truth))
    return cases


def recall_of(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> float:
    """The share of the right rows that were found, over all queries."""
    wanted = sum(len(rows) for rows in truth)
    hits = sum(len(set(rows) & set(right)) for rows, right in zip(found, truth, strict=True))
    return hits / wanted if wanted else 0.0
