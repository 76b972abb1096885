import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ir_metrics import assess, ndcg, recall, reciprocal_rank


def test_ndcg_by_hand() -> None:
    # Relevant at ranks 1 and 3 of three relevant documents.
    gained = 1 / math.log2(2) + 1 / math.log2(4)
    best = 1 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert gained == 1.5
    assert ndcg(["a", "x", "b", "y"], {"a", "b", "c"}, 10) == pytest.approx(1.5 / best)
    assert ndcg(["a", "x", "b", "y"], {"a", "b", "c"}, 10) == pytest.approx(0.7039, abs=1e-4)


def test_ndcg_looks_no_deeper_than_asked_and_its_best_is_as_deep() -> None:
    assert ndcg(["x", "x2", "a"], {"a"}, 2) == 0.0
    relevant = {str(number) for number in range(20)}
    assert ndcg([str(number) for number in range(10)], relevant, 10) == 1.0


def test_recall_by_hand() -> None:
    assert recall(["a", "x", "b"], {"a", "b", "c", "d"}, 100) == 0.5
    assert recall(["a", "x", "b"], {"a", "b", "c", "d"}, 2) == 0.25
    assert recall(["a", "a", "a"], {"a", "b"}, 100) == 0.5


def test_reciprocal_rank_by_hand() -> None:
    assert reciprocal_rank(["x", "y", "a", "b"], {"a", "b"}) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x"], {"a"}) == 0.0


def test_nothing_relevant_is_nothing_found() -> None:
    assert ndcg(["a"], set(), 10) == recall(["a"], set(), 10) == reciprocal_rank(["a"], set()) == 0


def test_means_count_the_queries_without_a_ranking() -> None:
    quality = assess({"1": ["a"]}, {"1": {"a"}, "2": {"b"}})
    assert (quality.ndcg, quality.recall, quality.mrr) == (0.5, 0.5, 0.5)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.sets(st.sampled_from("abcdef")))
def test_within_bounds_and_best_when_all_relevant_come_first(
    ranking: list[str], relevant: set[str]
) -> None:
    assert 0.0 <= ndcg(ranking, relevant, 10) <= 1.0
    ideal = sorted(relevant) + [item for item in ranking if item not in relevant]
    assert ndcg(ideal, relevant, 10) == pytest.approx(1.0 if relevant else 0.0)
    assert ndcg(ranking, relevant, 10) <= ndcg(ideal, relevant, 10)
