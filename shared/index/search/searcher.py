"""Search over all shards of an index: by vector, by word, or both fused."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np

from shared.errors import CorruptObjectError, DamagedIndexError, InvalidInputError
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.correction import (
    Correction,
    IsWord,
    QueryWords,
    held_back,
    no_word,
    unknown_terms,
)
from shared.index.search.group_calls import GroupCalls, Round
from shared.index.search.ranking import Positions, Scores, best_of, in_order, standard_scores
from shared.index.search.shard_group import (
    FoundPassage,
    GroupAnswer,
    GroupQuery,
    LocalGroup,
    ShardGroup,
    Spread,
)
from shared.index.search.snapshot import Refreshed, Snapshot, SnapshotSource
from shared.index.shard.damage import damaged_shard, is_about
from shared.index.shard.lexical import NO_STATISTICS, TermStatistics, combine
from shared.index.shard.shard_reader import SearchTuning
from shared.index.shard.sidecar import StoredChunk
from shared.index.shard.suggestions import combine_suggestions
from shared.index.shard.tokenizer import search_terms, whole_term
from shared.models.base import MAXIMUM_RESULTS
from shared.models.manifest import Manifest

SearchMode = Literal["dense", "lexical", "hybrid"]
# How deep each ranking goes into a fusion: deeper than any request asks, so that fusion can lift
# what only one of the two ranks high. Where entities have very many rows, fewer nearest ones do.
# Neither depends on k up to 50: the first ten of fifty hits are the ten hits.
_FUSION_DEPTH = 2 * MAXIMUM_RESULTS
_LEAST_FUSED = 50
_SCORE_DECIMALS = 6
_MANY_SHARDS = 4


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search.

    `vector` has unit length and shape (dims,); only the lexical mode does without. `threshold`
    is the least cosine of a hit, so the lexical mode has none; in the hybrid mode an entity that
    holds every word of the query is a hit too. Hits are entities, each with its best
    `passages`, or single passages without `by_entity`. `exact` compares the vector with every row
    instead of asking the graphs. `partial` says that where a shard is damaged or a group
    of shards fails, the hits of the others will do. With `spelling` known words stand for those
    that the index does not know, with `threshold` as well; `is_word` says which of these people
    write all the same.
    """

    text: str
    vector: Vectors | None
    k: int = 5
    by_entity: bool = True
    passages: int = 1
    mode: SearchMode = "hybrid"
    filters: SearchFilters = field(default_factory=SearchFilters)
    threshold: float | None = None
    exact: bool = False
    partial: bool = False
    spelling: bool = True
    is_word: IsWord = no_word


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One entity with its best passages, or one passage.

    `score` orders the hits: the cosine, or 1 where the query is the entity's name (dense), BM25
    (lexical), or how many standard deviations both lie above the mean of what was found, on average
    (hybrid). `similarity` is the greatest cosine of a passage, None in the lexical mode.
    """

    score: float
    similarity: float | None
    passages: tuple[FoundPassage, ...]

    @property
    def chunk(self) -> StoredChunk:
        """The best passage."""
        return self.passages[0].chunk


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
    out of the part here are named in `snapshot.damage`. `corrected` says which words of the query
    others stand for.
    """

    hits: tuple[SearchHit, ...]
    snapshot: Snapshot
    searched: int
    groups: int
    milliseconds: SearchTimes
    corrected: Mapping[str, str] = field(default_factory=dict)


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
        begun = self.begin(
            query.text,
            query.mode,
            by_entity=query.by_entity,
            partial=query.partial,
            snapshot=snapshot,
        )
        return begun.finish(query)

    def begin(
        self,
        text: str,
        mode: SearchMode,
        *,
        by_entity: bool = True,
        partial: bool = False,
        snapshot: Snapshot | None = None,
    ) -> "Search":
        """Start what needs no vector: other processes count words while the caller embeds."""
        snapshot = snapshot or self._source.refresh().snapshot
        groups = self.groups(snapshot, partial=partial)
        is_dense = mode == "dense"
        terms = _name(text, by_entity=by_entity) if is_dense else search_terms(text)
        return Search(
            self, snapshot, groups, terms, self._tuning, by_entity=by_entity, counts=not is_dense
        )

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


class Search:
    """One search over one snapshot, between its two steps."""

    def __init__(
        self,
        searcher: Searcher,
        snapshot: Snapshot,
        groups: GroupCalls,
        terms: tuple[str, ...],
        tuning: SearchTuning,
        *,
        by_entity: bool,
        counts: bool,
    ) -> None:
        self._searcher = searcher
        self._snapshot = snapshot
        self._groups = groups
        self._tuning = tuning
        self._terms = terms
        self._by_entity = by_entity
        self._corrected: Mapping[str, str] = {}
        self._counting = self._count() if terms and counts else None

    def _count(self) -> Round[TermStatistics]:
        terms, by_entity = self._terms, self._by_entity
        return self._groups.start(lambda group: group.statistics(terms, by_entity=by_entity))

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
        hits = self._hydrated(question, answers, best)
        times = SearchTimes(
            search=(ranked - started) * 1000.0,
            groups=self._groups.waited_ms,
            hydrate=(time.perf_counter() - ranked) * 1000.0,
        )
        return SearchResult(
            hits, self._snapshot, len(answers), self._groups.count, times, self._corrected
        )

    def _question(self, query: SearchQuery) -> GroupQuery:
        # Whose name the query is needs no counting.
        statistics = NO_STATISTICS if self._terms else None
        if self._counting is not None:
            statistics = combine(self._groups.finish(self._counting).values())
            correction = self._correction(query, statistics) if query.spelling else None
            if correction is not None:
                given, self._terms = self._terms, correction.terms
                self._corrected = correction.replaced
                statistics = combine(self._groups.finish(self._count()).values())
                statistics = held_back(statistics, given, self._terms)
        # Of the whole index, so that the hits do not depend on its partition into groups.
        with_rows = (shard for shard in self._snapshot.manifest.shards if shard.vectors)
        is_many = len(list(islice(with_rows, _MANY_SHARDS))) == _MANY_SHARDS
        return GroupQuery(
            depth=_depth(query),
            least=max(query.k, _LEAST_FUSED) if query.mode == "hybrid" else query.k,
            breadth=self._tuning.breadth_of_many if is_many else self._tuning.breadth,
            by_entity=self._by_entity,
            passages=query.passages,
            vector=None if query.mode == "lexical" else query.vector,
            terms=self._terms,
            statistics=statistics,
            filters=query.filters,
            exact=query.exact,
        )

    def _correction(self, query: SearchQuery, statistics: TermStatistics) -> Correction | None:
        lacking = unknown_terms(self._terms, statistics.units_with)
        if not lacking:
            return None
        words = QueryWords(query.text, lacking, query.is_word)
        unknown = words.unknown()
        if not unknown.words:
            return None
        asked = self._groups.start(lambda group: group.suggest(unknown))
        return words.corrected(combine_suggestions(self._groups.finish(asked).values()))

    def _hydrated(
        self, question: GroupQuery, answers: Mapping[int, GroupAnswer], best: "_Best"
    ) -> tuple[SearchHit, ...]:
        passages: dict[int, list[FoundPassage]] = {}
        for number, answer in answers.items():
            places = np.flatnonzero(best.groups == number).tolist()
            if places:
                chosen = best.places[places].tolist()
                read = self._groups.group(number).passages(question, answer, chosen)
                passages.update(zip(places, read, strict=True))
        return tuple(
            _hit(score, similarity, tuple(passages[place]))
            for place, (score, similarity) in enumerate(
                zip(best.scores.tolist(), best.similarities.tolist(), strict=True)
            )
        )


def _hit(score: float, similarity: float, passages: tuple[FoundPassage, ...]) -> SearchHit:
    """A hit; of a long entity that only its words found, a passage can be nearer than the ranking
    knew, which compared some of its rows."""
    known = [None if math.isnan(similarity) else similarity]
    known += [passage.similarity for passage in passages]
    return SearchHit(score, max((one for one in known if one is not None), default=None), passages)


def _depth(query: SearchQuery) -> int:
    return max(query.k, _FUSION_DEPTH) if query.mode == "hybrid" else query.k


class _Best(NamedTuple):
    """The hits, best first: who found each at which place of its answer, and their scores."""

    groups: Positions
    places: Positions
    scores: Scores
    similarities: Scores


def _best(query: SearchQuery, answers: Mapping[int, GroupAnswer]) -> _Best:
    """The hits of what all groups found."""
    found = _Found(answers)
    similarities, words = found.similarities, found.words
    if query.mode == "hybrid":
        wanted = _fused(found, _depth(query))
        similar = similarities[wanted]
        cosines = standard_scores(np.where(np.isnan(similar), 0.0, similar))
        scores = ((cosines + standard_scores(words[wanted])) / 2.0).round(_SCORE_DECIMALS)
    elif query.mode == "dense":
        # Of an entity whose name the query is, it is the greatest there is.
        wanted = np.arange(len(similarities))
        scores = np.where(words > 0.0, 1.0, similarities)
    else:
        wanted = np.flatnonzero(words > 0.0)
        scores = words[wanted]
    if query.threshold is not None:
        is_wanted = similarities[wanted] >= query.threshold
        is_wanted |= (found.has_all if query.mode == "hybrid" else words > 0.0)[wanted]
        wanted, scores = wanted[is_wanted], scores[is_wanted]
    order = in_order(scores, query.k, lambda places: found.names(wanted[places]))
    best = wanted[order]
    return _Best(found.groups[best], found.places[best], scores[order], similarities[best])


def _name(text: str, *, by_entity: bool) -> tuple[str, ...]:
    """What finds the entities whose title, id or key a text is.

    The vector of one word is often nearer to short texts that mention "Ultron" than to the long
    text about Ultron, so vectors alone do not find an entity by its name.
    """
    whole = whole_term(text) if by_entity else None
    return () if whole is None else (whole,)


class _Found:
    """What all groups found, as one."""

    def __init__(self, answers: Mapping[int, GroupAnswer]) -> None:
        several = list(answers.values())
        self._answers = answers
        self.similarities: Scores = np.concatenate([one.similarities for one in several])
        self.words: Scores = np.concatenate([one.words for one in several])
        self.has_all = np.concatenate([one.has_all for one in several])
        counts = [len(one.words) for one in several]
        self.groups = np.repeat(np.array(list(answers), dtype=np.intp), counts)
        self.places = np.concatenate([np.arange(count) for count in counts])

    def names(self, positions: Positions) -> list[str]:
        names = [""] * len(positions)
        groups, places = self.groups[positions], self.places[positions]
        for number, answer in self._answers.items():
            own = np.flatnonzero(groups == number)
            for position, name in zip(own.tolist(), answer.names(places[own]), strict=True):
                names[position] = name
        return names

    def names_among(self, places: Positions, some: Positions) -> list[str]:
        return self.names(places[some])


def _fused(found: _Found, depth: int) -> Positions:
    """What is among the first by vector or by word, and gets a score that both decide.

    It is the mean of the standard scores among them of the cosine and of BM25. Scores say by how
    much one is better, which ranks do not. Source: Fox and Shaw, "Combination of
    Multiple Searches", TREC-2, 1994 (CombSUM), with standard scores as in Montague and Aslam,
    "Relevance Score Normalization for Metasearch", CIKM 2001.
    """
    is_fused = np.zeros(len(found.words), dtype=np.bool_)
    for places, scores in (
        (np.flatnonzero(~np.isnan(found.similarities)), found.similarities),
        (np.flatnonzero(found.words > 0.0), found.words),
    ):
        best = best_of(scores[places], depth, partial(found.names_among, places))
        is_fused[places[best]] = True
    return np.flatnonzero(is_fused)


def _check(query: SearchQuery) -> None:
    if query.mode != "lexical" and query.vector is None:
        raise InvalidInputError(f"mode {query.mode} needs the vector of the query")
    if query.mode == "lexical" and query.threshold is not None:
        raise InvalidInputError(
            "threshold: is a cosine similarity, which mode lexical does not compute; "
            "leave it out or use dense or hybrid"
        )
