"""Partitions the shards of an index into groups that each fit one function's memory."""

from collections.abc import Iterable

from shared.models.manifest import ShardDescriptor

Group = tuple[ShardDescriptor, ...]


def partition_shards(
    shards: Iterable[ShardDescriptor], budget_bytes: int | None
) -> tuple[Group, ...]:
    """Return the shards that hold rows, in their order, in groups of at most the budget.

    A shard over the budget makes a group alone. Without a budget there is one group; there is
    always at least one, be it empty. Shards without rows only mark deleted entities: every group
    reads those from their catalogs anyway.
    """
    groups: list[list[ShardDescriptor]] = [[]]
    room = budget_bytes
    for shard in shards:
        if not shard.vectors:
            continue
        if room is not None and budget_bytes is not None:
            if groups[-1] and shard.size_bytes > room:
                groups.append([])
                room = budget_bytes
            room -= shard.size_bytes
        groups[-1].append(shard)
    return tuple(map(tuple, groups))
