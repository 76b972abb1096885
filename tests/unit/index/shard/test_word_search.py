"""Scoring within a shard: what is left out of the adding up changes no hit."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.index.best_rows import best_places
from shared.index.shard.found_words import FoundWord
from shared.index.shard.lexical import Bm25, TermStatistics, UnitPostings, joined
from shared.index.shard.units import Units
from shared.index.shard.word_search import Floor, LookedUp, best_units, scores_of

UNITS = 2000
TERMS = ("rare", "seldom", "often", "common")
# A word that the query has twice.
QUERY = (*TERMS, "often")


def shard_of(seed: int, shares: Sequence[float]) -> LookedUp:
    rng = np.random.default_rng(seed)
    words = rng.integers(1, 40, UNITS)
    units = Units(None, np.arange(UNITS), words, rng.integers(0, 6, UNITS))
    words_found = {}
    for term, share in zip(TERMS, shares, strict=True):
        holding = np.flatnonzero(rng.random(UNITS) < share)
        titled = holding[rng.random(len(holding)) < 0.2]
        if len(holding):
            counts = rng.integers(1, 9, len(holding))
            found = joined((holding, counts), (titled, np.ones(len(titled), np.int64)))
            words_found[term] = FoundWord(found, None, UNITS)
    statistics = TermStatistics(
        UNITS, UNITS, int(words.sum()), int(units.title_words.sum()),
        {term: word.units for term, word in words_found.items()},
    )  # fmt: skip
    return LookedUp(units, words_found, statistics)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 9999),
    shares=st.tuples(
        st.floats(0.0, 0.05), st.floats(0.0, 0.2), st.floats(0.1, 0.6), st.floats(0.3, 1.0)
    ),
    count=st.integers(1, 60),
    is_filtered=st.booleans(),
    known=st.floats(0.0, 1.2),
)
def test_the_best_units_are_those_of_adding_everything_up(
    seed: int, shares: Sequence[float], count: int, *, is_filtered: bool, known: float
) -> None:
    looked_up = shard_of(seed, shares)
    ranking = Bm25.of(looked_up.statistics, QUERY)
    passing = np.random.default_rng(seed).random(UNITS) < 0.3 if is_filtered else None
    everything = scores_of(looked_up, ranking, range(UNITS))
    holds = everything.scores > 0
    units = np.flatnonzero(holds if passing is None else holds & passing)
    expected = units[best_places(units, everything.scores[units], count)]
    # Another shard was searched, whose best are no better than the last of these.
    least = everything.scores[expected[-1]] if len(expected) == count else 0.0
    below = np.full(count, min(known, 1.0) * least)
    others = np.flatnonzero(np.random.default_rng(seed + 1).random(UNITS) < 0.01)
    for is_settled in (False, True):
        if is_settled:
            for word in looked_up.words.values():
                word.settle()
        floor = Floor(count)
        floor.add(below)
        found = best_units(looked_up, ranking, count, passing, others, floor)
        assert found.units[found.best].tolist() == expected.tolist()
        assert found.scores.tolist() == everything.scores[found.units].tolist()
        assert found.has_all.tolist() == everything.has_all[found.units].tolist()
        assert set(others.tolist()) <= set(found.units.tolist())


def test_what_is_below_the_best_of_another_shard_is_left_out() -> None:
    looked_up = shard_of(1, (0.05, 0.2, 0.6, 1.0))
    ranking = Bm25.of(looked_up.statistics, QUERY)
    scores = np.sort(scores_of(looked_up, ranking, range(UNITS)).scores)[::-1]
    floor = Floor(20)
    floor.add(scores[10:30])
    assert floor.score == scores[29]
    found = best_units(looked_up, ranking, 20, None, floor=floor)
    assert found.scores[found.best].tolist() == scores[:20].tolist()
    assert floor.score == scores[14]


@given(
    texts=st.dictionaries(st.integers(0, 30), st.integers(1, 9)),
    titles=st.dictionaries(st.integers(0, 30), st.integers(1, 9)),
)
def test_fields_are_joined_by_their_units(texts: dict[int, int], titles: dict[int, int]) -> None:
    def sorted_arrays(field: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
        units = np.array(sorted(field), dtype=np.int64)
        return units, np.array([field[unit] for unit in sorted(field)], dtype=np.int64)

    found = joined(sorted_arrays(texts), sorted_arrays(titles))
    assert isinstance(found, UnitPostings)
    assert found.units is not None
    assert found.units.tolist() == sorted({*texts, *titles})
    assert found.counts.tolist() == [texts.get(unit, 0) for unit in found.units.tolist()]
    title_counts = np.zeros(len(found.units)) if found.title_counts is None else found.title_counts
    assert title_counts.tolist() == [titles.get(unit, 0) for unit in found.units.tolist()]
