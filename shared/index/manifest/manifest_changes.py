"""What a change makes of a manifest: pure functions from one version to the next."""

from collections.abc import Collection, Sequence
from datetime import datetime

from shared.models.manifest import Manifest, ShardDescriptor

COMPLETE_CHANGE = "complete"
FENCE_CHANGE = "fence"
RESTORE_CHANGE = "restore:"
REBUILD_CHANGE = "rebuild:"


def with_added(
    present: Manifest, shards: Sequence[ShardDescriptor], change: str, now: datetime
) -> Manifest:
    """The version with more shards, or `present` itself when no shard is new."""
    added = _new_shards(present.shards, shards)
    if not added:
        return present
    return _next_version(present, (*present.shards, *added), change, now)


def with_replaced(
    present: Manifest,
    removed: Collection[str],
    added: Sequence[ShardDescriptor],
    change: str,
    now: datetime,
) -> Manifest | None:
    """The version with `added` where the first of the removed shards stood.

    Returns:
        None when a removed shard is not there; `present` itself when this very change was made
        before, or would change nothing.
    """
    there = {shard.shard_id for shard in present.shards}
    outputs = {shard.shard_id for shard in added}
    missing = set(removed) - there
    if missing and (not outputs <= there or (set(removed) - outputs) & there or not outputs):
        return None
    return with_rebuilt(present, removed, added, change, now)


def with_rebuilt(
    present: Manifest,
    removed: Collection[str],
    added: Sequence[ShardDescriptor],
    change: str,
    now: datetime,
) -> Manifest:
    """Like `with_replaced`, but a removed shard need not be there."""
    gone = set(removed)
    kept = [shard for shard in present.shards if shard.shard_id not in gone]
    position = next(
        (at for at, shard in enumerate(present.shards) if shard.shard_id in gone), len(kept)
    )
    shards = (*kept[:position], *_new_shards(kept, added), *kept[position:])
    if shards == present.shards:
        return present
    return _next_version(present, shards, change, now)


def completed(present: Manifest, generation: int, now: datetime) -> Manifest:
    """The version that readers keep to from now on, or `present` itself when they do already."""
    if present.generation is not None and present.generation >= generation:
        return present
    following = _next_version(present, present.shards, COMPLETE_CHANGE, now)
    return following.model_copy(update={"generation": generation})


def fenced(present: Manifest, now: datetime) -> Manifest:
    """The version that holds what `present` holds, so that no commit over `present` succeeds."""
    return _next_version(present, present.shards, FENCE_CHANGE, now)


def with_shards_of(present: Manifest, target: Manifest, now: datetime) -> Manifest:
    """The version that follows `present` and holds what `target` held."""
    return _next_version(present, target.shards, f"{RESTORE_CHANGE}{target.version}", now)


def begun_anew(
    present: Manifest, shards: Sequence[ShardDescriptor], change: str, now: datetime
) -> Manifest:
    """The version that follows `present` and holds these shards alone."""
    return _next_version(present, tuple(_new_shards((), shards)), change, now)


def brings_back(change: str) -> bool:
    """Whether a change may bring older rows back or take newer ones away."""
    return change.startswith((RESTORE_CHANGE, REBUILD_CHANGE))


def _new_shards(
    present: Sequence[ShardDescriptor], shards: Sequence[ShardDescriptor]
) -> list[ShardDescriptor]:
    """Those of another origin than the present ones that speak for an entity, each origin once."""
    known = {shard.origin for shard in present}
    added: dict[str, ShardDescriptor] = {}
    for shard in shards:
        if shard.origin not in known and shard.entities > 0:
            added.setdefault(shard.origin, shard)
    return list(added.values())


def _next_version(
    present: Manifest, shards: tuple[ShardDescriptor, ...], change: str, now: datetime
) -> Manifest:
    return present.model_copy(
        update={
            "version": present.version + 1,
            "committed_at": now,
            "change": change,
            "shards": shards,
        }
    )
