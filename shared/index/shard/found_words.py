"""The words of a shard that queries ask for, kept in memory with what they add to scores.

To read the postings of a common word and to work out what it adds takes longer than all else of a
search, and most words of a query stand in others, too.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.index.shard.lexical import Bm25, Postings, UnitPostings, joined
from shared.index.shard.sidecar import Sidecar
from shared.index.shard.units import Counts, UnitNumbers, Units

# Its vectors alone take three times as much of memory.
_LIMIT_BYTES_PER_ROW = 512
# Of a word that more than one in so many units hold, an array of all units is added faster.
_SPREAD_OUT_FROM = 12
_GAIN_BYTES = 4
_ENTRY_BYTES = 1000

Gains32 = npt.NDArray[np.float32]
_NO_UNITS: UnitNumbers = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LiveUnits:
    """Which units of a shard are live, None: all, and how many, of how many rows and words."""

    passing: npt.NDArray[np.bool_] | None
    units: int
    rows: int
    words: int
    title_words: int
    # Words remember by it for which units they were counted, and keep no array.
    key: object = field(default_factory=object)


class Gains(NamedTuple):
    """What a word adds to the score of each unit where a query has it once, in float32.

    `values` are those of `units`, or without these of all units of the shard, and `most` is the
    greatest. They are right for one `basis`.
    """

    basis: tuple[float, ...]
    units: npt.NDArray[np.int32] | None
    values: Gains32
    most: float


class FoundWord:
    """Where a word occurs in a shard; counts and gains are worked out once for each index."""

    def __init__(self, postings: UnitPostings, texts: Postings | None, all_units: int) -> None:
        """`texts` are the rows whose texts hold the word, where rows are not the units."""
        self.units = len(postings.counts)
        self.postings = postings
        self.texts = texts
        self.is_settled = False
        self._all_units = all_units
        self._live: tuple[object, int] | None = None
        self._gains: Gains | None = None

    def settle(self) -> None:
        """Prepare for being asked for again and again, which does not pay for one query."""
        if self._is_spread_out:
            self.postings = self.postings.of_all(self._all_units)
            self._gains = None
        self.is_settled = True

    @property
    def size_bytes(self) -> int:
        """What it takes of memory once it is settled and its gains are worked out."""
        texts = (self.texts.labels, self.texts.counts) if self.texts else ()
        units, *counts = (array for array in self.postings if array is not None)
        of_unit = _GAIN_BYTES + sum(array.itemsize for array in counts)
        kept = self._all_units * of_unit
        if not self._is_spread_out:
            kept = self.units * (of_unit + units.itemsize)
        return kept + sum(array.nbytes for array in texts) + _ENTRY_BYTES

    @property
    def _is_spread_out(self) -> bool:
        return self.units * _SPREAD_OUT_FROM >= self._all_units

    def live(self, live: LiveUnits) -> int:
        """How many live units hold it."""
        if live.passing is None:
            return self.units
        known = self._live
        if known is None or known[0] is not live.key:
            known = (live.key, self._count(live.passing))
            self._live = known
        return known[1]

    def gains(self, ranking: Bm25, term: str, units: Units) -> Gains:
        """What it adds to scores under a ranking."""
        basis = ranking.basis(term)
        known = self._gains
        if known is None or known.basis != basis:
            found = self.postings
            exact = ranking.gains(term, found, units.words, units.title_words)
            values = exact.astype(np.float32)
            known = Gains(basis, found.units, values, float(values.max(initial=0.0)))
            self._gains = known
        return known

    def _count(self, passing: npt.NDArray[np.bool_]) -> int:
        units, counts, title_counts = self.postings
        if units is not None:
            return int(np.count_nonzero(passing[units]))
        holds = counts > 0 if title_counts is None else (counts > 0) | (title_counts > 0)
        return int(np.count_nonzero(holds & passing))


class WordCache:
    """The words of a shard that were asked for last; safe under threads."""

    def __init__(self, rows: int) -> None:
        """Keep as much as a shard of so many rows may take."""
        self._limit_bytes = rows * _LIMIT_BYTES_PER_ROW
        self._lock = threading.Lock()
        self._words: OrderedDict[tuple[bool, str], tuple[FoundWord, int]] = OrderedDict()
        self._bytes = 0

    def several(self, by_entity: bool, terms: Sequence[str]) -> dict[str, FoundWord]:
        """Those of some words that are kept."""
        found: dict[str, FoundWord] = {}
        with self._lock:
            for term in terms:
                kept = self._words.get((by_entity, term))
                if kept is not None:
                    self._words.move_to_end((by_entity, term))
                    found[term] = kept[0]
        return found

    def keep(self, by_entity: bool, term: str, word: FoundWord) -> None:
        """Keep a word; those that were not asked for longest make room."""
        size_bytes = word.size_bytes
        with self._lock:
            if size_bytes > self._limit_bytes or (by_entity, term) in self._words:
                return
            self._words[by_entity, term] = word, size_bytes
            self._bytes += size_bytes
            while self._bytes > self._limit_bytes:
                _, (_, removed_bytes) = self._words.popitem(last=False)
                self._bytes -= removed_bytes


class ShardWords:
    """The words of one shard, as its entities or its rows hold them."""

    def __init__(
        self, sidecar: Sidecar, units: Units, cache: WordCache, *, by_entity: bool
    ) -> None:
        """Read `sidecar`; `cache` keeps what was read."""
        self.units = units
        self._sidecar = sidecar
        self._cache = cache
        self._by_entity = by_entity

    def several(self, terms: Sequence[str]) -> dict[str, FoundWord]:
        """Those of some distinct words that a unit holds."""
        found = self._cache.several(self._by_entity, terms)
        for word in found.values():
            if not word.is_settled:
                word.settle()
        lacking = [term for term in terms if term not in found]
        if lacking:
            texts, titles = self._sidecar.texts_with(lacking), self._sidecar.titles_with(lacking)
            for term in lacking:
                found[term] = self._read(texts.get(term), titles.get(term))
                self._cache.keep(self._by_entity, term, found[term])
        return {term: found[term] for term in terms if found[term].units}

    def _read(self, texts: Postings | None, titles: Postings | None) -> FoundWord:
        units = self.units
        of_texts = of_titles = (_NO_UNITS, _NO_UNITS)
        if texts is not None:
            of_texts = units.summed(texts.labels, texts.counts)
        if titles is not None:
            of_titles = units.titled(titles.labels, titles.counts)
        rows = None if units.of_rows is None else texts
        return FoundWord(joined(of_texts, of_titles), rows, units.count)


def live_units(units: Units, is_live: npt.NDArray[np.bool_] | None) -> LiveUnits:
    """Count what lives; `is_live` says which rows do, None: all."""
    passing = None if is_live is None else units.passing(is_live)

    def live(numbers: Counts) -> int:
        return int(numbers.sum() if passing is None else numbers[passing].sum())

    rows = len(units.words) if units.of_rows is None else len(units.of_rows)
    return LiveUnits(
        passing=passing,
        units=units.count if passing is None else int(passing.sum()),
        rows=rows if is_live is None else int(is_live.sum()),
        words=live(units.words),
        title_words=live(units.title_words),
    )
