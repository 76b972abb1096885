"""A part of an index that is searched in one place, and the part that is open in this process.

Answers do not depend on how shards are distributed over groups: every shard is searched by itself
and as deeply as the whole index needs, and the merge has its own order.
"""

import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Labels, Vectors
from shared.index.ranking import Ranked
from shared.index.shard.lexical import Bm25, TermStatistics, combine
from shared.index.shard.shard_reader import LookedUp, Shard
from shared.index.shard.sidecar import StoredChunk

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class GroupQuery:
    """What is asked of every group.

    With a `vector` the nearest rows are wanted, with `statistics` of the whole index those that
    hold one of `terms`; either ranking goes `depth` rows deep. `breadth` is hnswlib's ef. `exact`
    compares every row instead.
    """

    depth: int
    breadth: int
    vector: Vectors | None = None
    terms: tuple[str, ...] = ()
    statistics: TermStatistics | None = None
    filters: SearchFilters = field(default_factory=SearchFilters)
    exact: bool = False


class FoundRow(NamedTuple):
    """A row of a ranking.

    `score` orders the ranking; `similarity` is the cosine where the query has a vector. `shard`
    and `label` say where the row lies in the group that found it.
    """

    chunk_id: str
    score: float
    similarity: float | None
    shard: int
    label: int


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """The best rows of a group by vector and by word, best first, ties in chunk-id order."""

    dense: Sequence[FoundRow] = ()
    lexical: Sequence[FoundRow] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """How many live rows a group has, and the texts of some that were drawn at random."""

    rows: int
    texts: tuple[str, ...]


class ShardGroup(Protocol):
    """Some shards of one manifest version, for the time of one search."""

    def statistics(self, terms: Sequence[str]) -> TermStatistics:
        """What the live rows of the group add to the statistics of the index."""
        ...

    def search(self, query: GroupQuery) -> GroupAnswer:
        """The best rows of the group."""
        ...

    def documents(self, rows: Sequence[FoundRow]) -> list[StoredChunk]:
        """Text and metadata of rows that `search` returned, in their order."""
        ...

    def sample(self, count: int, seed: int) -> Sample:
        """Draw up to `count` different live rows."""
        ...


class Spread:
    """Does the same work for several shards in a few tasks: a task a shard would cost more."""

    def __init__(self, pool: Executor, tasks: int) -> None:
        """`tasks` is how many run side by side, one of them on the calling thread: the CPUs."""
        self._pool = pool
        self._tasks = tasks

    def __call__(self, work: Callable[[int], ResultT], count: int) -> list[ResultT]:
        """Return `work(0)` to `work(count - 1)`."""
        tasks = min(self._tasks, count)

        def run(first: int) -> list[ResultT]:
            return [work(number) for number in range(first, count, tasks)]

        if tasks <= 1:
            return run(0) if count else []
        others = [self._pool.submit(run, first) for first in range(1, tasks)]
        of_tasks = [run(0), *(other.result() for other in others)]
        return [of_tasks[number % tasks][number // tasks] for number in range(count)]


class _ShardAnswer(NamedTuple):
    dense: Ranked
    lexical: Ranked
    similarities: Sequence[float]  # of the lexical rows


class LocalGroup:
    """Implements `ShardGroup` over open shards."""

    def __init__(self, shards: Sequence[Shard], spread: Spread) -> None:
        self._shards = [shard for shard in shards if shard.descriptor.vectors]
        self._spread = spread
        self._terms: tuple[str, ...] | None = None
        self._looked_up: Sequence[LookedUp] = ()

    def statistics(self, terms: Sequence[str]) -> TermStatistics:
        """Look the words up; the search that follows finds them looked up already."""
        return combine(part.statistics for part in self._look_up(tuple(terms)))

    def search(self, query: GroupQuery) -> GroupAnswer:
        """Search every shard for itself and merge."""
        shards = self._shards
        if query.statistics is None:
            ranking, looked_up = None, self._looked_up
        else:
            ranking, looked_up = Bm25.of(query.statistics, query.terms), self._look_up(query.terms)

        def search(number: int) -> _ShardAnswer:
            shard = shards[number]
            candidates = shard.matching(query.filters)
            dense = _nearest(shard, query, candidates)
            if ranking is None:
                return _ShardAnswer(dense, [], ())
            words = looked_up[number]
            lexical = shard.best_matches(words, ranking, query.depth, candidates)
            return _ShardAnswer(dense, lexical, _similarities(shard, lexical, query.vector))

        found = self._spread(search, len(shards))
        return GroupAnswer(self._dense(found, query.depth), self._lexical(found, query.depth))

    def documents(self, rows: Sequence[FoundRow]) -> list[StoredChunk]:
        """Read the sidecars."""
        labels: dict[int, list[int]] = {}
        for row in rows:
            labels.setdefault(row.shard, []).append(row.label)
        read = {number: self._shards[number].documents(some) for number, some in labels.items()}
        return [read[row.shard][row.label] for row in rows]

    def sample(self, count: int, seed: int) -> Sample:
        """Draw with numpy's generator, so that a seed always draws the same rows."""
        live = [self._live(shard) for shard in self._shards]
        ends = np.cumsum([len(labels) for labels in live])
        rows = int(ends[-1]) if live else 0
        drawn = np.random.default_rng(seed).choice(rows, min(count, rows), replace=False)
        texts = []
        for position in drawn.tolist():
            number = int(np.searchsorted(ends, position, side="right"))
            label = int(live[number][position - int(ends[number])])
            texts.append(self._shards[number].documents([label])[label].text)
        return Sample(rows, tuple(texts))

    @staticmethod
    def _live(shard: Shard) -> Labels:
        labels = shard.matching(SearchFilters())
        return np.arange(shard.descriptor.vectors) if labels is None else labels

    def _look_up(self, terms: tuple[str, ...]) -> Sequence[LookedUp]:
        if terms != self._terms:
            shards = self._shards
            distinct = tuple(dict.fromkeys(terms))
            self._looked_up = self._spread(lambda n: shards[n].look_up(distinct), len(shards))
            self._terms = terms
        return self._looked_up

    def _dense(self, found: Sequence[_ShardAnswer], depth: int) -> list[FoundRow]:
        return [
            FoundRow(name, score, score, number, label)
            for name, score, number, label in self._best_of_all([one.dense for one in found], depth)
        ]

    def _lexical(self, found: Sequence[_ShardAnswer], depth: int) -> list[FoundRow]:
        similarities: dict[tuple[int, int], float] = {
            (number, label): similarity
            for number, answer in enumerate(found)
            for (label, _), similarity in zip(answer.lexical, answer.similarities, strict=False)
        }
        return [
            FoundRow(name, score, similarities.get((number, label)), number, label)
            for name, score, number, label in self._best_of_all(
                [one.lexical for one in found], depth
            )
        ]

    def _best_of_all(
        self, ranked: Sequence[Ranked], depth: int
    ) -> list[tuple[str, float, int, int]]:
        """The best rows of all shards; only of those that may be among them is the name read."""
        if len(ranked) == 1:  # in order already: rows of a shard lie in that of their names
            name = self._shards[0].chunk_id
            return [(name(label), score, 0, label) for label, score in ranked[0][:depth]]
        best = heapq.nlargest(depth, (score for part in ranked for _, score in part))
        if not best:
            return []
        rows = [
            (self._shards[number].chunk_id(label), score, number, label)
            for number, part in enumerate(ranked)
            for label, score in part
            if score >= best[-1]
        ]
        rows.sort(key=lambda row: (-row[1], row[0]))
        return rows[:depth]


def _nearest(shard: Shard, query: GroupQuery, candidates: Labels | None) -> Ranked:
    if query.vector is None:
        return []
    return shard.nearest(
        query.vector, query.depth, candidates, breadth=query.breadth, exact=query.exact
    )


def _similarities(shard: Shard, rows: Ranked, vector: Vectors | None) -> Sequence[float]:
    if vector is None or not rows:
        return ()
    return shard.similarities([label for label, _ in rows], vector)
