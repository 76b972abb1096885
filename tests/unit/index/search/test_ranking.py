"""The order of what groups found, whoever found it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.index.search.ranking import Positions, best_of, in_order, standard_scores


@given(
    scores=st.lists(st.integers(0, 4), max_size=30), count=st.integers(1, 12), seed=st.integers()
)
def test_the_best_are_those_of_sorting_by_score_and_name(
    scores: list[int], count: int, seed: int
) -> None:
    names = [f"n{number}" for number in range(len(scores))]
    np.random.default_rng(abs(seed)).shuffle(names)
    values = np.array(scores, dtype=np.float64)

    def names_of(positions: Positions) -> list[str]:
        return [names[position] for position in positions.tolist()]

    expected = sorted(range(len(scores)), key=lambda one: (-scores[one], names[one]))[:count]
    assert in_order(values, count, names_of).tolist() == expected
    assert sorted(best_of(values, count, names_of).tolist()) == sorted(expected)


@given(st.lists(st.floats(-50.0, 50.0), max_size=30))
def test_standard_scores_do_not_depend_on_the_order(values: list[float]) -> None:
    scores = standard_scores(np.array(values))
    backwards = standard_scores(np.array(values[::-1]))
    assert scores.tolist() == backwards[::-1].tolist()
    assert np.isfinite(scores).all()
