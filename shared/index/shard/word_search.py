"""Search by word within one shard: looking words up, scoring units, and scoring rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.index.best_rows import Ranked, best_rows, rounded_scores
from shared.index.graph.hnsw_file import Labels, RowMask
from shared.index.shard.lexical import (
    NO_STATISTICS,
    Bm25,
    Postings,
    Scores,
    TermStatistics,
    UnitPostings,
    joined,
)
from shared.index.shard.sidecar import Sidecar
from shared.index.shard.tokenizer import is_whole
from shared.index.shard.units import Counts, UnitNumbers, Units

# More than what rounding and the order of additions can move a score by.
_MARGIN = 1e-4
_NO_UNITS: UnitNumbers = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Where the words of a query occur in one shard, and its part of the statistics.

    `texts` has the rows that hold a word in their text, `postings` the units that hold it in text
    or title.
    """

    units: Units
    texts: Mapping[str, Postings]
    postings: Mapping[str, UnitPostings]
    statistics: TermStatistics


@dataclass(frozen=True, slots=True)
class WordScores:
    """The BM25 scores of some units, and whether each holds every word of the query.

    One whose title, id or key the query is holds them all.
    """

    scores: Scores
    has_all: npt.NDArray[np.bool_]


def look_up(
    sidecar: Sidecar, units: Units, terms: Sequence[str], is_live: RowMask | None
) -> LookedUp:
    """Read the postings of distinct words; `is_live` says which rows count, None: all."""
    texts, titles = sidecar.texts_with(terms), sidecar.titles_with(terms)
    passing = None if is_live is None else units.passing(is_live)
    postings = {
        term: joined(_of_texts(units, texts.get(term)), _of_titles(units, titles.get(term)))
        for term in terms
        if term in texts or term in titles
    }

    def live(numbers: npt.NDArray[np.integer]) -> int:
        return int(numbers.sum() if passing is None else numbers[passing].sum())

    rows = len(units.words) if units.of_rows is None else len(units.of_rows)
    statistics = TermStatistics(
        units=units.count if passing is None else int(passing.sum()),
        rows=rows if is_live is None else int(is_live.sum()),
        words=live(units.words),
        title_words=live(units.title_words),
        units_with={
            term: len(found.units) if passing is None else int(passing[found.units].sum())
            for term, found in postings.items()
        },
    )
    return LookedUp(units, texts, postings, statistics)


def nothing_found(units: Units) -> LookedUp:
    """What a shard without a sidecar knows of any word."""
    return LookedUp(units, {}, {}, NO_STATISTICS)


def best_units(
    looked_up: LookedUp, ranking: Bm25, count: int, passing: npt.NDArray[np.bool_] | None
) -> Ranked:
    """The best of the units that hold a word and pass, by BM25 score; None: all pass.

    Rare words come first. Once the units that were seen are so good that no other can reach the
    first `count` by the words that are left, those words are looked up for the candidates alone:
    MaxScore of Turtle and Flood, "Query Evaluation: Strategies and Optimizations", 1995. The units
    and their scores are those of adding everything up.
    """
    order = _rare_first(looked_up, ranking)
    scores: Scores = np.zeros(looked_up.units.count)
    added, left = 0.0, sum(ranking.bound(term) for term in order)
    for position, term in enumerate(order):
        found = looked_up.postings[term]
        scores[found.units] += _gains(looked_up, ranking, term, found)
        added, left = added + ranking.bound(term), left - ranking.bound(term)
        following = order[position + 1 :]
        if following and added > left:
            candidates = _candidates(scores, passing, count, left)
            if candidates is not None:
                return _finished(looked_up, ranking, following, scores, candidates, count)
    held = scores > 0.0
    units = np.flatnonzero(held if passing is None else held & passing)
    return best_rows(units, rounded_scores(scores[units]), count)


def scores_of(looked_up: LookedUp, ranking: Bm25, units: Sequence[int]) -> WordScores:
    """The scores of some units, in their order."""
    numbers = np.asarray(units, dtype=np.int64)
    order = np.argsort(numbers)
    scores: Scores = np.zeros(len(numbers))
    words_held = np.zeros(len(numbers), dtype=np.int64)
    is_named = np.zeros(len(numbers), dtype=np.bool_)
    for term in _rare_first(looked_up, ranking):
        places, found = _among(looked_up.postings[term], numbers[order])
        scores[order[places]] += _gains(looked_up, ranking, term, found)
        if is_whole(term):
            is_named[order[places]] = True
        else:
            words_held[order[places]] += 1
    wanted = sum(not is_whole(term) for term in ranking.occurrences)
    return WordScores(rounded_scores(scores), (words_held == wanted) | is_named)


def row_scores(looked_up: LookedUp, ranking: Bm25, rows: Labels, words: Counts) -> Scores:
    """The scores of some ascending rows by their texts, which have so many words."""
    scores: Scores = np.zeros(len(rows))
    for term, found in sorted(looked_up.texts.items()):
        places = np.searchsorted(found.labels, rows)
        inside = places < len(found.labels)
        holds = np.zeros(len(rows), dtype=np.bool_)
        holds[inside] = found.labels[places[inside]] == rows[inside]
        counts = found.counts[places[holds]].astype(np.int64)
        scores[holds] += ranking.row_gains(term, counts, words[holds])
    return scores


def _of_texts(units: Units, found: Postings | None) -> tuple[UnitNumbers, UnitNumbers]:
    return (_NO_UNITS, _NO_UNITS) if found is None else units.summed(found.labels, found.counts)


def _of_titles(units: Units, found: Postings | None) -> tuple[UnitNumbers, UnitNumbers]:
    return (_NO_UNITS, _NO_UNITS) if found is None else units.titled(found.labels, found.counts)


def _rare_first(looked_up: LookedUp, ranking: Bm25) -> list[str]:
    """The words in an order that the whole index decides: sums of floats depend on it."""
    return sorted(looked_up.postings, key=lambda term: (-ranking.weight(term), term))


def _gains(looked_up: LookedUp, ranking: Bm25, term: str, found: UnitPostings) -> Scores:
    return ranking.gains(term, found, looked_up.units.words, looked_up.units.title_words)


def _candidates(
    scores: Scores,
    passing: npt.NDArray[np.bool_] | None,
    count: int,
    left: float,
) -> UnitNumbers | None:
    """The units that may be among the best, ascending; None while any unit may be."""
    seen = np.flatnonzero(scores > 0.0)
    if passing is not None:
        seen = seen[passing[seen]]
    if len(seen) < count:
        return None
    of_seen = scores[seen]
    least = float(np.partition(of_seen, len(seen) - count)[len(seen) - count])
    if least <= left + _MARGIN:
        return None
    candidates: UnitNumbers = seen[of_seen + left >= least - _MARGIN]
    return candidates


def _finished(
    looked_up: LookedUp,
    ranking: Bm25,
    terms: Sequence[str],
    scores: Scores,
    candidates: UnitNumbers,
    count: int,
) -> Ranked:
    for term in terms:
        places, found = _among(looked_up.postings[term], candidates)
        scores[candidates[places]] += _gains(looked_up, ranking, term, found)
    return best_rows(candidates, rounded_scores(scores[candidates]), count)


def _among(found: UnitPostings, units: UnitNumbers) -> tuple[UnitNumbers, UnitPostings]:
    """Which of some ascending units hold a word, as positions, and their postings."""
    places = np.searchsorted(found.units, units)
    inside = np.flatnonzero(places < len(found.units))
    holding = inside[found.units[places[inside]] == units[inside]]
    at = places[holding]
    return holding, UnitPostings(found.units[at], found.counts[at], found.title_counts[at])
