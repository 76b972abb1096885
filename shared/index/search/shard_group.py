"""A part of an index that is searched in one place, and the part that is open in this process.

Answers do not depend on how shards are distributed over groups: every shard is searched by itself
and as deeply as the whole index needs, and the merge has its own order.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from shared.index.best_rows import Ranked
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Labels, Vectors
from shared.index.shard.lexical import Bm25, TermStatistics, combine
from shared.index.shard.shard_reader import Shard
from shared.index.shard.sidecar import StoredChunk
from shared.index.shard.suggestions import Suggestions, Unknown, combine_suggestions
from shared.index.shard.word_search import LookedUp

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class GroupQuery:
    """What is asked of every group.

    With a `vector` the nearest units are wanted, with `statistics` of the whole index those that
    hold one of `terms`; either ranking goes `depth` units deep, or where that would cost a second
    search of a graph, `least` deep. Units are entities, or rows without
    `by_entity`; of those that are hits up to `passages` rows are shown. `breadth` is hnswlib's ef.
    `exact` compares every row instead.
    """

    depth: int
    least: int
    breadth: int
    by_entity: bool
    passages: int
    vector: Vectors | None = None
    terms: tuple[str, ...] = ()
    statistics: TermStatistics | None = None
    filters: SearchFilters = field(default_factory=SearchFilters)
    exact: bool = False


class FoundUnit(NamedTuple):
    """An entity, or a row, that one of the rankings holds.

    `name` is the chunk id of its first row. `similarity` is the greatest cosine of its rows where
    the query has a vector; `words` is its BM25 score where the query has words, and `has_all`
    whether it holds every one. `shard` and `unit` say where it lies in the group that found it.
    """

    name: str
    similarity: float | None
    words: float | None
    has_all: bool
    shard: int
    unit: int


class FoundPassage(NamedTuple):
    """A passage of a found unit, with its cosine where the query has a vector."""

    chunk: StoredChunk
    similarity: float | None


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """The best units of a group by vector and by word, each once and in no order."""

    units: Sequence[FoundUnit] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """How many live rows a group has, and the texts of some that were drawn at random."""

    rows: int
    texts: tuple[str, ...]


class ShardGroup(Protocol):
    """Some shards of one manifest version, for the time of one search."""

    def statistics(self, terms: Sequence[str], *, by_entity: bool) -> TermStatistics:
        """What the live units of the group add to the statistics of the index."""
        ...

    def suggest(self, unknown: Unknown) -> Suggestions:
        """What the group knows that may stand for words that no group knows."""
        ...

    def search(self, query: GroupQuery) -> GroupAnswer:
        """The best units of the group."""
        ...

    def passages(self, query: GroupQuery, units: Sequence[FoundUnit]) -> list[list[FoundPassage]]:
        """The best passages of units that `search` returned, in the order of the units."""
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


class _ShardRankings(NamedTuple):
    nearest: Ranked
    lexical: Ranked


class LocalGroup:
    """Implements `ShardGroup` over open shards."""

    def __init__(self, shards: Sequence[Shard], spread: Spread) -> None:
        self._shards = [shard for shard in shards if shard.descriptor.vectors]
        self._spread = spread
        self._asked: tuple[tuple[str, ...], bool] | None = None
        self._looked_up: Sequence[LookedUp] = ()

    def statistics(self, terms: Sequence[str], *, by_entity: bool) -> TermStatistics:
        """Look the words up; the search that follows finds them looked up already."""
        return combine(part.statistics for part in self._look_up(tuple(terms), by_entity))

    def suggest(self, unknown: Unknown) -> Suggestions:
        """Ask every shard for itself."""
        shards = self._shards
        return combine_suggestions(
            self._spread(lambda number: shards[number].suggest(unknown), len(shards))
        )

    def search(self, query: GroupQuery) -> GroupAnswer:
        """Search every shard for itself, and complete the scores of the best units of all."""
        shards, words = self._shards, self._words(query)

        def search(number: int) -> _ShardRankings:
            shard = shards[number]
            candidates = shard.matching(query.filters)
            nearest = _nearest(shard, query, candidates)
            if words is None:
                return _ShardRankings(nearest, [])
            looked_up, ranking = words[0][number], words[1]
            lexical = shard.best_matches(looked_up, ranking, query.depth, candidates)
            return _ShardRankings(nearest, lexical)

        found = self._spread(search, len(shards))
        nearest = self._best([one.nearest for one in found], query)
        lexical = self._best([one.lexical for one in found], query)
        names: dict[tuple[int, int], str] = {}
        similarities: dict[tuple[int, int], float] = {}
        for name, score, number, unit in nearest:
            names[number, unit] = name
            similarities[number, unit] = score
        for name, _, number, unit in lexical:
            names[number, unit] = name
        return GroupAnswer(self._completed(query, names, similarities))

    def passages(self, query: GroupQuery, units: Sequence[FoundUnit]) -> list[list[FoundPassage]]:
        """Choose rows and read the sidecars."""
        words = self._words(query)
        chosen = [
            self._shards[found.shard].passages(
                found.unit,
                query.passages,
                by_entity=query.by_entity,
                nearest=found.similarity,
                query=query.vector,
                words=None if words is None else (words[0][found.shard], words[1]),
            )
            for found in units
        ]
        labels: dict[int, list[int]] = {}
        for found, rows in zip(units, chosen, strict=True):
            labels.setdefault(found.shard, []).extend(row.label for row in rows)
        read = {number: self._shards[number].documents(some) for number, some in labels.items()}
        return [
            [FoundPassage(read[found.shard][row.label], row.similarity) for row in rows]
            for found, rows in zip(units, chosen, strict=True)
        ]

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

    def _words(self, query: GroupQuery) -> tuple[Sequence[LookedUp], Bm25] | None:
        if query.statistics is None:
            return None
        ranking = Bm25.of(query.statistics, query.terms)
        return self._look_up(query.terms, query.by_entity), ranking

    def _look_up(self, terms: tuple[str, ...], by_entity: bool) -> Sequence[LookedUp]:
        if self._asked != (terms, by_entity):
            shards = self._shards
            distinct = tuple(dict.fromkeys(terms))
            self._looked_up = self._spread(
                lambda number: shards[number].look_up(distinct, by_entity=by_entity), len(shards)
            )
            self._asked = (terms, by_entity)
        return self._looked_up

    def _best(
        self, ranked: Sequence[Ranked], query: GroupQuery
    ) -> list[tuple[str, float, int, int]]:
        """The best units of all shards; only of those that may be among them is the name read."""
        best = heapq.nlargest(query.depth, (score for part in ranked for _, score in part))
        if not best:
            return []
        found: list[tuple[str, float, int, int]] = []
        for number, part in enumerate(ranked):
            kept = [(unit, score) for unit, score in part if score >= best[-1]]
            names = self._shards[number].names(
                [unit for unit, _ in kept], by_entity=query.by_entity
            )
            found += [
                (name, score, number, unit) for name, (unit, score) in zip(names, kept, strict=True)
            ]
        found.sort(key=lambda one: (-one[1], one[0]))
        return found[: query.depth]

    def _completed(
        self,
        query: GroupQuery,
        names: Mapping[tuple[int, int], str],
        similarities: Mapping[tuple[int, int], float],
    ) -> list[FoundUnit]:
        """The units with the scores that their own ranking did not need."""
        of_shards: dict[int, list[int]] = {}
        for number, unit in names:
            of_shards.setdefault(number, []).append(unit)
        words = self._words(query)
        found: list[FoundUnit] = []
        for number, units in of_shards.items():
            cosines = self._cosines(query, number, units, similarities)
            scores: Sequence[float | None] = [None] * len(units)
            held = [False] * len(units)
            if words is not None:
                of_words = self._shards[number].word_scores(words[0][number], words[1], units)
                scores, held = of_words.scores.tolist(), of_words.has_all.tolist()
            for unit, cosine, score, has_all in zip(units, cosines, scores, held, strict=True):
                name = names[number, unit]
                found.append(FoundUnit(name, cosine, score, has_all, number, unit))
        return found

    def _cosines(
        self,
        query: GroupQuery,
        number: int,
        units: Sequence[int],
        similarities: Mapping[tuple[int, int], float],
    ) -> Sequence[float | None]:
        if query.vector is None:
            return [None] * len(units)
        lacking = [unit for unit in units if (number, unit) not in similarities]
        read = self._shards[number].nearness(lacking, query.vector, by_entity=query.by_entity)
        of_lacking = dict(zip(lacking, read, strict=True))
        return [
            of_lacking[unit] if unit in of_lacking else similarities[number, unit] for unit in units
        ]


def _nearest(shard: Shard, query: GroupQuery, candidates: Labels | None) -> Ranked:
    if query.vector is None:
        return []
    return shard.nearest_units(
        query.vector,
        query.depth,
        candidates,
        by_entity=query.by_entity,
        least=query.least,
        breadth=query.breadth,
        exact=query.exact,
    )
