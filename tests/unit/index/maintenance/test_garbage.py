"""Garbage: what nobody can reach goes after its grace, and nothing else, whatever happens."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.errors import ConflictError, CorruptObjectError
from shared.index.maintenance.garbage import GarbagePolicy, GarbageReport, collect_garbage
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest
from shared.storage.keys import maintenance_key, manifest_version_key, shards_prefix
from shared.storage.memory import MemoryObjectStore
from shared.storage.object_store import ObjectStore
from tests.unit.index.failing_store import Call, HookedStore, Moment, StoreDownError, failing
from tests.unit.index.manifest_builders import (
    CORPUS,
    MODEL,
    Calendar,
    named,
    no_floor,
    origins,
    restore_alone,
    store_of,
    written,
)

POLICY = GarbagePolicy()
LIST_KEY = maintenance_key(CORPUS, MODEL, "garbage.json")


class Index:
    """An index on a separate calendar."""

    def __init__(self) -> None:
        self.calendar = Calendar()
        self.store = MemoryObjectStore(self.calendar)
        self.manifests: ManifestStore = store_of(self.store, calendar=self.calendar)

    def commit(self, *letters: str) -> Manifest:
        return self.manifests.commit(written(self.store, *letters), floor=no_floor)

    def merge(self, removed: str, into: str) -> Manifest | None:
        added = written(self.store, *into)
        return self.manifests.replace([named(o) for o in removed], added, "compact")

    def collect(self, store: ObjectStore | None = None) -> GarbageReport:
        return collect_garbage(store or self.store, CORPUS, MODEL, POLICY, self.calendar.now)

    def files(self) -> str:
        """The origins, of one letter, that all files of are here; fails on a part of a shard."""
        keys = {item.key for item in self.store.list(shards_prefix(CORPUS, MODEL))}
        there = ""
        for letter in "abcdefghijklmnopqrstuvwxyz":
            own = {key for key in keys if named(letter) in key}
            assert len(own) in (0, 3), f"some files of {letter} are gone"
            there += letter if own else ""
        return there

    def versions(self) -> list[int]:
        return [manifest.version for manifest in self.manifests.versions()]


@pytest.fixture
def index() -> Index:
    return Index()


def test_an_index_without_garbage_loses_nothing(index: Index) -> None:
    assert index.collect() == GarbageReport()
    assert not list(index.store.list(""))
    index.commit("a")
    index.calendar.advance(days=400)
    assert index.collect() == GarbageReport()
    assert (index.files(), index.versions()) == ("a", [1])


def test_merged_shards_go_after_the_history_and_their_grace(index: Index) -> None:
    index.commit("a", "b")
    index.merge("ab", "x")
    index.commit("c")
    index.calendar.advance(days=7)
    assert index.collect() == GarbageReport()  # a version may still be restored
    index.calendar.advance(minutes=1)
    assert index.collect() == GarbageReport(versions_deleted=1, files_condemned=6)
    assert (index.files(), index.versions()) == ("abcx", [3, 2])
    index.calendar.advance(hours=24)
    assert index.collect() == GarbageReport(files_condemned=6)
    index.calendar.advance(minutes=1)
    assert index.collect() == GarbageReport(files_deleted=6, bytes_deleted=18)
    assert (index.files(), index.versions()) == ("cx", [3, 2])
    assert index.collect() == GarbageReport()


def test_a_version_ages_from_when_it_was_replaced(index: Index) -> None:
    index.commit("a")
    index.calendar.advance(days=300)
    index.commit("b")
    index.calendar.advance(days=6)
    index.commit("c")
    assert index.collect().versions_deleted == 0
    index.calendar.advance(days=2)
    assert index.collect().versions_deleted == 1
    assert index.versions() == [3, 2]


def test_the_newest_replaced_version_is_kept_forever(index: Index) -> None:
    """Were the manifest damaged, its number alone tells which versions were used."""
    index.commit("a")
    index.merge("a", "x")
    index.calendar.advance(days=400)
    assert index.collect() == GarbageReport()
    index.store.put(index.manifests.key, b"{")
    assert restore_alone(index.manifests, 1).version == 3


def test_a_version_is_not_replaced_by_a_commit_that_died(index: Index) -> None:
    index.commit("a")
    index.commit("b")
    down = failing(
        index.store,
        0,
        "before",
        lambda call: call.key == index.manifests.key and call.is_conditional,
    )
    with pytest.raises(StoreDownError):
        store_of(down, calendar=index.calendar).commit(written(index.store, "c"), floor=no_floor)
    assert index.store.exists(manifest_version_key(CORPUS, MODEL, 2))
    index.calendar.advance(days=400)
    assert index.collect().versions_deleted == 0
    assert index.versions() == [2, 1]


def test_files_of_a_job_that_may_still_commit_wait_long(index: Index) -> None:
    index.commit("a")
    late = written(index.store, "b")
    written(index.store, "c")
    for _ in range(21):
        assert index.collect().files_deleted == 0
        index.calendar.advance(days=1)
    assert index.files() == "abc"
    index.manifests.commit(late, floor=no_floor)
    index.calendar.advance(days=1)
    assert index.collect() == GarbageReport(files_pardoned=3, files_deleted=3, bytes_deleted=9)
    assert index.files() == "ab"


def test_a_file_written_again_waits_as_if_new(index: Index) -> None:
    index.commit("a", "b")
    index.merge("b", "x")
    index.commit("y")
    index.calendar.advance(days=8)
    assert index.collect().files_condemned == 3
    index.calendar.advance(hours=23)
    again = written(index.store, "b")  # a message came twice: its job is about to commit
    index.calendar.advance(days=20)
    assert index.collect().files_deleted == 0
    index.calendar.advance(days=20)
    assert index.collect().files_deleted == 0
    index.manifests.commit(again, floor=no_floor)
    index.calendar.advance(days=20)
    assert index.collect().files_pardoned == 3
    assert "b" in index.files()


def test_a_file_that_was_committed_and_removed_between_two_collections_has_its_grace(
    index: Index,
) -> None:
    index.commit("a")
    late = written(index.store, "b")
    assert index.collect().files_condemned == 3
    index.calendar.advance(days=20)
    index.manifests.commit(late, floor=no_floor)
    index.merge("b", "x")
    index.commit("c")
    index.calendar.advance(days=8)
    assert index.collect() == GarbageReport(versions_deleted=2, files_condemned=3)
    assert "b" in index.files()


def test_a_restored_version_is_pardoned(index: Index) -> None:
    index.commit("a", "b")
    index.merge("ab", "x")
    index.commit("c")
    index.calendar.advance(days=8)

    def restore_late(call: Call) -> None:
        # It has read version 1, which the collection then deletes.
        if call.name == "get" and call.key == manifest_version_key(CORPUS, MODEL, 1):
            assert index.collect() == GarbageReport(versions_deleted=1, files_condemned=6)

    hooked = HookedStore(index.store, after=restore_late)
    restored = restore_alone(store_of(hooked, calendar=index.calendar), 1)
    assert origins(restored.shards) == ["a", "b"]
    index.calendar.advance(days=2)
    assert index.collect().files_pardoned == 6
    assert index.files() == "abcx"


def test_the_manifest_is_read_again_before_files_go(index: Index) -> None:
    """A restore ends after the collection has looked, and before it deletes."""
    index.commit("a")
    written(index.store, "b")
    index.collect()
    index.calendar.advance(days=22)

    def commit_late(call: Call) -> None:
        if call.name == "put" and call.key == LIST_KEY:
            index.commit("b")
            index.merge("b", "x")  # now only the history names it

    report = index.collect(HookedStore(index.store, after=commit_late))
    assert report.files_deleted == 0
    assert index.files() == "abx"


def test_two_collections_at_once_do_not_overwrite_each_other(index: Index) -> None:
    index.commit("a", "b")
    index.merge("ab", "x")
    index.commit("c")
    index.calendar.advance(days=8)

    def collect_too(call: Call) -> None:
        if call.name == "put" and call.key == LIST_KEY:
            assert index.collect().versions_deleted == 1

    with pytest.raises(ConflictError, match=LIST_KEY):
        index.collect(HookedStore(index.store, before=collect_too))
    index.calendar.advance(hours=25)
    assert index.collect().files_deleted == 6


def test_a_collection_overtaken_by_another_skips_no_grace(index: Index) -> None:
    """`b` was an orphan for 20 days, then committed, removed, and its version was collected."""
    index.commit("a")
    late = written(index.store, "b")
    index.collect()
    index.calendar.advance(days=20)
    index.manifests.commit(late, floor=no_floor)
    index.merge("b", "x")
    index.commit("c")
    index.calendar.advance(days=8)

    def collect_too(call: Call) -> None:
        if call.number == 0:  # the list of condemned files has been read
            assert index.collect().versions_deleted == 2

    with pytest.raises(ConflictError):
        index.collect(HookedStore(index.store, after=collect_too))
    assert "b" in index.files()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_dying_at_any_call_loses_nothing_and_the_next_goes_on(moment: Moment) -> None:
    for number in range(200):
        index = Index()
        index.commit("a", "b")
        index.merge("ab", "x")
        index.commit("c")
        written(index.store, "o")
        longest = 0
        for _ in range(4):
            index.calendar.advance(days=8)
            down = failing(index.store, number, moment)
            try:
                index.collect(down)
            except StoreDownError:
                index.collect()
            longest = max(longest, len(down.calls))
            keys = {item.key for item in index.store.list("")}
            for manifest in index.manifests.versions():
                assert {f.key for shard in manifest.shards for f in shard.files} <= keys
        index.calendar.advance(days=2)
        index.collect()
        assert {item.key for item in index.store.list(shards_prefix(CORPUS, MODEL))} == {
            file.key for shard in index.manifests.read().manifest.shards for file in shard.files
        }
        assert index.versions() == [3, 2]
        if number >= longest:
            assert longest > 12
            return
    pytest.fail("a collection of so little takes too many calls")


@pytest.mark.parametrize(
    "damage",
    [
        lambda index: index.store.put(index.manifests.key, b"{"),
        lambda index: index.store.delete(index.manifests.key),
        lambda index: index.store.put(manifest_version_key(CORPUS, MODEL, 2), b"{"),
    ],
)
def test_nothing_goes_while_nobody_knows_what_is_named(
    index: Index, damage: Callable[[Index], object]
) -> None:
    index.commit("a")
    index.merge("a", "x")
    index.commit("c")
    written(index.store, "o")
    index.collect()
    index.calendar.advance(days=22)
    damage(index)
    before = {item.key: item.etag for item in index.store.list("")}
    with pytest.raises(CorruptObjectError, match="manifest"):
        index.collect()
    assert {item.key: item.etag for item in index.store.list("")} == before


def test_a_damaged_old_version_goes_when_its_time_has_come(index: Index) -> None:
    index.commit("a")
    index.merge("a", "x")
    index.commit("c")
    index.store.put(manifest_version_key(CORPUS, MODEL, 1), b"{")
    with pytest.raises(CorruptObjectError, match=r"manifests/000000000001\.json"):
        index.collect()
    index.calendar.advance(days=8)
    assert index.collect() == GarbageReport(versions_deleted=1, files_condemned=3)
    index.calendar.advance(days=20)
    assert index.collect().files_deleted == 0  # nobody knows that it was ever committed
    index.calendar.advance(days=2)
    assert index.collect().files_deleted == 3
    assert index.files() == "cx"


def test_a_damaged_list_only_lets_every_grace_begin_again(index: Index) -> None:
    index.commit("a")
    written(index.store, "o")
    index.collect()
    index.calendar.advance(days=22)
    index.store.put(LIST_KEY, b'{"files": 3}')
    assert index.collect() == GarbageReport(files_condemned=3)
    index.calendar.advance(days=22)
    assert index.collect().files_deleted == 3


def test_old_notes_go_before_the_files_that_they_speak_of(index: Index) -> None:
    index.commit("a")
    old = maintenance_key(CORPUS, MODEL, "compactions/1.json")
    index.store.put(old, b"{}")
    index.calendar.advance(days=7)
    young = maintenance_key(CORPUS, MODEL, "rebuilds/1/plan.json")
    index.store.put(young, b"{}")
    assert index.collect().notes_deleted == 0
    index.calendar.advance(minutes=1)
    assert index.collect().notes_deleted == 1
    assert not index.store.exists(old)
    assert index.store.exists(young)
    assert index.store.exists(LIST_KEY)
    short = GarbagePolicy(history_kept=timedelta(days=90), orphan_grace=timedelta(days=2))
    assert short.notes_kept < short.orphan_grace


def test_notes_of_a_task_under_way_are_kept_whatever_the_policy() -> None:
    assert GarbagePolicy(history_kept=timedelta(0)).notes_kept == timedelta(days=1)


def test_other_indexes_are_left_alone(index: Index) -> None:
    index.commit("a")
    elsewhere = "indexes/other/model=random/dims=16/shards/0.npz"
    index.store.put(elsewhere, b"xyz")
    for _ in range(3):
        index.calendar.advance(days=30)
        index.collect()
    assert index.store.exists(elsewhere)
