"""Grouping texts into batches of rows of one length."""

from collections.abc import Iterator, Sequence


def plan_batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Yield positions into `lengths`, longest first, every position once.

    All rows of a batch have the same length, so nothing is padded, and a row goes through the same
    arithmetic whatever stands beside it. A batch holds as many rows as fit into
    `tokens_per_batch`, and at least one. Longest first, so that memory runs out at the first batch
    or not at all, and threads that share the batches end at about the same time.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        length = lengths[position]
        if batch and (length != lengths[batch[0]] or (len(batch) + 1) * length > tokens_per_batch):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
