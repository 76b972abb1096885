"""Batches: every text once, within the budget, alike in length."""

from hypothesis import given
from hypothesis import strategies as st

from shared.embedding.batches import plan_batches

LENGTHS = st.lists(st.integers(min_value=1, max_value=600), max_size=200)
BUDGETS = st.integers(min_value=1, max_value=4096)


@given(LENGTHS, BUDGETS)
def test_every_position_comes_once(lengths: list[int], budget: int) -> None:
    batches = list(plan_batches(lengths, budget))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(batches)


@given(LENGTHS, BUDGETS)
def test_padded_size_stays_within_the_budget(lengths: list[int], budget: int) -> None:
    for batch in plan_batches(lengths, budget):
        longest = max(lengths[position] for position in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(LENGTHS, BUDGETS)
def test_no_batch_could_have_taken_the_next_row(lengths: list[int], budget: int) -> None:
    batches = list(plan_batches(lengths, budget))
    for batch in batches[:-1]:
        longest = max(lengths[position] for position in batch)
        assert (len(batch) + 1) * longest > budget


@given(LENGTHS, BUDGETS)
def test_lengths_only_fall(lengths: list[int], budget: int) -> None:
    ordered = [lengths[p] for batch in plan_batches(lengths, budget) for p in batch]
    assert ordered == sorted(lengths, reverse=True)
