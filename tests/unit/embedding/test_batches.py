"""Batches: every text once, within the budget, of one length."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.embedding.batches import plan_batches

LENGTHS = st.lists(st.integers(1, 12) | st.integers(min_value=1, max_value=600), max_size=200)
BUDGETS = st.integers(min_value=1, max_value=4096)


@given(LENGTHS, BUDGETS)
def test_every_position_comes_once(lengths: list[int], budget: int) -> None:
    batches = list(plan_batches(lengths, budget))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(batches)


@given(LENGTHS, BUDGETS)
def test_a_batch_has_one_length_and_stays_within_the_budget(
    lengths: list[int], budget: int
) -> None:
    for batch in plan_batches(lengths, budget):
        (length,) = {lengths[position] for position in batch}
        assert len(batch) == 1 or len(batch) * length <= budget


@given(LENGTHS, BUDGETS)
def test_no_batch_could_have_taken_the_next_row(lengths: list[int], budget: int) -> None:
    batches = list(plan_batches(lengths, budget))
    for batch, following in pairwise(batches):
        length = lengths[batch[0]]
        assert lengths[following[0]] != length or (len(batch) + 1) * length > budget


@given(LENGTHS, BUDGETS)
def test_lengths_only_fall(lengths: list[int], budget: int) -> None:
    ordered = [lengths[p] for batch in plan_batches(lengths, budget) for p in batch]
    assert ordered == sorted(lengths, reverse=True)
