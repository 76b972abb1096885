"""Search over all shards of an index: by vector, by word, or both fused."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

from shared.errors import CorruptObjectError, DamagedIndexError, InvalidInputError
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Vectors
from shared.index.ranking import reciprocal_rank_fusion
from shared.index.search.group_calls import GroupCalls, Round
from shared.index.search.shard_group import (
    FoundRow,
    GroupAnswer,
    GroupQuery,
    LocalGroup,
    ShardGroup,
    Spread,
)
from shared.index.search.snapshot import Refreshed, Snapshot, SnapshotSource
from shared.index.shard.damage import damaged_shard, is_about
from shared.index.shard.lexical import TermStatistics, combine, query_terms
from shared.index.shard.shard_reader import SearchTuning
from shared.index.shard.sidecar import StoredChunk
from shared.models.base import MAXIMUM_RESULTS
from shared.models.manifest import Manifest

SearchMode = Literal["dense", "lexical", "hybrid"]
# How deep each ranking goes into a fusion, at least.
# Deeper than any request asks, so that fusion can lift what only one of the two lists ranks high.
_FUSION_DEPTH = 2 * MAXIMUM_RESULTS
_MANY_SHARDS = 4


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search.

    `vector` has unit length and shape (dims,); only the lexical mode does without. `threshold`
    is the least cosine of a hit, so the lexical mode has none. `exact` compares the vector with
    every row instead of asking the graphs. `partial` says that where a shard is damaged or a group
    of shards fails, the hits of the others will do.
    """

    text: str
    vector: Vectors | None
    k: int = 5
    mode: SearchMode = "hybrid"
    filters: SearchFilters = field(default_factory=SearchFilters)
    threshold: float | None = None
    exact: bool = False
    partial: bool = False


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
class SearchTimes:
    """Milliseconds: ranking, of it waiting for other processes, and reading documents."""

    search: float
    groups: float
    hydrate: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and the state of the index they come from.

    The index is searched in `groups` parts, of which `searched` answered; shards that are left
    out of the part here are named in `snapshot.damage`.
    """

    hits: tuple[SearchHit, ...]
    snapshot: Snapshot
    searched: int
    groups: int
    milliseconds: SearchTimes


@dataclass(frozen=True, slots=True)
class ScaleOut:
    """How an index is searched that is too large for one process.

    `elsewhere` gives the groups of a manifest that other processes search; `pool` holds the threads
    that wait for them, `seconds` at most in one search.
    """

    elsewhere: Callable[[Manifest], Sequence[ShardGroup]]
    pool: Executor
    seconds: float = 24.0


class Searcher:
    """Searches one index; safe under threads."""

    def __init__(
        self,
        source: SnapshotSource,
        pool: Executor,
        *,
        parallel_tasks: int = 2,
        tuning: SearchTuning | None = None,
        scale_out: ScaleOut | None = None,
    ) -> None:
        """Search with the shards of `source`.

        Args:
            source: the open shards of the current manifest, or of this process's part of it.
            pool: shared threads.
            parallel_tasks: into how many tasks the shards of a search are partitioned: the CPUs.
            tuning: when and how widely the graphs are searched.
            scale_out: who searches the shards that `source` does not open.
        """
        self._source = source
        self._pool = pool
        self._spread = Spread(pool, parallel_tasks)
        self._tuning = tuning or SearchTuning()
        self._scale_out = scale_out

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
            PartialFailureError: a group of shards failed, and a partial answer will not do.
            DamagedIndexError: a shard is damaged, and a partial answer will not do, or could hold
                what was replaced or deleted.
            NotFoundError, CorruptObjectError, DimensionMismatchError: see `refresh`.
        """
        begun = self.begin(query.text, query.mode, partial=query.partial, snapshot=snapshot)
        return begun.finish(query)

    def begin(
        self,
        text: str,
        mode: SearchMode,
        *,
        partial: bool = False,
        snapshot: Snapshot | None = None,
    ) -> "Search":
        """Start what needs no vector: other processes count words while the caller embeds."""
        snapshot = snapshot or self._source.refresh().snapshot
        groups = self.groups(snapshot, partial=partial)
        return Search(self, snapshot, groups, text, mode, self._tuning)

    def set_aside(self, shard_id: str, damage: DamagedIndexError) -> None:
        """Search on without a shard that was found damaged, until it is tried again."""
        self._source.set_aside(shard_id, damage)

    def groups(self, snapshot: Snapshot, *, partial: bool = False) -> GroupCalls:
        """All groups of a snapshot's index, for one search.

        Raises:
            DamagedIndexError: a shard could not be opened here, and a part will not do.
        """
        local = LocalGroup(snapshot.shards, self._spread)
        scale_out = self._scale_out
        elsewhere = () if scale_out is None else scale_out.elsewhere(snapshot.manifest)
        if snapshot.damage and not (partial and (snapshot.shards or elsewhere)):
            raise snapshot.damage[0]
        if scale_out is None or not elsewhere:
            return GroupCalls([local], self._pool, is_partial_fine=partial, seconds=0.0)
        return GroupCalls(
            [local, *elsewhere],
            scale_out.pool,
            is_partial_fine=partial,
            seconds=scale_out.seconds,
            # Where an index has several groups, each has shards: these could not be opened.
            has_own=bool(snapshot.shards),
        )


class _RowOfGroup(NamedTuple):
    """A row, and the number of the group it was found in."""

    group: int
    row: FoundRow


class Search:
    """One search over one snapshot, between its two steps."""

    def __init__(
        self,
        searcher: Searcher,
        snapshot: Snapshot,
        groups: GroupCalls,
        text: str,
        mode: SearchMode,
        tuning: SearchTuning,
    ) -> None:
        self._searcher = searcher
        self._snapshot = snapshot
        self._groups = groups
        self._tuning = tuning
        self._terms: tuple[str, ...] = ()
        self._counting: Round[TermStatistics] | None = None
        if mode != "dense":
            self._terms = terms = tuple(query_terms(text))
            self._counting = groups.start(lambda group: group.statistics(terms))

    def finish(self, query: SearchQuery) -> SearchResult:
        """Search with the vector; `query` has the text and the mode that this was begun with.

        Raises:
            InvalidInputError, PartialFailureError, DamagedIndexError: as `Searcher.search` does.
        """
        _check(query)
        try:
            return self._finish(query)
        except CorruptObjectError as error:
            shards = [shard.descriptor for shard in self._snapshot.shards]
            damaged = next((shard for shard in shards if is_about(shard, error)), None)
            if damaged is None:
                raise
            named = damaged_shard(self._snapshot.manifest.corpus, damaged)
            named.__cause__ = error
            self._searcher.set_aside(damaged.shard_id, named)
            if not query.partial:
                raise named from error
            return self._searcher.search(query, self._snapshot.without(damaged.shard_id, named))

    def _finish(self, query: SearchQuery) -> SearchResult:
        started = time.perf_counter()
        question = self._question(query)
        asked = self._groups.start(lambda group: group.search(question))
        answers = self._groups.finish(asked)
        best = _best(query, answers)
        ranked = time.perf_counter()
        hits = self._hydrated(best)
        times = SearchTimes(
            search=(ranked - started) * 1000.0,
            groups=self._groups.waited_ms,
            hydrate=(time.perf_counter() - ranked) * 1000.0,
        )
        return SearchResult(hits, self._snapshot, len(answers), self._groups.count, times)

    def _question(self, query: SearchQuery) -> GroupQuery:
        statistics = None
        if self._counting is not None:
            statistics = combine(self._groups.finish(self._counting).values())
        # Of the whole index, so that the hits do not depend on its partition into groups.
        with_rows = (shard for shard in self._snapshot.manifest.shards if shard.vectors)
        is_many = len(list(islice(with_rows, _MANY_SHARDS))) == _MANY_SHARDS
        return GroupQuery(
            depth=max(query.k, _FUSION_DEPTH) if query.mode == "hybrid" else query.k,
            breadth=self._tuning.breadth_of_many if is_many else self._tuning.breadth,
            vector=None if query.mode == "lexical" else query.vector,
            terms=self._terms,
            statistics=statistics,
            filters=query.filters,
            exact=query.exact,
        )

    def _hydrated(self, best: Sequence[tuple[_RowOfGroup, float]]) -> tuple[SearchHit, ...]:
        rows: dict[int, list[FoundRow]] = {}
        for place, _ in best:
            rows.setdefault(place.group, []).append(place.row)
        read = {
            number: iter(self._groups.group(number).documents(some))
            for number, some in rows.items()
        }
        return tuple(
            SearchHit(score, place.row.similarity, next(read[place.group])) for place, score in best
        )


def _best(
    query: SearchQuery, answers: Mapping[int, GroupAnswer]
) -> list[tuple[_RowOfGroup, float]]:
    """The hits, with their scores, of what all groups found."""
    depth = max(query.k, _FUSION_DEPTH) if query.mode == "hybrid" else query.k
    dense = _best_of_all(((number, answer.dense) for number, answer in answers.items()), depth)
    lexical = _best_of_all(((number, answer.lexical) for number, answer in answers.items()), depth)
    if query.mode == "hybrid":
        return _fused(query, dense, lexical)[: query.k]
    ranking = dense if query.mode == "dense" else lexical
    return [(place, place.row.score) for place in ranking if _is_near(place.row, query.threshold)]


def _best_of_all(
    rankings: Iterable[tuple[int, Sequence[FoundRow]]], depth: int
) -> list[_RowOfGroup]:
    several = list(rankings)
    places = [_RowOfGroup(number, row) for number, ranking in several for row in ranking]
    if len(several) == 1:
        return places[:depth]
    places.sort(key=lambda place: (-place.row.score, place.row.chunk_id))
    return places[:depth]


def _fused(
    query: SearchQuery, dense: Sequence[_RowOfGroup], lexical: Sequence[_RowOfGroup]
) -> list[tuple[_RowOfGroup, float]]:
    """Both rankings by reciprocal rank; the threshold bounds what is left, not what is ranked."""
    places = {place.row.chunk_id: place for place in (*lexical, *dense)}
    scores = reciprocal_rank_fusion(
        [[place.row.chunk_id for place in ranking] for ranking in (dense, lexical)]
    )
    kept = [
        (places[chunk_id], score)
        for chunk_id, score in scores.items()
        if _is_near(places[chunk_id].row, query.threshold)
    ]
    return sorted(kept, key=lambda item: (-item[1], item[0].row.chunk_id))


def _is_near(row: FoundRow, threshold: float | None) -> bool:
    return threshold is None or (row.similarity is not None and row.similarity >= threshold)


def _check(query: SearchQuery) -> None:
    if query.mode != "lexical" and query.vector is None:
        raise InvalidInputError(f"mode {query.mode} needs the vector of the query")
    if query.mode == "lexical" and query.threshold is not None:
        raise InvalidInputError(
            "threshold: is a cosine similarity, which mode lexical does not compute; "
            "leave it out or use dense or hybrid"
        )
