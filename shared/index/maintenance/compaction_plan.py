"""Which shards of an index are worth merging: size-tiered, a pure function of the manifest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.errors import InvalidInputError
from shared.models.manifest import ShardDescriptor

MEGABYTE = 1_000_000
MOST_SHARDS_AT_ONCE = 64

ShardGroup = tuple[ShardDescriptor, ...]


@dataclass(frozen=True, slots=True)
class CompactionPolicy:
    """When shards are merged, and to which size.

    Shards of `minimum_bytes` and more are large enough. Smaller ones lie in tiers, each `fan_in`
    times the size of the next; `fan_in` shards of a tier are merged, to at most `maximum_bytes`.
    A shard of which more than `dead_share` of the rows are dead is rewritten, whatever its size.
    """

    fan_in: int = 8
    minimum_bytes: int = 25 * MEGABYTE
    maximum_bytes: int = 200 * MEGABYTE
    dead_share: float = 0.3

    def __post_init__(self) -> None:
        """Refuse values under which compaction would not end or never begin."""
        if not 2 <= self.fan_in <= MOST_SHARDS_AT_ONCE:
            raise InvalidInputError(
                f"a fan-in of {self.fan_in} is not between 2 and {MOST_SHARDS_AT_ONCE}"
            )
        if not 0 < self.minimum_bytes <= self.maximum_bytes:
            raise InvalidInputError(
                f"shards of {self.minimum_bytes} to {self.maximum_bytes} bytes cannot be made; "
                "the minimum must be above 0 and at most the maximum"
            )
        if not 0.0 <= self.dead_share < 1.0:
            raise InvalidInputError(f"a dead share of {self.dead_share} is not in [0, 1)")

    def tier(self, size_bytes: int) -> int | None:
        """Return 0 for the largest shards that are still too small, more for smaller ones.

        None for a shard that is large enough.
        """
        if size_bytes >= self.minimum_bytes:
            return None
        tier, bound = 0, self.minimum_bytes
        while size_bytes * self.fan_in < bound and bound > 1:
            bound = -(-bound // self.fan_in)
            tier += 1
        return tier


def plan_merges(shards: Sequence[ShardDescriptor], policy: CompactionPolicy) -> list[ShardGroup]:
    """Return groups of shards, given in manifest order, each to be merged to one.

    No shard is in two groups; no group has fewer than two shards, more than 64, or more bytes
    than the policy's maximum.
    """
    tiers: dict[int, list[ShardDescriptor]] = {}
    for shard in shards:
        tier = policy.tier(shard.size_bytes)
        if tier is not None:
            tiers.setdefault(tier, []).append(shard)
    return [
        group
        for _, members in sorted(tiers.items())
        if len(members) >= policy.fan_in
        for group in _packed(members, policy)
    ]


def plan_rewrites(
    shards: Sequence[ShardDescriptor], live_rows: Mapping[str, int], policy: CompactionPolicy
) -> list[ShardGroup]:
    """Return the shards, each alone, of which too many rows are dead.

    `live_rows` says how many rows of a shard, by its id, are live.
    """
    return [
        (shard,)
        for shard in shards
        if shard.vectors - live_rows[shard.shard_id] > policy.dead_share * shard.vectors
    ]


def _packed(members: Iterable[ShardDescriptor], policy: CompactionPolicy) -> list[ShardGroup]:
    """Groups in order: each is closed when the next shard does not fit any more.

    What is left over at the end waits until it is worth a separate merge.
    """
    closed: list[ShardGroup] = []
    group: ShardGroup = ()
    for shard in members:
        size = sum(member.size_bytes for member in (*group, shard))
        if size > policy.maximum_bytes or len(group) == MOST_SHARDS_AT_ONCE:
            closed.append(group)
            group = ()
        group = (*group, shard)
    kept = [full for full in closed if len(full) > 1]
    return [*kept, group] if len(group) >= policy.fan_in else kept
