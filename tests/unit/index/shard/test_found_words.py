"""Words of queries that stay in memory: how many do, and that what is known of them stays right."""

import numpy as np
import pytest

from shared.index.shard.found_words import FoundWord, LiveUnits, WordCache, live_units
from shared.index.shard.lexical import Bm25, TermStatistics, UnitPostings
from shared.index.shard.units import Units

UNITS = 100


def word_in(units: range) -> FoundWord:
    counts = np.ones(len(units), dtype=np.uint8)
    return FoundWord(UnitPostings(np.array(units, dtype=np.int32), counts, None), None, UNITS)


def all_live() -> LiveUnits:
    return live_units(Units(None, np.arange(UNITS), np.full(UNITS, 9), np.full(UNITS, 1)), None)


def test_the_words_that_were_not_asked_for_longest_make_room() -> None:
    size_bytes = word_in(range(2)).size_bytes
    cache = WordCache(rows=3 * size_bytes // 512 + 1)
    for term in ("a", "b", "c"):
        cache.keep(True, term, word_in(range(2)))
    assert set(cache.several(True, ["a"])) == {"a"}
    cache.keep(True, "d", word_in(range(2)))
    assert set(cache.several(True, ["a", "b", "c", "d"])) == {"a", "c", "d"}
    assert cache.several(False, ["a"]) == {}


def test_a_word_that_is_larger_than_the_limit_is_not_kept() -> None:
    cache = WordCache(rows=1)
    cache.keep(True, "a", word_in(range(2)))
    assert cache.several(True, ["a"]) == {}


@pytest.mark.parametrize("units", [range(3), range(0, 100, 2)], ids=["rare", "common"])
def test_live_units_are_counted_for_each_version_of_the_index(units: range) -> None:
    word = word_in(units)
    rows = Units(None, np.arange(UNITS), np.full(UNITS, 9), np.full(UNITS, 1))
    half, none = live_units(rows, np.arange(UNITS) < 50), live_units(rows, np.zeros(UNITS, bool))
    for _ in range(2):
        assert word.live(all_live()) == len(units)
        assert word.live(half) == sum(unit < 50 for unit in units)
        assert word.live(none) == 0
        word.settle()


@pytest.mark.parametrize("units", [range(3), range(0, 100, 2)], ids=["rare", "common"])
def test_gains_follow_the_statistics_of_the_index(units: range) -> None:
    word = word_in(units)
    word.settle()
    rows = Units(None, np.arange(UNITS), np.full(UNITS, 9), np.full(UNITS, 1))
    for all_words in (900, 90, 900):
        statistics = TermStatistics(UNITS, UNITS, all_words, 100, {"a": len(units)})
        ranking = Bm25.of(statistics, ["a"])
        exact = ranking.gains("a", word.postings, rows.words, rows.title_words)
        gains = word.gains(ranking, "a", rows)
        assert np.allclose(gains.values, exact, rtol=1e-6)
        assert gains.most == gains.values.max()
