"""Batches bounded by count and by bytes: nothing lost, order kept, both bounds held."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.batching import bounded_batches


@given(st.lists(st.integers(0, 50)), st.integers(1, 5), st.integers(50, 120))
def test_batches_hold_both_bounds_and_lose_nothing(
    sizes: list[int], most_items: int, most_bytes: int
) -> None:
    batches = list(
        bounded_batches(sizes, lambda size: size, most_items=most_items, most_bytes=most_bytes)
    )
    assert [size for batch in batches for size in batch] == sizes
    assert all(1 <= len(batch) <= most_items and sum(batch) <= most_bytes for batch in batches)
    for batch, following in pairwise(batches):
        # None ends early: what follows would not have fitted.
        assert len(batch) == most_items or sum(batch) + following[0] > most_bytes


def test_no_more_is_read_than_a_batch_needs() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            read.append(number)
            yield number

    next(bounded_batches(items(), lambda _: 1, most_items=3, most_bytes=9))
    assert read == [0, 1, 2, 3]


def test_an_item_over_the_bound_is_the_callers_to_sort_out() -> None:
    with pytest.raises(ValueError, match="11 bytes is over the bound of 10"):
        list(bounded_batches([11], lambda size: size, most_items=3, most_bytes=10))
