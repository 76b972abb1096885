"""Grouping texts so that a batch holds rows of similar length and little padding."""

from collections.abc import Iterator, Sequence


def plan_batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Yield positions into `lengths`, longest first, every position once.

    A batch is padded to its longest row, so it costs `rows x longest` tokens; it holds as many
    rows as fit into `tokens_per_batch`, and at least one. Longest first, so that memory runs out
    at the first batch or not at all.
    """
    batch: list[int] = []
    longest = 0
    for position in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        if batch and (len(batch) + 1) * longest > tokens_per_batch:
            yield batch
            batch = []
        if not batch:
            longest = lengths[position]
        batch.append(position)
    if batch:
        yield batch
