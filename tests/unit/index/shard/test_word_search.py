"""Scoring within a shard: what is left out of the adding up changes no hit."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.index.best_rows import best_rows, rounded_scores
from shared.index.shard.lexical import Bm25, TermStatistics, UnitPostings, joined
from shared.index.shard.units import Units
from shared.index.shard.word_search import LookedUp, best_units, scores_of

UNITS = 400
TERMS = ("rare", "seldom", "often", "common")


def shard_of(seed: int, shares: Sequence[float]) -> LookedUp:
    rng = np.random.default_rng(seed)
    words = rng.integers(1, 40, UNITS)
    units = Units(None, np.arange(UNITS), words, rng.integers(0, 6, UNITS))
    postings = {}
    for term, share in zip(TERMS, shares, strict=True):
        holding = np.flatnonzero(rng.random(UNITS) < share)
        titled = holding[rng.random(len(holding)) < 0.2]
        if len(holding):
            counts = rng.integers(1, 9, len(holding))
            postings[term] = joined((holding, counts), (titled, np.ones(len(titled), np.int64)))
    statistics = TermStatistics(
        UNITS, UNITS, int(words.sum()), int(units.title_words.sum()),
        {term: len(found.units) for term, found in postings.items()},
    )  # fmt: skip
    return LookedUp(units, {}, postings, statistics)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 9999),
    shares=st.tuples(
        st.floats(0.0, 0.05), st.floats(0.0, 0.2), st.floats(0.1, 0.6), st.floats(0.3, 1.0)
    ),
    count=st.integers(1, 60),
    is_filtered=st.booleans(),
)
def test_the_best_units_are_those_of_adding_everything_up(
    seed: int, shares: Sequence[float], count: int, *, is_filtered: bool
) -> None:
    looked_up = shard_of(seed, shares)
    ranking = Bm25.of(looked_up.statistics, TERMS)
    passing = np.random.default_rng(seed).random(UNITS) < 0.3 if is_filtered else None
    everything = scores_of(looked_up, ranking, range(UNITS)).scores
    allowed = everything > 0 if passing is None else (everything > 0) & passing
    units = np.flatnonzero(allowed)
    expected = best_rows(units, rounded_scores(everything[units]), count)
    assert best_units(looked_up, ranking, count, passing) == expected


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
    assert found.units.tolist() == sorted({*texts, *titles})
    assert found.counts.tolist() == [texts.get(unit, 0) for unit in found.units.tolist()]
    assert found.title_counts.tolist() == [titles.get(unit, 0) for unit in found.units.tolist()]
