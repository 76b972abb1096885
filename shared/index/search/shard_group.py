"""A part of an index that is searched in one place, and the part that is open in this process.

Answers do not depend on how shards are distributed over groups: every shard is searched by itself
and as deeply as the whole index needs, and the merge has its own order.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from shared.index.best_rows import NOTHING_RANKED, Ranked, distinct
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Labels, Vectors
from shared.index.search.ranking import Names, Positions, Scores, best_of
from shared.index.shard.lexical import Bm25, TermStatistics, combine
from shared.index.shard.shard_reader import Shard
from shared.index.shard.sidecar import StoredChunk
from shared.index.shard.suggestions import Suggestions, Unknown, combine_suggestions
from shared.index.shard.word_search import NO_UNITS, Floor, LookedUp, ScoredUnits

ResultT = TypeVar("ResultT")
ScalarT = TypeVar("ScalarT", bound=np.generic)
Keys = npt.NDArray[np.int64]

# A unit of one of several shards as one number: the shard, and the unit in it.
_UNIT_BITS = 32
_UNIT_MASK = (1 << _UNIT_BITS) - 1


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


class FoundPassage(NamedTuple):
    """A passage of a found unit, with its cosine where the query has a vector."""

    chunk: StoredChunk
    similarity: float | None


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """The entities, or rows, of a group that are among the best by vector or by word.

    Each has a place in every array. `similarities` are the greatest cosines of their rows, nan
    where the query has no vector; `words` are their BM25 scores, 0 where the query has no words,
    and `has_all` says which hold every word. `names` gives the chunk ids of their first rows.
    `shards` and `units` say where they lie in the group that found them.
    """

    similarities: Scores
    words: Scores
    has_all: npt.NDArray[np.bool_]
    shards: Positions
    units: Positions
    names: Names


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

    def passages(
        self, query: GroupQuery, answer: GroupAnswer, chosen: Sequence[int]
    ) -> list[list[FoundPassage]]:
        """The best passages of the units at some places of what `search` answered."""
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


class _Rankings(NamedTuple):
    """The best units of a shard by vector, and by word; the latter with the scores of both."""

    nearest: Ranked
    lexical: ScoredUnits


class LocalGroup:
    """Implements `ShardGroup` over open shards, for one search."""

    def __init__(self, shards: Sequence[Shard], spread: Spread) -> None:
        self._shards = [shard for shard in shards if shard.descriptor.vectors]
        self._spread = spread
        self._asked: tuple[tuple[str, ...], bool] | None = None
        self._looked_up: Sequence[LookedUp] = ()
        self._ranking: Bm25 | None = None
        self._ranked: GroupQuery | None = None

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
        floor = Floor(query.depth)

        def search(number: int) -> _Rankings:
            shard = shards[number]
            candidates = shard.matching(query.filters)
            nearest = _nearest(shard, query, candidates)
            if words is None:
                return _Rankings(nearest, NO_UNITS)
            looked_up, ranking = words[0][number], words[1]
            lexical = shard.best_matches(
                looked_up, ranking, query.depth, candidates, nearest.rows, floor
            )
            return _Rankings(nearest, lexical)

        return self._completed(query, self._spread(search, len(shards)))

    def passages(
        self, query: GroupQuery, answer: GroupAnswer, chosen: Sequence[int]
    ) -> list[list[FoundPassage]]:
        """Choose rows and read the sidecars."""
        words = self._words(query)
        passages: dict[int, list[FoundPassage]] = {}
        of_shards: dict[int, list[int]] = {}
        for place in chosen:
            of_shards.setdefault(int(answer.shards[place]), []).append(place)
        for number, places in of_shards.items():
            shard = self._shards[number]
            rows = shard.passages(
                answer.units[places].tolist(),
                query.passages,
                by_entity=query.by_entity,
                nearest=[None] * len(places)
                if query.vector is None
                else answer.similarities[places].tolist(),
                query=query.vector,
                words=None if words is None else (words[0][number], words[1]),
            )
            read = shard.documents([row.label for some in rows for row in some])
            for place, some in zip(places, rows, strict=True):
                passages[place] = [FoundPassage(read[row.label], row.similarity) for row in some]
        return [passages[place] for place in chosen]

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
        if self._ranking is None or self._ranked is not query:
            self._ranking = Bm25.of(query.statistics, query.terms)
            self._ranked = query
        return self._look_up(query.terms, query.by_entity), self._ranking

    def _look_up(self, terms: tuple[str, ...], by_entity: bool) -> Sequence[LookedUp]:
        if self._asked != (terms, by_entity):
            shards = self._shards
            distinct = tuple(dict.fromkeys(terms))
            self._looked_up = self._spread(
                lambda number: shards[number].look_up(distinct, by_entity=by_entity), len(shards)
            )
            self._asked = (terms, by_entity)
        return self._looked_up

    def _best(self, query: GroupQuery, keys: Keys, scores: Scores) -> Positions:
        """The places of the best units of all shards."""
        return best_of(scores, query.depth, lambda places: self._names(query, keys[places]))

    def _names(self, query: GroupQuery, keys: npt.NDArray[np.int64]) -> list[str]:
        names = [""] * len(keys)
        numbers, units = keys >> _UNIT_BITS, keys & _UNIT_MASK
        for number in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == number)
            read = self._shards[number].names(units[places], by_entity=query.by_entity)
            for place, name in zip(places.tolist(), read, strict=True):
                names[place] = name
        return names

    def _completed(self, query: GroupQuery, found: Sequence[_Rankings]) -> GroupAnswer:
        """The best units of all shards, with the scores that their own ranking did not need."""
        found = found or [_Rankings(NOTHING_RANKED, NO_UNITS)]
        near = _keys([one.nearest.rows for one in found])
        cosines = _joined([one.nearest.scores for one in found])
        nearest = self._best(query, near, cosines)
        # Ascending, as the units of each shard are; all that is among the nearest is there, too.
        scored = _keys([one.lexical.units for one in found])
        scores = _joined([one.lexical.scores for one in found])
        held = _joined(_shifted([one.lexical for one in found]))
        lexical = held[self._best(query, scored[held], scores[held])]
        keys = distinct(np.concatenate((near[nearest], scored[lexical])))
        similarities: Scores = np.full(len(keys), np.nan)
        similarities[np.searchsorted(keys, near[nearest])] = cosines[nearest]
        words: Scores = np.zeros(len(keys))
        has_all = np.zeros(len(keys), dtype=np.bool_)
        if query.statistics is not None:
            places = np.searchsorted(scored, keys)
            words = scores[places]
            has_all = _joined([one.lexical.has_all for one in found])[places]
        numbers, units = keys >> _UNIT_BITS, keys & _UNIT_MASK
        if query.vector is not None:
            self._complete(query.vector, numbers, units, similarities, by_entity=query.by_entity)
        return GroupAnswer(
            similarities,
            words,
            has_all,
            shards=numbers,
            units=units,
            names=lambda some: self._names(query, keys[some]),
        )

    def _complete(
        self, vector: Vectors, numbers: Keys, units: Keys, similarities: Scores, *, by_entity: bool
    ) -> None:
        """Fill in the cosines that the search by vector did not find."""
        lacking = np.flatnonzero(np.isnan(similarities))
        ends = np.searchsorted(numbers[lacking], np.arange(len(self._shards) + 1)).tolist()
        for number, shard in enumerate(self._shards):
            places = lacking[ends[number] : ends[number + 1]]
            if len(places):
                similarities[places] = shard.nearness(units[places], vector, by_entity=by_entity)


def _keys(of_shards: Sequence[npt.NDArray[np.int64]]) -> Keys:
    return _joined([number << _UNIT_BITS | units for number, units in enumerate(of_shards)])


def _shifted(of_shards: Sequence[ScoredUnits]) -> list[Positions]:
    """The places of the best units among those of all shards."""
    begins = np.cumsum([0, *(len(one.units) for one in of_shards)]).tolist()
    return [begin + one.best for begin, one in zip(begins, of_shards, strict=False)]


def _joined(parts: Sequence[npt.NDArray[ScalarT]]) -> npt.NDArray[ScalarT]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _nearest(shard: Shard, query: GroupQuery, candidates: Labels | None) -> Ranked:
    if query.vector is None:
        return NOTHING_RANKED
    return shard.nearest_units(
        query.vector,
        query.depth,
        candidates,
        by_entity=query.by_entity,
        least=query.least,
        breadth=query.breadth,
        exact=query.exact,
    )
