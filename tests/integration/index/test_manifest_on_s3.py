"""Manifests and garbage on a real S3 protocol: conditional writes, listings, many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.errors import ConflictError, CorruptObjectError, NotFoundError
from shared.index.maintenance.garbage import GarbagePolicy, collect_garbage
from shared.index.manifest.manifest_history import ManifestHistory
from shared.index.manifest.manifest_store import ManifestCache, ManifestStore
from shared.storage.keys import manifest_history_prefix, shards_prefix
from shared.storage.s3 import S3ObjectStore
from tests.unit.index.manifest_builders import (
    CORPUS,
    MODEL,
    named,
    no_floor,
    origins,
    rebuild_alone,
    restore_alone,
    written,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_GRACE = GarbagePolicy(
    history_kept=timedelta(0), removed_grace=timedelta(0), orphan_grace=timedelta(days=1)
)


@pytest.fixture
def store(s3_client: "S3Client", bucket_name: str) -> S3ObjectStore:
    return S3ObjectStore(s3_client, bucket_name)


@pytest.fixture
def manifests(store: S3ObjectStore) -> ManifestStore:
    return ManifestStore(store, CORPUS, MODEL)


def test_committers_and_mergers_that_race_lose_nothing(
    store: S3ObjectStore, manifests: ManifestStore
) -> None:
    manifests.commit(written(store, "s"), floor=no_floor)
    start = threading.Barrier(6)

    def commit(worker: int) -> list[int]:
        start.wait()
        return [
            manifests.commit(written(store, f"{worker}/{n}"), floor=no_floor).version
            for n in range(5)
        ]

    def merge(worker: int) -> list[int]:
        start.wait()
        versions = []
        for number in range(5):
            manifest = manifests.read().manifest
            two = [shard.shard_id for shard in manifest.shards[worker : worker + 2]]
            merged = manifests.replace(
                two, written(store, f"m{worker}/{number}"), "compact", made_from=manifest.version
            )
            versions += [merged.version] if merged else []
        return versions

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(commit, n) for n in range(4)] + [
            pool.submit(merge, n) for n in range(2)
        ]
        seen = [job.result() for job in jobs]
    assert all(versions == sorted(set(versions)) for versions in seen)
    versions = list(manifests.versions())
    assert [m.version for m in versions] == list(range(1 + sum(map(len, seen)), 0, -1))
    named_once = {shard.origin for manifest in versions for shard in manifest.shards}
    assert {f"{worker}/{n}" for worker in range(4) for n in range(5)} <= named_once


def test_the_history_takes_a_version_once_and_tells_another_one_apart(
    store: S3ObjectStore, manifests: ManifestStore
) -> None:
    manifests.commit(written(store, "a"), floor=no_floor)
    manifests.commit(written(store, "b"), floor=no_floor)
    history = ManifestHistory(store, CORPUS, MODEL)
    kept = store.get(history.key(1)).data
    history.keep(1, kept)
    with pytest.raises(CorruptObjectError, match="another version 1"):
        history.keep(1, kept + b" ")
    store.put(history.key(1), kept[:-1])
    history.keep(1, kept)
    assert store.get(history.key(1)).data == kept


def test_a_damaged_manifest_serves_on_and_is_restored(
    store: S3ObjectStore, manifests: ManifestStore
) -> None:
    for letter in "abc":
        manifests.commit(written(store, letter), floor=no_floor)
    cache = ManifestCache(manifests, recheck_seconds=0.0)
    assert cache.current().version == 3
    store.put(manifests.key, store.get(manifests.key).data[:-1])
    assert cache.current().version == 3
    with pytest.raises(CorruptObjectError, match=manifests.key):
        manifests.commit(written(store, "d"), floor=no_floor)
    assert origins(restore_alone(manifests, 2).shards) == ["a", "b"]
    assert (cache.current().version, cache.current().change) == (4, "restore:2")
    store.delete(manifests.key)
    assert cache.current().version == 4
    rebuilt = rebuild_alone(manifests, [], written(store, "r"), "rebuild:00000000")
    assert rebuilt.version > 4
    assert cache.current() == rebuilt
    with pytest.raises(NotFoundError):
        restore_alone(manifests, 9)


def test_garbage_goes_and_collections_do_not_meet(
    store: S3ObjectStore, manifests: ManifestStore
) -> None:
    manifests.commit(written(store, "a", "b"), floor=no_floor)
    manifests.replace([named("a"), named("b")], written(store, "x"), "compact")
    manifests.commit(written(store, "c"), floor=no_floor)
    written(store, "o")
    now = datetime.now(UTC) + timedelta(minutes=1)
    start = threading.Barrier(4)

    def collect(_: int) -> int:
        start.wait()
        try:
            return collect_garbage(store, CORPUS, MODEL, NO_GRACE, now).versions_deleted
        except ConflictError:
            return 0

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(collect, range(4))) >= 1
    later = now + timedelta(minutes=1)
    report = collect_garbage(store, CORPUS, MODEL, NO_GRACE, later)
    assert (report.files_deleted, report.bytes_deleted, report.files_condemned) == (6, 18, 3)
    left = {item.key for item in store.list(shards_prefix(CORPUS, MODEL))}
    wanted = written(store, "c", "x", "o")
    assert left == {file.key for shard in wanted for file in shard.files}
    assert len(list(store.list(manifest_history_prefix(CORPUS, MODEL)))) == 1
