"""Cutting work into batches that are bounded by count and by bytes, as the calls of AWS are."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

ItemT = TypeVar("ItemT")


def bounded_batches(
    items: Iterable[ItemT],
    size_bytes: Callable[[ItemT], int],
    *,
    most_items: int,
    most_bytes: int,
) -> Iterator[list[ItemT]]:
    """Yield the items in order, in batches within both bounds, reading no further than needed.

    Raises:
        ValueError: one item alone is larger than `most_bytes`; the caller has to sort those out.
    """
    batch: list[ItemT] = []
    total = 0
    for item in items:
        size = size_bytes(item)
        if size > most_bytes:
            raise ValueError(f"an item of {size} bytes is over the bound of {most_bytes}")
        if batch and (len(batch) == most_items or total + size > most_bytes):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch
