"""Search by word within one shard: looking words up, scoring units, and scoring rows."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.index.best_rows import best_places, distinct, rounded_scores
from shared.index.graph.hnsw_file import Labels
from shared.index.shard.found_words import FoundWord, Gains, Gains32, LiveUnits, ShardWords
from shared.index.shard.lexical import (
    NO_STATISTICS,
    Bm25,
    Scores,
    TermStatistics,
    places_among,
)
from shared.index.shard.tokenizer import is_whole
from shared.index.shard.units import Counts, UnitNumbers, Units

# What one operation on a float32 can be wrong by, of the greatest number; and twice what rounding
# a score to six decimals can.
_FLOAT32_ERROR, _ROUNDING = 2.0**-23, 1e-6
# Where so many times more units than are wanted may be the best, one in so many tells about which
# score the last one has.
_MANY_TIMES, _SAMPLED = 8, 16
_DEVIATIONS = 3.0
# To look a candidate up among the units that hold a word takes as long as adding so many up.
_UNITS_PER_LOOK_UP = 32
_NUMBERS_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Where the words of a query occur in one shard, and its part of the statistics."""

    units: Units
    words: Mapping[str, FoundWord]
    statistics: TermStatistics


@dataclass(frozen=True, slots=True)
class WordScores:
    """The BM25 scores of some units, and whether each holds every word of the query.

    One whose title, id or key the query is holds them all.
    """

    scores: Scores
    has_all: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoredUnits:
    """Some ascending units of a shard with what `WordScores` has of them.

    `best` are the places of the best by score, best first.
    """

    units: UnitNumbers
    scores: Scores
    has_all: npt.NDArray[np.bool_]
    best: npt.NDArray[np.intp]


_NO_NUMBERS: UnitNumbers = np.empty(0, dtype=np.int64)
NO_UNITS = ScoredUnits(
    _NO_NUMBERS, np.empty(0), np.empty(0, dtype=np.bool_), np.empty(0, dtype=np.intp)
)


class Floor:
    """The score that the last of the best units has in the shards that were searched already.

    What lies below it in others is not wanted. Safe under threads.
    """

    def __init__(self, count: int) -> None:
        """So many units are wanted of all shards."""
        self._count = count
        self._lock = threading.Lock()
        self._best: Scores = np.empty(0)
        self.score = 0.0

    def add(self, scores: Scores) -> None:
        """Take the best scores of a shard into account."""
        with self._lock:
            best = np.concatenate((self._best, scores))
            if len(best) >= self._count:
                best = np.partition(best, len(best) - self._count)[len(best) - self._count :]
                self.score = float(best[0])
            self._best = best


def look_up(words: ShardWords, live: LiveUnits, terms: Sequence[str]) -> LookedUp:
    """Find distinct words."""
    found = words.several(terms)
    statistics = TermStatistics(
        units=live.units,
        rows=live.rows,
        words=live.words,
        title_words=live.title_words,
        units_with={term: word.live(live) for term, word in found.items()},
    )
    return LookedUp(words.units, found, statistics)


def nothing_found(units: Units) -> LookedUp:
    """What a shard without a sidecar knows of any word."""
    return LookedUp(units, {}, NO_STATISTICS)


def best_units(
    looked_up: LookedUp,
    ranking: Bm25,
    count: int,
    passing: npt.NDArray[np.bool_] | None,
    others: UnitNumbers = _NO_NUMBERS,
    floor: Floor | None = None,
) -> ScoredUnits:
    """The best of the units that hold a word and pass, by BM25 score; None: all pass.

    The units and their scores are those of adding everything up. `others` are scored with them.
    Those that are below `floor` may be left out.
    """
    floor = floor or Floor(count)
    candidates = _Additions(looked_up, ranking, passing, floor.score).candidates(count)
    units = distinct(np.concatenate((candidates, others))) if len(others) else candidates
    found = scores_of(looked_up, ranking, units)
    places = np.searchsorted(units, candidates)
    best = places[best_places(candidates, found.scores[places], count)]
    floor.add(found.scores[best])
    return ScoredUnits(units, found.scores, found.has_all, best)


def scores_of(looked_up: LookedUp, ranking: Bm25, units: Sequence[int] | UnitNumbers) -> WordScores:
    """The scores of some ascending units."""
    numbers = np.asarray(units, dtype=np.int32)
    terms = _rare_first(looked_up, ranking)
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, len(terms)))
    parts = [
        _scores_of(looked_up, ranking, terms, numbers[start : start + at_once])
        for start in range(0, max(1, len(numbers)), at_once)
    ]
    if len(parts) == 1:
        return parts[0]
    return WordScores(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.has_all for part in parts]),
    )


def row_scores(looked_up: LookedUp, ranking: Bm25, rows: Labels, words: Counts) -> Scores:
    """The scores of some ascending rows by their texts, which have so many words."""
    scores: Scores = np.zeros(len(rows))
    wanted = rows.astype(np.uint32)
    for term, word in sorted(looked_up.words.items()):
        if word.texts is not None and len(word.texts.labels):
            places, holds = places_among(word.texts.labels, wanted)
            counts = word.texts.counts[places[holds]].astype(np.int64)
            scores[holds] += ranking.row_gains(term, counts, words[holds])
    return scores


def _rare_first(looked_up: LookedUp, ranking: Bm25) -> list[str]:
    """The words in an order that the whole index decides: sums of floats depend on it."""
    return sorted(looked_up.words, key=lambda term: (-ranking.weight(term), term))


def _scores_of(
    looked_up: LookedUp, ranking: Bm25, terms: Sequence[str], numbers: npt.NDArray[np.int32]
) -> WordScores:
    counts = np.zeros((len(terms), len(numbers)))
    title_counts = np.zeros((len(terms), len(numbers)))
    for row, term in enumerate(terms):
        of_texts, of_titles = looked_up.words[term].postings.among(numbers)
        counts[row] = of_texts
        if of_titles is not None:
            title_counts[row] = of_titles
    units = looked_up.units
    scores = ranking.scores(
        terms, counts, title_counts, units.words[numbers], units.title_words[numbers]
    )
    is_held = counts + title_counts > 0.0
    wholes = np.array([is_whole(term) for term in terms], dtype=np.bool_)
    wanted = sum(not is_whole(term) for term in ranking.occurrences)
    has_all = (is_held[~wholes].sum(axis=0) == wanted) | is_held[wholes].any(axis=0)
    return WordScores(rounded_scores(scores), has_all)


class _Additions:
    """Adds up what words add to the units of a shard, as far as the best of them need it.

    Rare words come first. Once the units that were seen are so good that no other can reach the
    first ones by the words that are left, those words are looked up for the candidates alone:
    MaxScore of Turtle and Flood, "Query Evaluation: Strategies and Optimizations", 1995. It is
    done in float32, which only chooses the units that are scored in full.
    """

    def __init__(
        self,
        looked_up: LookedUp,
        ranking: Bm25,
        passing: npt.NDArray[np.bool_] | None,
        floor: float,
    ) -> None:
        self._looked_up = looked_up
        self._ranking = ranking
        self._floor = floor
        self._terms = _rare_first(looked_up, ranking)
        # Of a word that was read for this query, to know more than its bound may be for nothing.
        self._gains = {
            term: self._gains_of(term) for term in self._terms if looked_up.words[term].is_settled
        }
        self._bounds = [
            ranking.occurrences[term] * self._gains[term].most
            if term in self._gains
            else ranking.bound(term)
            for term in self._terms
        ]
        self._most = sum(self._bounds)
        self._margin = self._most * (len(self._terms) + 4) * _FLOAT32_ERROR + _ROUNDING
        self._scores: Gains32 = np.zeros(looked_up.units.count, dtype=np.float32)
        if passing is not None:
            self._scores[~passing] = -np.inf

    def candidates(self, count: int) -> UnitNumbers:
        """The units that may be among the first `count`, ascending; each holds a word."""
        left, seen = self._most, 0
        for position, term in enumerate(self._terms):
            self._add(term)
            left -= self._bounds[position]
            seen += self._looked_up.words[term].units
            following = self._terms[position + 1 :]
            # Before, so many units can hardly be better than all others can become.
            is_likely = seen >= count and self._most > 2.0 * left
            if following and (is_likely or self._floor > left):
                found = self._within_reach(self._scores, count, left)
                if found is not None:
                    return self._narrowed(found, count, following, left)
        found = self._within_reach(self._scores, count, 0.0)
        return np.flatnonzero(self._scores > 0.0) if found is None else found

    def _gains_of(self, term: str) -> Gains:
        looked_up = self._looked_up
        return looked_up.words[term].gains(self._ranking, term, looked_up.units)

    def _add(self, term: str) -> None:
        gains = self._gains.get(term) or self._gains_of(term)
        times = self._ranking.occurrences[term]
        values = gains.values if times == 1 else gains.values * np.float32(times)
        if gains.units is None:
            self._scores += values
        else:
            np.add.at(self._scores, gains.units, values)

    def _within_reach(self, scores: Gains32, count: int, left: float) -> UnitNumbers | None:
        """The places of scores that may be among the best with so much left to add.

        None while they may be anywhere.
        """
        bound = max(left + self._margin, self._floor - self._margin)
        is_above = scores > bound
        above = np.count_nonzero(is_above)
        if above < count:
            least = self._floor
            if least <= left + self._margin:
                return None
            return np.flatnonzero(scores >= least - left - self._margin)
        if above > _MANY_TIMES * count:
            # A bound that is nearly as high as the one looked for: few are left to be ordered.
            higher = max(bound, _guess(scores, count))
            is_higher = scores > higher
            if np.count_nonzero(is_higher) >= count:
                bound, is_above = higher, is_higher
        places = np.flatnonzero(is_above)
        values = scores[places]
        least = float(np.partition(values, len(values) - count)[len(values) - count])
        reach = least - left - self._margin
        return places[values >= reach] if reach > bound else np.flatnonzero(scores >= reach)

    def _narrowed(
        self, units: UnitNumbers, count: int, following: Sequence[str], left: float
    ) -> UnitNumbers:
        """Those of some candidates that are left when more words are added up for them."""
        for term in following:
            gains = self._gains.get(term)
            if gains is None:
                continue
            times = np.float32(self._ranking.occurrences[term])
            if gains.units is None:
                self._scores[units] += gains.values[units] * times
            elif len(units) * _UNITS_PER_LOOK_UP > len(gains.units):
                self._add(term)
            else:
                places, holds = places_among(gains.units, units.astype(np.int32))
                self._scores[units[holds]] += gains.values[places[holds]] * times
            left -= self._ranking.occurrences[term] * gains.most
            if len(units) > 2 * count:
                kept = self._within_reach(self._scores[units], count, max(left, 0.0))
                units = units if kept is None else units[kept]
        return units


def _guess(scores: Gains32, count: int) -> float:
    """A score that hardly fewer than `count` exceed, and not many more."""
    sample = scores[::_SAMPLED]
    expected = count / _SAMPLED
    rank = min(int(expected + _DEVIATIONS * expected**0.5) + 1, len(sample))
    return float(np.partition(sample, -rank)[-rank])
