"""The versions of a manifest: replacing shards, bringing versions back, repairing damage."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import (
    ConflictError,
    CorruptObjectError,
    DimensionMismatchError,
    NotFoundError,
)
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest, ModelIdentity
from shared.storage.keys import manifest_history_prefix, manifest_version_key
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.failing_store import Call, HookedStore, Moment, StoreDownError, failing
from tests.unit.index.manifest_builders import (
    CORPUS,
    MODEL,
    NO_WAIT,
    named,
    no_floor,
    origins,
    rebuild_alone,
    restore_alone,
    store_of,
    written,
)


def version_key(version: int) -> str:
    return manifest_version_key(CORPUS, MODEL, version)


def index_of(*commits: str) -> tuple[MemoryObjectStore, ManifestStore, list[Manifest]]:
    """An index with a version for each commit, a string of one-letter origins."""
    store = MemoryObjectStore()
    own = store_of(store)
    return store, own, [own.commit(written(store, *letters), floor=no_floor) for letters in commits]


def test_every_replaced_version_is_kept_as_it_was() -> None:
    store, own, versions = index_of("a", "b", "cd")
    kept = [item.key for item in store.list(manifest_history_prefix(CORPUS, MODEL))]
    assert kept == [version_key(1), version_key(2)]  # the present one is the manifest alone
    assert [own.read_version(n) for n in (1, 2, 3)] == versions
    assert list(own.versions()) == versions[::-1]
    for absent in (0, 4):
        with pytest.raises(NotFoundError, match=f"version {absent} of {own.key}"):
            own.read_version(absent)


def test_nothing_is_replaced_before_it_is_in_the_history() -> None:
    store, _, _ = index_of("a")
    hooked = HookedStore(store)
    store_of(hooked).commit(written(store, "b"), floor=no_floor)
    writes = [call.key for call in hooked.calls if call.name == "put"]
    assert writes == [version_key(1), store_of(store).key]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_cannot_keep_the_old_version_commits_nothing(moment: Moment) -> None:
    store, own, versions = index_of("a")
    down = failing(store, 0, moment, lambda call: call.key == version_key(1))
    with pytest.raises(StoreDownError):
        store_of(down).commit(written(store, "b"), floor=no_floor)
    assert own.read().manifest == versions[0]
    assert list(own.versions()) == versions
    assert origins(own.commit(written(store, "b"), floor=no_floor).shards) == ["a", "b"]


def test_a_damaged_version_in_the_history_is_written_anew_by_the_next_commit() -> None:
    store, own, versions = index_of("a")
    store.put(version_key(1), b"{")  # of a committer that died in a store without atomic writes
    own.commit(written(store, "b"), floor=no_floor)
    assert own.read_version(1) == versions[0]


def test_a_damaged_version_in_the_history_that_changes_meanwhile_is_not_written_over() -> None:
    store, own, _ = index_of("a")
    store.put(version_key(1), b"{")
    another = index_of("b")[0].get(own.key).data

    def begin_again(call: Call) -> None:
        """The index is deleted and begun again just then."""
        if call.name == "get" and call.key == version_key(1):
            store.put(version_key(1), another)

    with pytest.raises(CorruptObjectError, match="holds another version 1"):
        store_of(HookedStore(store, after=begin_again)).commit(written(store, "c"), floor=no_floor)
    assert store.get(version_key(1)).data == another


def test_a_version_moves_to_the_history_between_two_looks_at_it() -> None:
    store, own, versions = index_of("a")

    def commit_once(call: Call) -> None:
        if call.number == 1:  # the history did not hold it yet; the manifest holds it no longer
            own.commit(written(store, "b"), floor=no_floor)

    assert store_of(HookedStore(store, before=commit_once)).read_version(1) == versions[0]


def test_shards_are_replaced_where_the_first_of_them_stood() -> None:
    store, own, _ = index_of("abcde")
    (merged,) = written(store, "x")
    manifest = own.replace([named("d"), named("b")], [merged], "compact")
    assert manifest is not None
    assert origins(manifest.shards) == ["a", "x", "c", "e"]
    assert (manifest.version, manifest.change) == (2, "compact")
    assert own.replace([named("a")], [], "compact") == own.read().manifest
    assert origins(own.read().manifest.shards) == ["x", "c", "e"]
    assert own.replace([], written(store, "y", "c"), "sweep") == own.read().manifest
    assert origins(own.read().manifest.shards) == ["x", "c", "e", "y"]


def test_a_replacement_whose_inputs_left_writes_nothing() -> None:
    store, own, _ = index_of("abc")
    own.replace([named("a"), named("b")], written(store, "x"), "compact")
    before = own.read()
    assert own.replace([named("b"), named("c")], written(store, "y"), "compact") is None
    assert own.replace([named("b")], [], "compact") is None
    assert store_of(MemoryObjectStore()).replace([named("a")], [], "compact") is None
    assert own.read() == before


def test_a_repeated_replacement_writes_nothing_and_is_told_so() -> None:
    store, own, _ = index_of("ab")
    merged = written(store, "x")
    first = own.replace([named("a"), named("b")], merged, "compact")
    assert own.replace([named("a"), named("b")], merged, "compact") == first
    later = own.commit(written(store, "c"), floor=no_floor)
    assert own.replace([named("a"), named("b")], merged, "compact") == later
    # A message that comes again brings an origin back that was merged: then this is another task.
    own.commit(written(store, "b"), floor=no_floor)
    assert own.replace([named("a"), named("b")], merged, "compact") is None


@pytest.mark.parametrize("change", ["restore", "rebuild"])
def test_a_merge_does_not_survive_a_restore_after_it_was_planned(change: str) -> None:
    """The merge left out rows of `a` that a row of `b` superseded; without `b` they live again."""
    store, own, _ = index_of("a", "b")
    if change == "restore":
        restore_alone(own, 1)
    else:
        rebuild_alone(own, [named("b")], [], "rebuild:00000000")
    before = own.read()
    assert own.replace([named("a")], written(store, "x"), "compact", made_from=2) is None
    assert own.read() == before
    own.commit(written(store, "c"), floor=no_floor)
    assert own.replace([named("a")], written(store, "x"), "compact", made_from=2) is None
    assert own.replace([named("a")], written(store, "x"), "compact", made_from=3) is not None


def test_a_merge_survives_commits_and_other_merges_after_it_was_planned() -> None:
    store, own, _ = index_of("abcd")
    own.commit(written(store, "e"), floor=no_floor)
    own.replace([named("c"), named("d")], written(store, "y"), "compact")
    own.commit(written(store, "f"), change="sweep", floor=no_floor)
    merged = own.replace([named("a"), named("b")], written(store, "x"), "compact", made_from=1)
    assert merged is not None
    assert origins(merged.shards) == ["x", "y", "e", "f"]


def test_a_merge_is_refused_when_nobody_can_tell_what_happened_since() -> None:
    store, own, _ = index_of("a", "b", "c")
    store.delete(version_key(2))
    assert own.replace([named("a")], written(store, "x"), "compact", made_from=1) is None


def test_restore_makes_a_new_version_of_an_old_state() -> None:
    _, own, versions = index_of("a", "b", "c")
    restored = restore_alone(own, 1)
    assert (restored.version, restored.change) == (4, "restore:1")
    assert restored.shards == versions[0].shards
    assert restore_alone(own, 1) == restored  # it holds these shards already
    assert origins(restore_alone(own, 3).shards) == ["a", "b", "c"]
    assert [manifest.version for manifest in own.versions()] == [5, 4, 3, 2, 1]
    with pytest.raises(NotFoundError):
        restore_alone(own, 6)


def test_a_version_whose_files_are_gone_is_not_restored() -> None:
    store, own, versions = index_of("a", "b")
    lost = versions[0].shards[0].files[1].key
    store.delete(lost)
    with pytest.raises(CorruptObjectError, match=f"{lost} is gone.*version 1"):
        restore_alone(own, 1)
    assert own.read().manifest == versions[1]


def _foreign(good: bytes) -> bytes:
    return json.dumps({**json.loads(good), "corpus": "another"}).encode()


DAMAGES: Sequence[Callable[[bytes], bytes | None]] = (
    lambda _: None,
    lambda _: b"",
    lambda good: good[:-1],
    _foreign,
    lambda good: json.dumps({**json.loads(good), "schema_version": 1, "version": 70}).encode(),
    lambda _: json.dumps({"version": 10**30}).encode(),
)


@pytest.mark.parametrize("number", range(len(DAMAGES)))
@pytest.mark.parametrize("repair", ["restore", "rebuilt"])
def test_damage_is_repaired_and_versions_go_on_growing(
    number: int, repair: Literal["restore", "rebuilt"]
) -> None:
    store, own, versions = index_of("a", "b", "c")
    damaged = DAMAGES[number](store.get(own.key).data)
    store.delete(own.key)
    if damaged is not None:
        store.put(own.key, damaged)
    with pytest.raises(CorruptObjectError, match=own.key):
        own.commit(written(store, "d"), floor=no_floor)
    assert list(own.versions()) == versions[1::-1]
    if repair == "restore":
        repaired = restore_alone(own, 2)
        assert repaired.shards == versions[1].shards
    else:
        repaired = rebuild_alone(own, [named("a")], written(store, "x"), "rebuild:00000000")
        assert origins(repaired.shards) == ["x"]
    assert repaired.version > (70 if number == 4 else 3)
    assert own.read().manifest == repaired
    store.put(own.key, b"{")  # twice is no worse than once
    assert restore_alone(own, 1).version > repaired.version + 1
    assert restore_alone(own, repaired.version).shards == repaired.shards
    assert [manifest.version for manifest in own.versions()][-3:] == [repaired.version, 2, 1]


def test_a_manifest_that_was_set_back_is_not_built_upon() -> None:
    store, own, versions = index_of("a", "b", "c")
    store.put(own.key, store.get(version_key(1)).data)
    with pytest.raises(CorruptObjectError, match=r"manifests/.*ultron index restore"):
        for letter in "xyz":
            own.commit(written(store, letter), floor=no_floor)
    assert restore_alone(own, 2).version > 3
    assert own.read_version(2) == versions[1]


def test_a_damaged_manifest_that_changes_meanwhile_is_not_written_over() -> None:
    store, own, versions = index_of("a", "b")
    good = store.get(own.key).data
    store.put(own.key, b"{")

    def repair(call: Call) -> None:
        if call.name == "put" and call.key == own.key and len(store.get(own.key).data) == 1:
            store.put(own.key, good)

    assert store_of(HookedStore(store, before=repair)).restore(1, over=None) is None
    assert own.read().manifest == versions[1]


@pytest.mark.parametrize("change", ["restore", "rebuild"])
def test_a_change_over_a_version_that_was_replaced_writes_nothing(change: str) -> None:
    store, own, _ = index_of("a", "b")
    over = own.read()
    newer = own.commit(written(store, "c"), floor=no_floor)
    if change == "restore":
        assert own.restore(1, over=over) is None
    else:
        assert own.rebuilt([named("a")], written(store, "r"), "rebuild:1", over=over) is None
    assert own.read().manifest == newer


def test_a_fence_is_a_version_that_holds_the_same() -> None:
    _, own, versions = index_of("a", "b")
    fenced = own.fence()
    assert (fenced.version, fenced.change, fenced.shards) == (3, "fence", versions[1].shards)
    assert own.read_version(2) == versions[1]


def test_the_floor_is_read_at_every_attempt_after_the_manifest() -> None:
    store, own, versions = index_of("a")
    floors = iter([1, 2])
    calls: list[str] = []

    def overtake(call: Call) -> None:
        calls.append(f"{call.name} {call.key}")
        if call.name == "put" and call.key == own.key and calls.count("floor") == 1:
            own.fence()

    def floor() -> int:
        calls.append("floor")
        return next(floors)

    hooked = store_of(HookedStore(store, before=overtake))
    committed = hooked.commit(written(store, "b"), floor=floor)  # its seq is 1
    assert committed.shards == versions[0].shards
    first, second = (number for number, name in enumerate(calls) if name == "floor")
    assert f"get {own.key}" in calls[:first]
    assert f"get {own.key}" in calls[first:second]


def test_damage_of_another_model_is_not_repaired_by_accident() -> None:
    store, own, _ = index_of("a", "b")
    other = ModelIdentity(id=MODEL.id, revision="2", dims=MODEL.dims)
    newer = ManifestStore(store, CORPUS, other, NO_WAIT)
    with pytest.raises(DimensionMismatchError):
        restore_alone(newer, 1)
    with pytest.raises(DimensionMismatchError):
        rebuild_alone(newer, [], [], "rebuild:00000000")
    assert list(newer.versions()) == []
    assert own.read().manifest.version == 2


def test_a_rebuild_leaves_what_came_meanwhile() -> None:
    store, own, _ = index_of("abc")
    at_start = [named(origin) for origin in "abc"]
    own.commit(written(store, "d"), floor=no_floor)
    own.replace([named("a"), named("b")], written(store, "x"), "compact")
    rebuilt = rebuild_alone(own, at_start, written(store, "r", "s"), "rebuild:00000000")
    assert origins(rebuilt.shards) == ["x", "r", "s", "d"]
    assert rebuild_alone(own, at_start, written(store, "r", "s"), "rebuild:00000000") == rebuilt
    fresh = MemoryObjectStore()
    first = rebuild_alone(store_of(fresh), [], written(fresh, "r"), "rebuild:00000000")
    assert (first.version, origins(first.shards)) == (1, ["r"])


@pytest.mark.parametrize("action", ["commit", "replace", "restore", "rebuilt"])
@pytest.mark.parametrize("overtaken", [False, True])
def test_a_write_that_meets_itself_is_one_version(action: str, overtaken: bool) -> None:
    """A client sends a write again whose answer was lost, and is told that somebody was first."""
    store, own, _ = index_of("a", "b")
    changed = failing(
        store, 0, "repeated", lambda call: call.key == own.key and call.is_conditional
    )
    lose_answer = changed.after

    def after(call: Call) -> None:
        try:
            lose_answer(call)
        except ConflictError:
            if overtaken:
                own.commit(written(store, "z"), floor=no_floor)
            raise

    changed.after = after
    subject = store_of(changed)
    actions: dict[str, Callable[[], Manifest | None]] = {
        "commit": lambda: subject.commit(written(store, "c"), floor=no_floor),
        "replace": lambda: subject.replace([named("a")], [], "compact"),
        "restore": lambda: restore_alone(subject, 1),
        "rebuilt": lambda: rebuild_alone(
            subject, [named("a")], written(store, "r"), "rebuild:00000000"
        ),
    }
    done = actions[action]()
    assert done is not None
    assert own.read().manifest.version == 3 + overtaken
    assert (
        origins(own.read_version(3).shards)
        == {
            "commit": ["a", "b", "c"],
            "replace": ["b"],
            "restore": ["a"],
            "rebuilt": ["r", "b"],
        }[action]
    )


def test_many_committers_merge_and_commit_at_once() -> None:
    store, own, _ = index_of("s")
    start = threading.Barrier(8)

    def commit(worker: int) -> None:
        start.wait()
        for number in range(6):
            own.commit(written(store, f"{worker}/{number}"), floor=no_floor)

    def merge(worker: int) -> None:
        start.wait()
        for number in range(12):
            two = [shard.shard_id for shard in own.read().manifest.shards[worker : worker + 2]]
            own.replace(two, written(store, f"m{worker}/{number}"), "compact")

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(commit, n) for n in range(6)]
        jobs += [pool.submit(merge, n) for n in range(2)]
        for job in jobs:
            job.result()
    versions = list(own.versions())
    assert [m.version for m in versions] == list(range(len(versions), 0, -1))
    for newer, older in pairwise(versions):
        came = {s.shard_id for s in newer.shards} - {s.shard_id for s in older.shards}
        gone = {s.shard_id for s in older.shards} - {s.shard_id for s in newer.shards}
        assert (len(came), newer.change == "commit") in {(1, True), (1, False)}
        assert not gone or newer.change == "compact"
    seen = {shard.origin for manifest in versions for shard in manifest.shards}
    assert {f"{worker}/{n}" for worker in range(6) for n in range(6)} <= seen


steps = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.text("abcdef", max_size=3), st.just("")),
        st.tuples(st.just("replace"), st.text("abcdefg", max_size=3), st.text("ghi", max_size=2)),
        st.tuples(st.just("restore"), st.integers(1, 6), st.just("")),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
@example([("replace", "", "g"), ("replace", "ag", "g")])
def test_any_history_is_what_a_list_of_lists_says(
    history: Sequence[tuple[str, str | int, str]],
) -> None:
    store, own, _ = index_of()
    model: list[list[str]] = [[]]
    for action, what, by in history:
        now = model[-1]
        if isinstance(what, int):
            if 0 < what < len(model):
                restore_alone(own, what)
                after = model[what]
            else:
                continue
        elif action == "commit":
            own.commit(written(store, *what), floor=no_floor)
            after = [*now, *dict.fromkeys(o for o in what if o not in now)]
        else:
            gone, come = set(what), list(dict.fromkeys(by))
            done = own.replace([named(o) for o in gone], written(store, *by), "compact")
            if not gone <= set(now):
                # Done before: all that came is there, and of what went no other shard is.
                is_done = bool(come) and set(come) <= set(now) and not (gone - set(come)) & set(now)
                assert (done is not None) == is_done
                continue
            kept = [o for o in now if o not in gone]
            at = min((now.index(o) for o in gone), default=len(kept))
            after = [*kept[:at], *(o for o in come if o not in kept), *kept[at:]]
        if after != now:
            model.append(after)
    assert [origins(m.shards) for m in own.versions()] == model[:0:-1]
