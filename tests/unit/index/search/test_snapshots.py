"""Snapshots: immutable views that follow the manifest, and close what nobody needs any more."""

import gc
import weakref
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.errors import DamagedIndexError, OverloadedError
from shared.index.catalog.filters import SearchFilters
from shared.index.manifest.manifest_store import ManifestCache
from shared.index.search.shard_cache import ShardCache
from shared.index.search.snapshot import Snapshot, SnapshotSource
from shared.index.shard.shard_reader import SearchTuning, Shard
from shared.models.manifest import Manifest, ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    DIMS,
    GRAPH_ALWAYS,
    POOL,
    build_shard,
    chunk,
    manifests,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor, restore_alone

ROWS = 300


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Index:
    """An index in memory whose shards hold some entities in some version."""

    def __init__(self, directory: Path) -> None:
        self.store = MemoryObjectStore()
        self.directory = directory
        self.clock = Clock()

    def shard(self, seq: int, entities: Collection[int], *, rows: bool = True) -> ShardDescriptor:
        chunks = [chunk(f"t:{n:03d}", text=f"version {seq}") for n in entities] if rows else []
        vectors = unit_vectors(len(chunks), seq) if chunks else np.empty((0, DIMS), np.float32)
        covered = [f"t:{n:03d}" for n in entities]
        return build_shard(
            self.store, chunks, vectors, origin=f"r{seq}/p/0", seq=seq, covered=covered
        )

    def commit(self, seq: int, entities: Collection[int], *, rows: bool = True) -> ShardDescriptor:
        shard = self.shard(seq, entities, rows=rows)
        manifests(self.store).commit([shard], floor=no_floor)
        return shard

    def source(self, **values: object) -> SnapshotSource:
        limit = values.pop("limit_bytes", None)
        assert limit is None or isinstance(limit, int)
        return SnapshotSource(
            ManifestCache(manifests(self.store), recheck_seconds=0.0),
            ShardCache(self.store, self.directory, limit_bytes=limit),
            POOL,
            clock=self.clock,
            **{"tuning": GRAPH_ALWAYS, **values},  # type: ignore[arg-type]
        )


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def live(shard: Shard) -> list[int]:
    labels = shard.matching(SearchFilters())
    return list(range(shard.descriptor.vectors)) if labels is None else labels.tolist()


def nearest(shard: Shard, count: int = ROWS) -> set[int]:
    vector = unit_vectors(1, 9)[0]
    found = shard.nearest(vector, count, shard.matching(SearchFilters()), breadth=20)
    return {label for label, _ in found}


def test_a_snapshot_in_use_never_changes(index: Index) -> None:
    index.commit(1, range(ROWS))
    source = index.source()
    before = source.refresh().snapshot
    assert nearest(before.shards[0]) == set(range(ROWS))  # so the graph is loaded
    for seq, dead in ((2, range(10)), (3, range(200)), (4, range(250))):
        index.commit(seq, dead, rows=False)
        after = source.refresh().snapshot
        assert live(after.shards[0]) == list(range(len(dead), ROWS))
        assert nearest(after.shards[0]) == set(range(len(dead), ROWS))
        assert nearest(before.shards[0]) == set(range(ROWS))
        assert live(before.shards[0]) == list(range(ROWS))


@pytest.mark.parametrize("dead", [1, 29, 31, 150, 299, 300])
@pytest.mark.parametrize("count", [1, 10, ROWS])
def test_rows_that_die_later_are_never_found_and_hide_no_live_one(
    index: Index, dead: int, count: int
) -> None:
    index.commit(1, range(ROWS))
    source = index.source()
    vector = unit_vectors(1, 9)[0]
    scores = unit_vectors(ROWS, 1) @ vector
    nearest(source.refresh().snapshot.shards[0])
    buried = np.argsort(-scores)[:dead]  # the very rows that the query would find
    index.commit(2, buried.tolist(), rows=False)
    shard = source.refresh().snapshot.shards[0]
    found = shard.nearest(vector, count, shard.matching(SearchFilters()), breadth=ROWS)
    assert [label for label, _ in found] == np.argsort(-scores)[dead:][:count].tolist()


def test_a_loaded_graph_serves_while_few_rows_died_and_is_loaded_anew_when_many(
    index: Index,
) -> None:
    index.commit(1, range(ROWS))
    tuning = SearchTuning(exact_rows=0, dead_share=0.1)
    source = index.source(tuning=tuning)

    def graph() -> object:
        shard = source.refresh().snapshot.shards[0]
        nearest(shard, 5)
        return shard._marked

    first = graph()
    index.commit(2, range(30), rows=False)
    assert graph() is first
    index.commit(3, range(31), rows=False)
    second = graph()
    assert second is not first
    restore_alone(manifests(index.store), 1)  # rows that the second graph never returns live again
    assert graph() not in (first, second)
    assert nearest(source.refresh().snapshot.shards[0]) == set(range(ROWS))


def test_a_shard_of_which_nothing_changed_is_the_same_in_the_next_snapshot(index: Index) -> None:
    index.commit(1, range(5))
    index.commit(2, range(10, 15))
    source = index.source()
    before = source.refresh()
    assert before.opened == 2
    index.commit(3, range(3))
    after = source.refresh()
    assert after.opened == 1
    assert after.snapshot.shards[1] is before.snapshot.shards[1]
    assert after.snapshot.shards[0] is not before.snapshot.shards[0]
    assert after.snapshot.shards[0].files is before.snapshot.shards[0].files
    assert source.refresh().snapshot is after.snapshot


def test_what_no_snapshot_needs_is_closed(index: Index) -> None:
    first = index.commit(1, range(5))
    source = index.source()
    snapshot: Snapshot | None = source.refresh().snapshot
    assert snapshot is not None
    snapshot.shards[0].documents([0])
    files = weakref.ref(snapshot.shards[0].files)
    manifests(index.store).replace([first.shard_id], [index.shard(2, range(5))], "compact")
    source.refresh()
    assert files() is not None  # `snapshot` may still be searched
    del snapshot
    gc.collect()
    assert files() is None


def test_fields_are_those_of_all_shards(index: Index) -> None:
    source = index.source()
    shards = [
        build_shard(
            index.store,
            [chunk(f"t:{name}", fields={name: 1, "all": "x"})],
            unit_vectors(1, 1),
            origin=name,
        )
        for name in "ba"
    ]
    manifests(index.store).commit(shards, floor=no_floor)
    assert source.refresh().snapshot.fields == ("a", "all", "b")


@pytest.mark.parametrize("part", ["catalog", "graph", "sidecar"])
def test_the_last_good_version_serves_until_a_bad_one_is_mended(index: Index, part: str) -> None:
    index.commit(1, range(5))
    source = index.source(retry_seconds=30.0)
    good = source.refresh().snapshot
    bad = index.shard(2, range(5))
    key = getattr(bad, part).key
    data = index.store.get(key).data
    index.store.put(key, data[:-1])
    manifests(index.store).commit([bad], floor=no_floor)
    assert source.refresh().snapshot is good
    assert live(good.shards[0]) == [0, 1, 2, 3, 4]
    cold = SnapshotSource(
        ManifestCache(manifests(index.store)), ShardCache(index.store, index.directory), POOL
    )
    if part == "catalog":
        with pytest.raises(DamagedIndexError, match=bad.shard_id):
            cold.refresh()
    else:
        opened = cold.refresh().snapshot
        assert (len(opened.shards), len(opened.damage)) == (1, 1)
        assert bad.shard_id in str(opened.damage[0])
    index.store.put(key, data)
    index.clock.now = 29.0
    assert source.refresh().snapshot is good
    index.clock.now = 31.0
    mended = source.refresh().snapshot
    assert (mended.manifest.version, live(mended.shards[0])) == (2, [])


def test_a_store_that_fails_does_not_stop_a_reader_that_has_a_version(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.commit(1, range(5))
    source = index.source(retry_seconds=0.0)
    good = source.refresh().snapshot
    index.commit(2, range(5))
    with monkeypatch.context() as broken:
        broken.setattr(index.store, "download", _refuse)
        assert source.refresh().snapshot is good
    assert source.refresh().snapshot.manifest.version == 2


def _refuse(*_: object) -> None:
    raise ConnectionError("the network is down")


def test_shards_that_do_not_fit_leave_the_last_version_serving(index: Index) -> None:
    size = index.commit(1, range(5)).size_bytes
    source = index.source(limit_bytes=size + 10)
    good = source.refresh().snapshot
    index.commit(2, range(5))
    assert source.refresh().snapshot is good
    with pytest.raises(OverloadedError):
        index.source(limit_bytes=size + 10).refresh()


def kept(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


def test_shards_of_versions_that_passed_make_room(index: Index) -> None:
    shard = index.commit(1, range(5))
    source = index.source(limit_bytes=3 * shard.size_bytes)
    for seq in range(2, 8):
        source.refresh()
        newer = index.shard(seq, range(5))
        manifests(index.store).replace([shard.shard_id], [newer], "compact")
        shard = newer
        assert source.refresh().snapshot.shards[0].documents([0])[0].text == f"version {seq}"
        assert kept(index.directory) <= 3 * shard.size_bytes


def labels_of(shards: Sequence[Shard]) -> list[list[int]]:
    return [live(shard) for shard in shards]


def test_a_part_of_an_index_knows_what_the_rest_outdates(index: Index) -> None:
    old = index.commit(1, range(4))
    new = index.commit(2, [1, 2])
    index.commit(3, [3], rows=False)

    def select(manifest: Manifest) -> list[str]:
        return [manifest.shards[0].shard_id]

    snapshot = index.source(select=select).refresh().snapshot
    assert [shard.descriptor for shard in snapshot.shards] == [old]
    assert labels_of(snapshot.shards) == [[0]]
    assert len(snapshot.manifest.shards) == len(snapshot.catalogs) == 3
    fetched = {path.suffix for path in index.directory.iterdir()}
    assert fetched == {".npz", ".hnsw", ".sqlite"}
    assert len(list(index.directory.glob("*.hnsw"))) == 1
    assert labels_of(index.source().open_version(snapshot.manifest, [new.shard_id]).shards) == [
        [0, 1]
    ]


def test_an_older_version_is_opened_as_it_was(index: Index) -> None:
    first = index.commit(1, range(4))
    source = index.source()
    older = source.refresh().snapshot.manifest
    second = index.commit(2, [1, 2])
    current = source.refresh().snapshot
    assert labels_of(current.shards) == [[0, 3], [0, 1]]
    visited = source.open_version(older, [first.shard_id])
    assert labels_of(visited.shards) == [[0, 1, 2, 3]]
    assert source.open_version(older, [first.shard_id]) is visited
    both = [second.shard_id, first.shard_id]
    assert source.open_version(current.manifest, both) is current
    assert source.refresh().snapshot is current


def test_opening_another_part_unloads_the_graphs_of_the_own_one(index: Index) -> None:
    first, second = index.commit(1, range(50)), index.commit(2, range(50, 100))
    source = index.source(select=lambda manifest: [manifest.shards[0].shard_id])
    own = source.refresh().snapshot
    vector = unit_vectors(1, 9)[0]
    assert own.shards[0].nearest(vector, 5, None, breadth=20)
    marked = own.shards[0]._marked
    assert marked is not None
    assert marked.is_loaded
    source.open_version(own.manifest, [first.shard_id])
    assert own.shards[0]._marked is marked
    source.open_version(own.manifest, [second.shard_id])
    unloaded = own.shards[0]._marked
    assert unloaded is not None
    assert not unloaded.is_loaded
    assert len(own.shards[0].nearest(vector, 5, None, breadth=20)) == 5
