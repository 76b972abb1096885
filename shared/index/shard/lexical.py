"""Lexical search: where the words of a shard occur, and BM25 over the fields of the whole index.

FTS5's ranking is not used: its bm25() knows one shard only, where a page about one hero would rank
last for that hero's name, and it costs a Python row for each match. With postings as arrays the
scores depend on the live rows of the index alone, not on how they are distributed over shards, and
take microseconds.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.index.shard.tokenizer import TOKENIZER, whole_term
from shared.index.shard.units import Counts, UnitNumbers

# How soon repetition stops counting, and how much the length of a text and of a title counts: near
# the usual 1.2 to 1.5 and 0.75, for three collections at once (docs/reference/benchmarks.md). A
# title has few words to spare, so its length says less.
_SATURATION = 1.4
_LENGTH_WEIGHT = 0.75
_TITLE_LENGTH_WEIGHT = 0.5
# A word of the title says more about an entity than one of its text.
_TITLE_WEIGHT = 2.0
_MAXIMUM_COUNT = 65535

Scores = npt.NDArray[np.float64]


class SearchedRow(NamedTuple):
    """What of a row can be found by its words; the title is that of the row's entity."""

    entity_key: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Postings:
    """The rows that hold a word, ascending, and how often each does."""

    labels: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class LexicalTables:
    """The postings of the words of texts and of titles, and how many words each row has.

    The title of an entity stands at the first of its rows.
    """

    texts: Mapping[str, Postings]
    titles: Mapping[str, Postings]
    words: npt.NDArray[np.uint32]
    title_words: npt.NDArray[np.uint32]


def build_tables(rows: Iterable[SearchedRow]) -> LexicalTables:
    """Index rows; the position of a row is its label."""
    texts, titles = _Field(), _Field()
    seen: set[str] = set()
    for label, row in enumerate(rows):
        # The title stands in for the text of an entity that has none, and must not count twice.
        texts.add(label, "" if row.text.strip() == row.title.strip() else row.text)
        is_first = row.entity_key not in seen
        titles.add(label, row.title if is_first else "", _names(row) if is_first else ())
        seen.add(row.entity_key)
    return LexicalTables(texts.postings(), titles.postings(), texts.lengths(), titles.lengths())


def _names(row: SearchedRow) -> list[str]:
    """The terms that stand for the whole title, the id and the key of the row's entity."""
    source_id = row.entity_key.partition(":")[2]
    wholes = map(whole_term, (row.title, source_id, row.entity_key))
    return [whole for whole in wholes if whole is not None]


class _Field:
    def __init__(self) -> None:
        self._labels: dict[str, array[int]] = {}
        self._counts: dict[str, array[int]] = {}
        self._lengths = array("I")

    def add(self, label: int, text: str, wholes: Iterable[str] = ()) -> None:
        words = TOKENIZER.words(text)
        self._lengths.append(len(words))
        for word, count in (Counter(words) + Counter(set(wholes))).items():
            self._labels.setdefault(word, array("I")).append(label)
            self._counts.setdefault(word, array("H")).append(min(count, _MAXIMUM_COUNT))

    def postings(self) -> dict[str, Postings]:
        return {
            word: Postings(np.array(self._labels[word], "<u4"), np.array(self._counts[word], "<u2"))
            for word in sorted(self._labels)
        }

    def lengths(self) -> npt.NDArray[np.uint32]:
        return np.array(self._lengths, "<u4")


class UnitPostings(NamedTuple):
    """The units that hold a word, ascending, and how often their texts and titles do.

    The arrays are of the smallest types that hold their numbers; without `title_counts` no title
    holds it. Without `units` the counts are of all units of the shard.
    """

    units: npt.NDArray[np.int32] | None
    counts: npt.NDArray[np.unsignedinteger]
    title_counts: npt.NDArray[np.unsignedinteger] | None

    def of_all(self, count: int) -> "UnitPostings":
        """The counts of all units, of which there are so many."""
        if self.units is None:
            return self
        counts = np.zeros(count, dtype=self.counts.dtype)
        counts[self.units] = self.counts
        if self.title_counts is None:
            return UnitPostings(None, counts, None)
        title_counts = np.zeros(count, dtype=self.title_counts.dtype)
        title_counts[self.units] = self.title_counts
        return UnitPostings(None, counts, title_counts)

    def among(
        self, units: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer] | None]:
        """The counts of some units in texts and in titles."""
        if self.units is None:
            counts, title_counts = self.counts, self.title_counts
            return counts[units], None if title_counts is None else title_counts[units]
        places, holds = places_among(self.units, units)
        counts = self.counts.take(places, mode="clip") * holds
        if self.title_counts is None:
            return counts, None
        return counts, self.title_counts.take(places, mode="clip") * holds


def places_among(
    found: npt.NDArray[np.integer], wanted: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each of `wanted` would stand among ascending numbers, and whether it is there.

    One that is greater than all would stand behind the last. Both are of one type, or numpy would
    copy `found`.
    """
    places = found.searchsorted(wanted)
    return places, found.take(places, mode="clip") == wanted


def joined(texts: tuple[UnitNumbers, Counts], titles: tuple[UnitNumbers, Counts]) -> UnitPostings:
    """The postings of both fields as one."""
    units, counts = texts
    titled, title_counts = titles
    if len(titled) == 0:
        return UnitPostings(units.astype(np.int32), counts.astype(_type_for(counts)), None)
    places = np.searchsorted(units, titled)
    is_new = np.ones(len(titled), dtype=np.bool_)
    inside = places < len(units)
    is_new[inside] = units[places[inside]] != titled[inside]
    if is_new.any():
        units = np.insert(units, places[is_new], titled[is_new])
        counts = np.insert(counts, places[is_new], 0)
        places = np.searchsorted(units, titled)
    of_titles = np.zeros(len(units), dtype=_type_for(title_counts))
    of_titles[places] = title_counts
    return UnitPostings(units.astype(np.int32), counts.astype(_type_for(counts)), of_titles)


def _type_for(counts: Counts) -> npt.DTypeLike:
    return np.min_scalar_type(int(counts.max(initial=0)))


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """What BM25 needs to know of the live units: how many, of how many rows and words."""

    units: int
    rows: int
    words: int
    title_words: int
    units_with: Mapping[str, int]


NO_STATISTICS = TermStatistics(0, 0, 0, 0, {})


def combine(statistics: Iterable[TermStatistics]) -> TermStatistics:
    """Statistics of several shards as of one."""
    parts = list(statistics)
    if len(parts) == 1:
        return parts[0]
    units_with: Counter[str] = Counter()
    for part in parts:
        units_with.update(part.units_with)
    return TermStatistics(
        units=sum(part.units for part in parts),
        rows=sum(part.rows for part in parts),
        words=sum(part.words for part in parts),
        title_words=sum(part.title_words for part in parts),
        units_with=dict(units_with),
    )


@dataclass(frozen=True, slots=True)
class Bm25:
    """BM25F under fixed statistics, with Lucene's idf, which is never negative.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
    section 3.6: the counts of the fields, each with the norm of the field's length, are added
    before they saturate. The idf is that of Lucene's BM25Similarity, log(1 + (N - n + 0.5) /
    (n + 0.5)). A word counts as often as the query has it: who writes at length repeats what
    matters.
    """

    statistics: TermStatistics
    occurrences: Mapping[str, int]
    rarities: Mapping[str, float]

    @classmethod
    def of(cls, statistics: TermStatistics, terms: Iterable[str]) -> "Bm25":
        """Rank by the words of `query_terms`."""
        occurrences = Counter(terms)
        units, units_with = statistics.units, statistics.units_with
        holding = {term: units_with.get(term, 0) for term in occurrences}
        rarities = {
            term: math.log(1.0 + (units - count + 0.5) / (count + 0.5))
            for term, count in holding.items()
        }
        return cls(statistics, occurrences, rarities)

    def weight(self, term: str) -> float:
        """How much a word tells."""
        return self.occurrences[term] * self.rarities[term]

    def basis(self, term: str) -> tuple[float, ...]:
        """All that the gains of a word depend on, but for where it occurs."""
        known = self.statistics
        return self.rarities[term], known.units, known.words, known.title_words

    def gains(self, term: str, found: UnitPostings, words: Counts, title_words: Counts) -> Scores:
        """What a word adds to the score of each unit of `found` where a query has it once.

        `words` and `title_words` are those of all units.
        """
        if found.units is not None:
            words, title_words = words[found.units], title_words[found.units]
        counts = self._counts(found.counts, found.title_counts, words, title_words)
        return _saturated(self.rarities[term], counts)

    def scores(
        self,
        terms: Sequence[str],
        counts: Scores,
        title_counts: Scores,
        words: Counts,
        title_words: Counts,
    ) -> Scores:
        """The scores of some units, added up in the order of the words.

        `counts` and `title_counts` have a row for each of `terms` and a column for each unit, which
        has so many `words` and `title_words`.
        """
        weights = np.array([self.weight(term) for term in terms]).reshape(-1, 1)
        gains = _saturated(weights, self._counts(counts, title_counts, words, title_words))
        scores: Scores = np.zeros(len(words))
        for gain in gains:
            scores += gain
        return scores

    def row_gains(self, term: str, counts: Counts, words: Counts) -> Scores:
        """What a word adds to the scores of rows, by their texts alone: one title has them all."""
        norms = _norms(words, self.statistics.words, self.statistics.rows, _LENGTH_WEIGHT)
        return _saturated(self.weight(term), counts / norms)

    def bound(self, term: str) -> float:
        """More than a word adds to any score."""
        return self.weight(term) * (_SATURATION + 1.0)

    def most(self) -> float:
        """More than any score."""
        return sum(map(self.bound, self.occurrences))

    def _counts(
        self,
        counts: npt.NDArray[Any],
        title_counts: npt.NDArray[Any] | None,
        words: Counts,
        title_words: Counts,
    ) -> Scores:
        """The counts of both fields as one."""
        known = self.statistics
        in_text: Scores = counts / _norms(words, known.words, known.units, _LENGTH_WEIGHT)
        if title_counts is None:
            return in_text
        in_title = title_counts / _norms(
            title_words, known.title_words, known.units, _TITLE_LENGTH_WEIGHT
        )
        return in_text + _TITLE_WEIGHT * in_title


def _saturated(weight: float | Scores, counts: Scores) -> Scores:
    return weight * (_SATURATION + 1.0) * counts / (counts + _SATURATION)


def _norms(lengths: Counts, total: int, count: int, length_weight: float) -> Scores:
    """How much the length of a field holds back the counts of its words."""
    average = max(total / max(count, 1), 1.0)
    relative: Scores = lengths.astype(np.float64) / average
    return (1.0 - length_weight) + length_weight * relative
