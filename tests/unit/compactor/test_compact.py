"""Compact jobs: committed once or not at all, whatever happens around them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from shared.errors import CorruptObjectError
from shared.index.maintenance.merging import Merger, compaction_origin
from shared.models.manifest import Manifest, ShardDescriptor
from shared.storage.keys import index_prefix
from tests.unit.compactor.compactor_builders import NOW, SEQ, Index, job_of
from tests.unit.index.index_builders import CORPUS, MODEL
from tests.unit.index.manifest_builders import restore_alone


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


class KilledError(Exception):
    """Stands for the end of the process."""


def die() -> None:
    raise KilledError


def before_replace(
    index: Index, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> None:
    """Let something happen when the merge is uploaded and not committed, once."""
    merge = Merger.merge

    def merge_then_act(self: Merger, manifest: Manifest, ids: list[str]) -> ShardDescriptor | None:
        shard = merge(self, manifest, ids)
        monkeypatch.setattr(Merger, "merge", merge)
        act()
        return shard

    monkeypatch.setattr(Merger, "merge", merge_then_act)


def before_commit(index: Index, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen when the note is written, right before the commit, once."""
    put = index.store.put

    def put_then_act(key: str, data: bytes, **conditions: object) -> str:
        etag = put(key, data, **conditions)  # type: ignore[arg-type]
        if "/compactions/" in key:
            monkeypatch.setattr(index.store, "put", put)
            act()
        return etag

    monkeypatch.setattr(index.store, "put", put_then_act)


def notes(index: Index) -> list[str]:
    prefix = f"{index_prefix(CORPUS, MODEL)}maintenance/"
    return [found.key for found in index.store.list(prefix)]


def test_shards_are_replaced_by_one(index: Index) -> None:
    shards = [index.add({f"hero:{n}": 2}, SEQ + n) for n in range(3)]
    other = index.add({"hero:1": 1}, SEQ + 9)
    before = index.live()
    index.compactor().compact(job_of(*shards))
    merged, last = index.manifest.shards
    assert last == other
    assert merged.origin == compaction_origin(shard.shard_id for shard in shards)
    assert merged.vectors == 4
    assert index.manifest.change == "compact"
    assert index.manifest.version == 5
    assert index.live() == before
    assert [manifest.version for manifest in index.asked] == [5]


def test_nothing_stays_in_the_working_folder(index: Index) -> None:
    index.compactor().compact(job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1})))
    assert list((index.directory / "work").iterdir()) == []


def test_a_job_that_was_done_changes_nothing(index: Index) -> None:
    job = job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1}))
    index.compactor().compact(job)
    done = index.manifest
    index.compactor().compact(job)
    assert index.manifest == done
    assert index.asked == [done, done]  # who died before asking asks now


def test_a_merge_of_which_nothing_remains_leaves_no_shard(index: Index) -> None:
    old = SEQ - 22 * 86_400_000
    first, second = index.add({"hero:1": 2}, old), index.add({"hero:1": 0}, old + 1)
    index.compactor().compact(job_of(first, second))
    assert index.ids == []
    index.compactor().compact(job_of(first, second))
    assert index.manifest.version == 3


def test_one_shard_that_is_mostly_dead_is_written_anew(index: Index) -> None:
    shard = index.add({"hero:1": 3, "hero:2": 1})
    newer = index.add({"hero:1": 1}, SEQ + 1)
    index.compactor().compact(job_of(shard))
    assert [found.vectors for found in index.manifest.shards] == [1, newer.vectors]


def test_of_two_overlapping_merges_at_once_the_second_is_over(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = (index.add({f"hero:{n}": 1}) for n in range(3))
    before = index.live()
    before_replace(index, monkeypatch, lambda: index.compactor().compact(job_of(b, c)))
    index.compactor().compact(job_of(a, b))
    merged = compaction_origin([b.shard_id, c.shard_id])
    assert [shard.origin for shard in index.manifest.shards] == [a.origin, merged]
    assert index.live() == before
    assert not any("compactions" in key and merged.split("/")[1] not in key for key in notes(index))


def test_the_same_merge_twice_at_once_is_one_version(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1}))
    before = index.live()
    before_replace(index, monkeypatch, lambda: index.compactor().compact(job))
    index.compactor().compact(job)
    assert index.manifest.version == 3
    assert len(index.manifest.shards) == 1
    assert index.live() == before


def test_what_is_committed_meanwhile_stays(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = index.add({"hero:1": 1}), index.add({"hero:2": 1})
    before_commit(
        index, monkeypatch, lambda: index.add({"hero:1": 2, "hero:3": 1}, SEQ + 1) and None
    )
    index.compactor().compact(job_of(a, b))
    assert len(index.manifest.shards) == 2
    assert index.live() == {"hero:1": SEQ + 1, "hero:2": SEQ, "hero:3": SEQ + 1}


def test_a_merge_that_a_restore_overtook_is_not_committed(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = index.add({"hero:1": 2}), index.add({"hero:2": 1})
    index.add({"hero:1": 1}, SEQ + 1)  # the merge drops its older rows, and then it leaves
    before_commit(index, monkeypatch, lambda: restore_alone(index.manifests, 2))
    job = job_of(a, b)
    index.compactor().compact(job)
    assert index.ids == list(job.shard_ids)
    assert index.live() == {"hero:1": SEQ, "hero:2": SEQ}
    index.compactor().compact(job)  # decides again instead of trusting the note
    assert len(index.ids) == 1
    assert index.live() == {"hero:1": SEQ, "hero:2": SEQ}


def test_a_merge_that_was_uploaded_before_a_restore_is_not_committed_after_it(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(index.add({"hero:1": 2}), index.add({"hero:2": 1}))
    index.add({"hero:1": 1}, SEQ + 1)  # the merge drops its older rows, and then it leaves
    before_commit(index, monkeypatch, die)
    with pytest.raises(KilledError):
        index.compactor().compact(job)
    restore_alone(index.manifests, 2)
    index.compactor().compact(job)  # finds the note of the one that died
    assert index.ids == list(job.shard_ids)
    assert index.live() == {"hero:1": SEQ, "hero:2": SEQ}


def test_one_that_died_after_its_upload_goes_straight_to_the_commit(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1}))
    before_commit(index, monkeypatch, die)
    with pytest.raises(KilledError):
        index.compactor().compact(job)
    assert len(index.ids) == 2

    def merge_again(*_: object) -> None:
        raise AssertionError("merged again")

    monkeypatch.setattr(Merger, "merge", merge_again)
    index.compactor().compact(job)
    assert len(index.ids) == 1
    assert index.live() == {"hero:1": SEQ, "hero:2": SEQ}


def test_a_note_whose_files_are_gone_is_not_trusted(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1}))
    before = {found.key for found in index.store.list("")}
    before_commit(index, monkeypatch, die)
    with pytest.raises(KilledError):
        index.compactor().compact(job)
    for found in list(index.store.list("")):
        if found.key not in before and found.key.endswith(".sqlite"):
            index.store.delete(found.key)
    index.compactor().compact(job)
    assert all(index.store.exists(f.key) for s in index.manifest.shards for f in s.files)


def test_an_old_note_is_not_trusted(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1}))
    before_commit(index, monkeypatch, die)
    with pytest.raises(KilledError):
        index.compactor().compact(job)
    merged = []
    merge = Merger.merge

    def count(self: Merger, manifest: Manifest, ids: list[str]) -> ShardDescriptor | None:
        merged.append(ids)
        return merge(self, manifest, ids)

    monkeypatch.setattr(Merger, "merge", count)
    index.compactor(NOW + timedelta(days=8)).compact(job)
    assert len(merged) == 1


def test_a_damaged_note_is_not_trusted(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1}))
    before_commit(index, monkeypatch, die)
    with pytest.raises(KilledError):
        index.compactor().compact(job)
    for key in notes(index):
        index.store.put(key, b"{")
    index.compactor().compact(job)
    assert len(index.ids) == 1


def test_a_job_of_an_index_that_is_gone_is_over(index: Index) -> None:
    job = job_of(index.shard({"hero:1": 1}), index.shard({"hero:2": 1}))
    index.compactor().compact(job)
    assert index.asked == []


def test_a_damaged_shard_fails_the_job_and_changes_nothing(index: Index) -> None:
    a, b = index.add({"hero:1": 1}), index.add({"hero:2": 1}, SEQ + 1)
    assert b.graph is not None
    index.store.put(b.graph.key, b"cut short")
    before = index.manifest
    with pytest.raises(CorruptObjectError, match=b.graph.key):
        index.compactor().compact(job_of(a, b))
    assert index.manifest == before
    assert list((index.directory / "work").iterdir()) == []


def test_a_damaged_manifest_fails_the_job(index: Index) -> None:
    job = job_of(index.add({"hero:1": 1}), index.add({"hero:2": 1}))
    index.store.put(index.manifests.key, b"{")
    with pytest.raises(CorruptObjectError, match="manifest"):
        index.compactor().compact(job)
