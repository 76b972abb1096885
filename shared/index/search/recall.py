"""How well the graphs of a live index recall: its answers beside those of exact search."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.errors import NotFoundError
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.searcher import Searcher, SearchQuery, SearchResult
from shared.index.search.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class RecallPlan:
    """`samples` random live rows, the same ones for a seed, each asked for its `k` nearest."""

    samples: int
    k: int
    seed: int
    seconds: float = 20.0
    """After which no further sample is begun."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What was measured over `samples` questions: the mean, the worst, and median times."""

    samples: int
    recall: float
    recall_worst: float
    version: int
    live_ms: float
    exact_ms: float


def measure_recall(
    searcher: Searcher,
    snapshot: Snapshot,
    encode: Callable[[str], Vectors],
    plan: RecallPlan,
    clock: Callable[[], float] = time.monotonic,
) -> Recall:
    """Ask for the text of random rows, of the same snapshot with and without the graphs.

    A live hit counts when its cosine is at least that of the last exact one: among equal rows it
    does not matter which are returned.

    Raises:
        NotFoundError: the index holds no row.
        PartialFailureError: a group of shards did not answer.
    """
    began = clock()
    shares: list[float] = []
    live_ms: list[float] = []
    exact_ms: list[float] = []
    for text in _draw(searcher, snapshot, plan):
        if shares and clock() - began > plan.seconds:
            break
        vector = encode(text)
        live = searcher.search(_query(vector, plan.k, exact=False), snapshot)
        exact = searcher.search(_query(vector, plan.k, exact=True), snapshot)
        shares.append(_share(live, exact))
        live_ms.append(live.milliseconds.search)
        exact_ms.append(exact.milliseconds.search)
    return Recall(
        samples=len(shares),
        recall=statistics.fmean(shares),
        recall_worst=min(shares),
        version=snapshot.manifest.version,
        live_ms=statistics.median(live_ms),
        exact_ms=statistics.median(exact_ms),
    )


def _draw(searcher: Searcher, snapshot: Snapshot, plan: RecallPlan) -> list[str]:
    """Texts of rows drawn from the whole index; each group draws its share of them."""
    groups = searcher.groups(snapshot)
    drawn = groups.finish(groups.start(lambda group: group.sample(plan.samples, plan.seed)))
    samples = [drawn[number] for number in sorted(drawn)]
    rows = [sample.rows for sample in samples]
    if not any(rows):
        raise NotFoundError("the index holds no row that could be asked for; run an ingest first")
    count = min(plan.samples, sum(rows))
    counts = np.random.default_rng(plan.seed).multivariate_hypergeometric(rows, count).tolist()
    return [
        text for sample, taken in zip(samples, counts, strict=True) for text in sample.texts[:taken]
    ]


def _query(vector: Vectors, k: int, *, exact: bool) -> SearchQuery:
    return SearchQuery(text="", vector=vector, k=k, mode="dense", by_entity=False, exact=exact)


def _share(live: SearchResult, exact: SearchResult) -> float:
    """The part of the exact hits that the live ones match; 1 when there is nothing to find."""
    if not exact.hits:
        return 1.0
    least = exact.hits[-1].score
    return sum(hit.score >= least for hit in live.hits) / len(exact.hits)
