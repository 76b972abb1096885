"""Which shards are merged: never too many bytes, never one alone, and some day it is enough."""

import hashlib
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.index.maintenance.compaction_plan import (
    MOST_SHARDS_AT_ONCE,
    CompactionPolicy,
    ShardGroup,
    plan_merges,
    plan_rewrites,
)
from shared.models.manifest import FileReference, ModelIdentity, ShardDescriptor

MODEL = ModelIdentity(id="random", revision="1", dims=4)
POLICY = CompactionPolicy(fan_in=4, minimum_bytes=1000, maximum_bytes=8000)

sizes = st.lists(st.integers(1, 3000), max_size=120)
policies = st.builds(
    CompactionPolicy,
    fan_in=st.integers(2, 16),
    minimum_bytes=st.just(1000),
    maximum_bytes=st.integers(1000, 20_000),
)


def shard(number: int, size: int, vectors: int = 10) -> ShardDescriptor:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return ShardDescriptor(
        shard_id=digest[:16],
        origin=f"origin/{number}",
        seq=number,
        model=MODEL,
        vectors=vectors,
        entities=1,
        catalog=FileReference(key=f"shards/{number}.npz", size_bytes=size, sha256=digest),
        graph=None,
        sidecar=None,
    )


def shards_of(sizes: Sequence[int]) -> list[ShardDescriptor]:
    return [shard(number, size) for number, size in enumerate(sizes)]


def size_of(group: ShardGroup) -> int:
    return sum(member.size_bytes for member in group)


def sizes_of(groups: Sequence[ShardGroup]) -> list[list[int]]:
    return [[member.size_bytes for member in group] for group in groups]


def test_a_full_tier_is_merged() -> None:
    assert sizes_of(plan_merges(shards_of([300, 301, 302, 303, 304]), POLICY)) == [
        [300, 301, 302, 303, 304]
    ]


def test_fewer_than_the_fan_in_wait() -> None:
    assert plan_merges(shards_of([300, 300, 300]), POLICY) == []


def test_shards_of_other_tiers_do_not_count() -> None:
    assert plan_merges(shards_of([300, 300, 300, 200, 200, 200, 50, 50, 50]), POLICY) == []


def test_large_shards_are_left_alone() -> None:
    assert plan_merges(shards_of([1000] * 20), POLICY) == []


def test_the_first_are_taken_as_many_as_fit() -> None:
    policy = CompactionPolicy(fan_in=4, minimum_bytes=1000, maximum_bytes=2000)
    found = plan_merges(shards_of([900, 901, 902, 903, 904]), policy)
    assert sizes_of(found) == [[900, 901], [902, 903]]


def test_no_group_has_more_than_the_most_shards() -> None:
    found = plan_merges(shards_of([1] * (MOST_SHARDS_AT_ONCE + 5)), POLICY)
    assert [len(group) for group in found] == [MOST_SHARDS_AT_ONCE, 5]


def test_a_shard_that_fits_with_none_stays() -> None:
    policy = CompactionPolicy(fan_in=2, minimum_bytes=1000, maximum_bytes=1000)
    assert plan_merges(shards_of([900, 900, 900]), policy) == []


@pytest.mark.parametrize(("live", "is_rewritten"), [(10, False), (7, False), (6, True), (0, True)])
def test_a_shard_with_too_many_dead_rows_is_rewritten(live: int, is_rewritten: bool) -> None:
    found = plan_rewrites([shard(1, 9_000_000)], {shard(1, 1).shard_id: live}, POLICY)
    assert bool(found) is is_rewritten


def test_a_shard_without_rows_is_not_rewritten() -> None:
    rowless = shard(1, 10, vectors=0)
    assert plan_rewrites([rowless], {rowless.shard_id: 0}, POLICY) == []


@given(sizes, policies)
def test_groups_keep_their_bounds(sizes: list[int], policy: CompactionPolicy) -> None:
    shards = shards_of(sizes)
    groups = plan_merges(shards, policy)
    merged = [member.shard_id for group in groups for member in group]
    assert len(merged) == len(set(merged))
    places = {member.shard_id: place for place, member in enumerate(shards)}
    for group in groups:
        assert 2 <= len(group) <= MOST_SHARDS_AT_ONCE
        assert size_of(group) <= policy.maximum_bytes
        assert all(member.size_bytes < policy.minimum_bytes for member in group)
        assert len({policy.tier(member.size_bytes) for member in group}) == 1
        order = [places[member.shard_id] for member in group]
        assert order == sorted(order)


@given(sizes, policies)
def test_the_plan_depends_on_the_manifest_alone(sizes: list[int], policy: CompactionPolicy) -> None:
    assert plan_merges(shards_of(sizes), policy) == plan_merges(shards_of(sizes), policy)


@given(sizes, policies, st.floats(0.3, 1.0))
def test_merging_ends_with_few_shards(
    sizes: list[int], policy: CompactionPolicy, kept_share: float
) -> None:
    shards, number = shards_of(sizes), len(sizes)
    for _ in range(len(sizes) + 1):
        groups = plan_merges(shards, policy)
        if not groups:
            break
        for group in groups:
            merged = shard(number, max(1, math.ceil(size_of(group) * kept_share)))
            number += 1
            place = shards.index(group[0])
            shards[place] = merged
            shards = [member for member in shards if member not in group[1:]]
    assert plan_merges(shards, policy) == []
    small = [member for member in shards if member.size_bytes < policy.minimum_bytes]
    if policy.maximum_bytes >= 2 * policy.minimum_bytes:  # else two small ones may not fit at all
        tiers = 1 + math.ceil(math.log(policy.minimum_bytes, policy.fan_in))
        assert len(small) < policy.fan_in * tiers


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"fan_in": 1}, "fan-in of 1"),
        ({"fan_in": 65}, "fan-in of 65"),
        ({"minimum_bytes": 0}, "0 to"),
        ({"minimum_bytes": 300, "maximum_bytes": 299}, "300 to 299"),
        ({"dead_share": 1.0}, "dead share of 1.0"),
        ({"dead_share": -0.1}, "dead share of -0.1"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(values: dict[str, float], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        CompactionPolicy(**values)  # type: ignore[arg-type]
