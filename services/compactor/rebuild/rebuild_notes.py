"""What the steps of a rebuild leave for each other."""

from shared.models.base import Contract
from shared.models.manifest import ShardDescriptor


class RebuildPlan(Contract):
    """What a rebuild replaces, as of version `made_from`, and the vectors of each new shard.

    `floor` was the corpus's when the rebuild began: older runs' parts that were never indexed are
    left out.
    """

    made_from: int
    floor: int
    replaced: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]


class BuiltShard(Contract):
    """What a step made; None when none of its vectors belong to the index."""

    shard: ShardDescriptor | None


class FinishedRebuild(Contract):
    """The version that the rebuild committed."""

    version: int
