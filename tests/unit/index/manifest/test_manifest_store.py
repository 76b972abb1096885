"""Manifest commits: no lost update, repeatable, versions only grow, damage is named."""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import (
    ConflictError,
    CorruptObjectError,
    DimensionMismatchError,
    NotFoundError,
)
from shared.index.manifest.manifest_store import CommitRetry, ManifestCache, ManifestStore
from shared.models.manifest import ModelIdentity
from shared.storage.keys import manifest_version_key
from shared.storage.memory import MemoryObjectStore
from shared.storage.object_store import ObjectStore, StoredObject
from tests.unit.index.failing_store import HookedStore, StoreDownError, failing, once
from tests.unit.index.manifest_builders import (
    CORPUS,
    MODEL,
    NO_WAIT,
    descriptor,
    no_floor,
    written,
)


def manifests(
    store: ObjectStore, retry: CommitRetry = NO_WAIT, model: ModelIdentity = MODEL
) -> ManifestStore:
    return ManifestStore(store, CORPUS, model, retry)


class Overtaken(MemoryObjectStore):
    """A store in which somebody else always writes between a read and the write after it."""

    def put(self, key: str, data: bytes, **conditions: object) -> str:
        if conditions.get("if_match") or conditions.get("if_absent"):
            raise ConflictError(f"{key} was changed by another process")
        return super().put(key, data)


def test_the_first_commit_creates_version_one() -> None:
    store = MemoryObjectStore()
    with pytest.raises(NotFoundError):
        manifests(store).read()
    manifests(store).commit([descriptor("a"), descriptor("b")], floor=no_floor)
    manifest = manifests(store).read().manifest
    assert manifest.version == 1
    assert [shard.origin for shard in manifest.shards] == ["a", "b"]


def test_a_repeated_commit_writes_nothing() -> None:
    store = MemoryObjectStore()
    manifests(store).commit([descriptor("a"), descriptor("b")], floor=no_floor)
    before = manifests(store).read()
    again = manifests(store).commit(
        [descriptor("b"), descriptor("a"), descriptor("a")], floor=no_floor
    )
    assert manifests(store).read() == before
    assert again == before.manifest


def test_a_shard_that_speaks_for_nothing_is_left_out() -> None:
    store = MemoryObjectStore()
    manifest = manifests(store).commit([descriptor("a", entities=0)], floor=no_floor)
    assert (manifest.version, manifest.shards) == (0, ())
    assert not list(store.list(""))


def test_committers_that_race_lose_no_shard() -> None:
    store = MemoryObjectStore()
    start = threading.Barrier(8)

    def commit(worker: int) -> list[int]:
        start.wait()
        versions = []
        for number in range(10):
            # Each origin is committed by two workers, as redelivery does.
            shards = [descriptor(f"{worker // 2}/{number}"), descriptor(f"own/{worker}/{number}")]
            versions.append(manifests(store, NO_WAIT).commit(shards, floor=no_floor).version)
        return versions

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(commit, range(8)))
    manifest = manifests(store).read().manifest
    origins = [shard.origin for shard in manifest.shards]
    assert len(origins) == len(set(origins)) == 4 * 10 + 8 * 10
    assert all(seen == sorted(seen) for seen in versions)
    assert manifest.version == max(max(seen) for seen in versions) <= len(origins)


def test_a_committer_that_never_wins_gives_up_with_a_bound() -> None:
    waits: list[float] = []
    retry = CommitRetry(attempts=5, base_seconds=0.1, maximum_seconds=0.3, sleep=waits.append)
    with pytest.raises(ConflictError, match=r"5 attempts to\s+commit 1 shards"):
        manifests(Overtaken(), retry).commit([descriptor("a")], floor=no_floor)
    assert len(waits) == 5
    assert all(0 <= wait <= 0.3 for wait in waits)
    assert waits[0] <= 0.1


@pytest.mark.parametrize(
    "other",
    [
        ModelIdentity(id="random", revision="2", dims=MODEL.dims),
        ModelIdentity(id="other", revision="1", dims=MODEL.dims),
        ModelIdentity(id="random", revision="1", dims=MODEL.dims + 1),
    ],
)
def test_shards_of_another_model_never_meet(other: ModelIdentity) -> None:
    store = MemoryObjectStore()
    manifests(store).commit([descriptor("a")], floor=no_floor)
    before = manifests(store).read()
    with pytest.raises(DimensionMismatchError):
        manifests(store).commit([descriptor("b"), descriptor("c", model=other)], floor=no_floor)
    assert manifests(store).read() == before


def test_a_manifest_of_another_revision_is_refused() -> None:
    store = MemoryObjectStore()
    manifests(store).commit([descriptor("a")], floor=no_floor)
    revised = ModelIdentity(id="random", revision="2", dims=MODEL.dims)
    with pytest.raises(DimensionMismatchError, match="revision 1"):
        manifests(store, model=revised).commit([descriptor("b", model=revised)], floor=no_floor)


def _damaged(good: bytes) -> Iterator[bytes]:
    document = json.loads(good)
    yield b""
    yield b"\xff\xfe"
    yield good[: len(good) // 2]
    yield b"[]"
    yield json.dumps({**document, "schema_version": 1}).encode()
    yield json.dumps({**document, "schema_version": 3}).encode()
    yield b"[" * 100_000
    yield json.dumps({**document, "corpus": "another"}).encode()
    yield json.dumps({**document, "version": -1}).encode()
    yield json.dumps({**document, "shards": [{}]}).encode()


@pytest.mark.parametrize("number", range(10))
def test_a_damaged_manifest_is_named_and_never_overwritten(number: int) -> None:
    store = MemoryObjectStore()
    own = manifests(store)
    own.commit([descriptor("a")], floor=no_floor)
    data = list(_damaged(store.get(own.key).data))[number]
    store.put(own.key, data)
    with pytest.raises(CorruptObjectError, match=own.key):
        own.read()
    with pytest.raises(CorruptObjectError, match=own.key):
        own.commit([descriptor("b")], floor=no_floor)
    assert store.get(own.key).data == data


@pytest.mark.parametrize(
    ("made_by", "advice"),
    [(1, "older release.*ultron index rebuild"), (3, "newer release.*deploy")],
)
def test_a_manifest_of_another_release_says_what_to_do(made_by: int, advice: str) -> None:
    store = MemoryObjectStore()
    own = manifests(store)
    document = json.loads(own.commit([descriptor("a")], floor=no_floor).model_dump_json())
    for shard in document["shards"]:
        del shard["catalog"]  # as it was in schema version 1
    store.put(own.key, json.dumps({**document, "schema_version": made_by}).encode())
    with pytest.raises(CorruptObjectError, match=f"{own.key}.*{advice}"):
        own.read()


@pytest.mark.parametrize("moment", ["after", "repeated"])
def test_a_commit_whose_answer_was_lost_is_found_again(
    moment: Literal["after", "repeated"],
) -> None:
    store = MemoryObjectStore()
    manifests(store).commit([descriptor("a")], floor=no_floor)
    lost = failing(
        store, 0, moment, lambda call: call.key == manifests(store).key and call.is_conditional
    )
    if moment == "after":
        with pytest.raises(StoreDownError):
            manifests(lost).commit([descriptor("b")], floor=no_floor)
    manifest = manifests(lost).commit([descriptor("b")], floor=no_floor)
    assert manifest.version == 2
    assert manifests(store).read().manifest == manifest


def test_a_commit_whose_last_attempt_lost_its_answer_is_no_conflict() -> None:
    store = MemoryObjectStore()
    manifests(store).commit([descriptor("a")], floor=no_floor)
    lost = failing(
        store, 0, "repeated", lambda call: call.key == manifests(store).key and call.is_conditional
    )
    one_attempt = CommitRetry(attempts=1, sleep=lambda _: None)
    manifest = manifests(lost, one_attempt).commit([descriptor("b")], floor=no_floor)
    assert manifest.version == 2
    assert manifests(store).read().manifest == manifest


def test_a_commit_that_two_others_overtook_is_made_again() -> None:
    """Its version is in the history by then, as that of another committer."""
    store = MemoryObjectStore()
    manifests(store).commit([descriptor("a")], floor=no_floor)

    def overtake() -> None:
        for name in ("b", "c"):
            manifests(store).commit([descriptor(name)], floor=no_floor)

    hooked = HookedStore(store, before=once("put", manifests(store).key, overtake))
    manifest = manifests(hooked).commit([descriptor("d")], floor=no_floor)
    assert manifest.version == 4
    assert [shard.origin for shard in manifest.shards] == ["a", "b", "c", "d"]
    assert manifests(store).read().manifest == manifest


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class CountingStore(MemoryObjectStore):
    """Counts how often an object is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def get(self, key: str) -> StoredObject:
        self.reads += 1
        return super().get(key)


def test_the_cache_looks_again_only_after_its_interval() -> None:
    store, clock = CountingStore(), Clock()
    manifests(store).commit([descriptor("a")], floor=no_floor)
    cache = ManifestCache(manifests(store), recheck_seconds=5.0, clock=clock)
    assert cache.current().version == 1
    manifests(store).commit([descriptor("b")], floor=no_floor)
    store.reads = 0
    clock.now += 4.9
    assert cache.current().version == 1
    assert store.reads == 0
    clock.now += 0.2
    assert cache.current().version == 2
    assert cache.current() is cache.current()
    assert store.reads == 1


def test_the_last_good_manifest_goes_on_serving() -> None:
    store, clock = MemoryObjectStore(), Clock()
    own = manifests(store)
    own.commit([descriptor("a")], floor=no_floor)
    good = store.get(own.key).data
    cache = ManifestCache(own, recheck_seconds=1.0, clock=clock)
    assert cache.current().version == 1
    for data in _damaged(good):
        store.put(own.key, data)
        clock.now += 1.0
        assert cache.current().version == 1
    store.put(own.key, good)
    own.commit([descriptor("b")], floor=no_floor)
    clock.now += 1.0
    assert cache.current().version == 2


def test_a_store_that_does_not_answer_stops_no_reader_that_has_a_manifest() -> None:
    down = False

    def before(call: object) -> None:
        if down:
            raise StoreDownError

    store, clock = HookedStore(before=before), Clock()
    own = manifests(store)
    own.commit([descriptor("a")], floor=no_floor)
    cache = ManifestCache(own, recheck_seconds=1.0, clock=clock)
    assert cache.committed() == own.read()
    own.commit([descriptor("b")], floor=no_floor)
    down = True
    asked = len(store.calls)
    clock.now += 1.0
    assert [cache.current().version for _ in range(3)] == [1, 1, 1]
    assert len(store.calls) == asked + 1  # not asked again before the interval is over
    down = False
    clock.now += 1.0
    assert cache.committed() == own.read()
    assert cache.current().version == 2
    with pytest.raises(StoreDownError):
        down = True
        ManifestCache(own).current()


def test_a_manifest_that_vanished_goes_on_serving_and_is_not_begun_again() -> None:
    store, clock = MemoryObjectStore(), Clock()
    own = manifests(store)
    own.commit(written(store, "a"), floor=no_floor)
    own.commit(written(store, "b"), floor=no_floor)
    cache = ManifestCache(own, recheck_seconds=1.0, clock=clock)
    assert cache.current().version == 2
    store.delete(own.key)
    clock.now += 1.0
    assert cache.current().version == 2
    with pytest.raises(CorruptObjectError, match=f"{own.key} is missing.*ultron index restore"):
        own.commit([descriptor("c")], floor=no_floor)


def test_a_version_left_beside_a_deleted_index_stops_no_commit() -> None:
    store = MemoryObjectStore()
    own = manifests(store)
    own.commit(written(store, "a"), floor=no_floor)
    own.commit(written(store, "b"), floor=no_floor)
    history = manifest_version_key(CORPUS, MODEL, 1)
    for found in list(store.list("")):
        if found.key != history:
            store.delete(found.key)
    (shard,) = written(store, "c")
    committed = own.commit([shard], floor=no_floor)
    assert committed.shards == (shard,)
    assert committed.version > 1
    assert own.read().manifest == committed


def test_a_damaged_first_manifest_is_an_error() -> None:
    store = MemoryObjectStore()
    store.put(manifests(store).key, b"{}")
    with pytest.raises(CorruptObjectError):
        ManifestCache(manifests(store)).current()


batches = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=10)


@settings(max_examples=60, deadline=None)
@given(batches)
def test_any_sequence_of_commits_holds_each_origin_once(commits: Sequence[Sequence[str]]) -> None:
    store = MemoryObjectStore()
    own = ManifestStore(store, CORPUS, MODEL)
    seen: dict[str, None] = {}
    version = 0
    for batch in commits:
        manifest = own.commit([descriptor(origin) for origin in batch], floor=no_floor)
        is_new = any(origin not in seen for origin in batch)
        seen |= dict.fromkeys(batch)
        version += is_new
        assert manifest.version == version
        assert [shard.origin for shard in manifest.shards] == list(seen)
