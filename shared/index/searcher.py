"""Search over all shards of an index: by vector, by word, or both fused."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from shared.errors import InvalidInputError
from shared.index.filters import SearchFilters
from shared.index.graph import Labels, Vectors
from shared.index.lexical import Bm25, combine, query_terms
from shared.index.ranking import Ranked, reciprocal_rank_fusion
from shared.index.shard_reader import SearchTuning, Shard
from shared.index.sidecar import StoredChunk
from shared.index.snapshot import Refreshed, Snapshot, SnapshotSource

SearchMode = Literal["dense", "lexical", "hybrid"]
# How deep each ranking goes into a fusion, at least.
_FUSION_DEPTH = 50
_MANY_SHARDS = 4

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search.

    `vector` has unit length and shape (dims,); only the lexical mode does without. `threshold`
    is the least cosine of a hit, so the lexical mode has none.
    """

    text: str
    vector: Vectors | None
    k: int = 5
    mode: SearchMode = "hybrid"
    filters: SearchFilters = field(default_factory=SearchFilters)
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One passage.

    `score` orders the hits: the cosine (dense), BM25 (lexical) or the fused reciprocal ranks
    (hybrid). `similarity` is the cosine, None in the lexical mode.
    """

    score: float
    similarity: float | None
    chunk: StoredChunk


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and the state of the index they come from."""

    hits: tuple[SearchHit, ...]
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of some shard of the snapshot."""

    shard: int
    label: int


_Scored = tuple[_Row, float]


class _Run(Protocol):
    def __call__(self, work: Callable[[int], ResultT], count: int) -> list[ResultT]: ...


class Searcher:
    """Searches one index; safe under threads."""

    def __init__(
        self,
        source: SnapshotSource,
        pool: Executor,
        *,
        parallel_groups: int = 2,
        tuning: SearchTuning | None = None,
    ) -> None:
        """Search with the shards of `source`.

        Args:
            source: the open shards of the current manifest.
            pool: shared threads.
            parallel_groups: into how many tasks the shards of a search are dealt: the CPUs.
            tuning: when and how widely the graphs are searched.
        """
        self._source = source
        self._pool = pool
        self._groups = parallel_groups
        self._tuning = tuning or SearchTuning()

    def refresh(self) -> Refreshed:
        """Follow the manifest now; see `SnapshotSource.refresh` for what it raises."""
        return self._source.refresh()

    def search(self, query: SearchQuery, snapshot: Snapshot | None = None) -> SearchResult:
        """Return the `k` best hits; equal scores are ordered by chunk id.

        Args:
            query: what to look for.
            snapshot: what `refresh` returned, when that was done already.

        Raises:
            InvalidInputError: the mode needs a vector, or has no use for the threshold.
            NotFoundError, CorruptObjectError, DimensionMismatchError: see `refresh`.
        """
        _check(query)
        snapshot = snapshot or self._source.refresh().snapshot
        search = _Search(snapshot.shards, query, self._run, self._tuning)
        return SearchResult(search.hits(), snapshot)

    def _run(self, work: Callable[[int], ResultT], count: int) -> list[ResultT]:
        """Do `work(0)` to `work(count - 1)` in a few tasks; a task a shard would cost more."""
        groups = min(self._groups, count)
        if groups <= 1:
            return [work(number) for number in range(count)]

        def run_group(first: int) -> list[ResultT]:
            return [work(number) for number in range(first, count, groups)]

        dealt = list(self._pool.map(run_group, range(groups)))
        return [dealt[number % groups][number // groups] for number in range(count)]


class _Search:
    """The steps of one search over one snapshot."""

    def __init__(
        self,
        shards: Sequence[Shard],
        query: SearchQuery,
        run: _Run,
        tuning: SearchTuning,
    ) -> None:
        self._shards = shards
        self._query = query
        self._run = run
        is_many = len(shards) >= _MANY_SHARDS
        self._breadth = tuning.breadth_of_many if is_many else tuning.breadth
        self._candidates: list[Labels | None] = run(
            lambda number: shards[number].matching(query.filters), len(shards)
        )

    def hits(self) -> tuple[SearchHit, ...]:
        query = self._query
        if query.mode == "lexical":
            return self._hydrated(self._lexical(query.k)[: query.k], {})
        if query.mode == "dense":
            dense = self._above_threshold(self._dense(query.k))[: query.k]
            return self._hydrated(dense, dict(dense))
        depth = max(query.k, _FUSION_DEPTH)
        dense, lexical = self._dense(depth), self._lexical(depth)
        fused = reciprocal_rank_fusion([[row for row, _ in dense], [row for row, _ in lexical]])
        similarities = self._similarities(list(fused), dict(dense))
        kept = [
            (row, score)
            for row, score in self._sorted(fused.items())
            if query.threshold is None or similarities[row] >= query.threshold
        ]
        return self._hydrated(kept[: query.k], similarities)

    def _dense(self, count: int) -> list[_Scored]:
        vector = self._query.vector
        if vector is None:
            return []

        def search(number: int) -> Ranked:
            return self._shards[number].nearest(
                vector, count, self._candidates[number], breadth=self._breadth
            )

        return self._merged(self._run(search, len(self._shards)), count)

    def _lexical(self, count: int) -> list[_Scored]:
        terms = query_terms(self._query.text)
        shards = self._shards
        found = self._run(lambda number: shards[number].look_up(terms), len(shards))
        ranking = Bm25(combine(part.statistics for part in found))

        def search(number: int) -> Ranked:
            candidates = self._candidates[number]
            return shards[number].best_matches(found[number], ranking, count, candidates)

        return self._merged(self._run(search, len(shards)), count)

    def _merged(self, ranked: Sequence[Ranked], count: int) -> list[_Scored]:
        scores = heapq.nlargest(count, (score for part in ranked for _, score in part))
        worst = scores[-1] if scores else 0.0
        rows = (
            (_Row(number, label), score)
            for number, part in enumerate(ranked)
            for label, score in part
            if score >= worst
        )
        return self._sorted(rows)[:count]

    def _sorted(self, rows: Iterable[_Scored]) -> list[_Scored]:
        def order(item: _Scored) -> tuple[float, str]:
            row, score = item
            return -score, self._shards[row.shard].chunk_id(row.label)

        return sorted(rows, key=order)

    def _above_threshold(self, rows: list[_Scored]) -> list[_Scored]:
        threshold = self._query.threshold
        return [item for item in rows if threshold is None or item[1] >= threshold]

    def _similarities(self, rows: Sequence[_Row], known: dict[_Row, float]) -> dict[_Row, float]:
        vector = self._query.vector
        similarities = dict(known)
        by_shard: dict[int, list[int]] = {}
        for row in rows:
            if row not in known:
                by_shard.setdefault(row.shard, []).append(row.label)
        for number, labels in by_shard.items():
            if vector is not None:
                found = self._shards[number].similarities(labels, vector)
                similarities |= {
                    _Row(number, label): score for label, score in zip(labels, found, strict=True)
                }
        return similarities

    def _hydrated(
        self, rows: Sequence[_Scored], similarities: dict[_Row, float]
    ) -> tuple[SearchHit, ...]:
        by_shard: dict[int, list[int]] = {}
        for row, _ in rows:
            by_shard.setdefault(row.shard, []).append(row.label)
        documents = {
            number: self._shards[number].documents(labels) for number, labels in by_shard.items()
        }
        return tuple(
            SearchHit(score, similarities.get(row), documents[row.shard][row.label])
            for row, score in rows
        )


def _check(query: SearchQuery) -> None:
    if query.mode != "lexical" and query.vector is None:
        raise InvalidInputError(f"mode {query.mode} needs the vector of the query")
    if query.mode == "lexical" and query.threshold is not None:
        raise InvalidInputError(
            "threshold: is a cosine similarity, which mode lexical does not compute; "
            "leave it out or use dense or hybrid"
        )
