"""Merging shards: what building from scratch makes, live rows only, and tombstones in time."""

import hashlib
import io
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import CorruptObjectError, DamagedIndexError
from shared.index.catalog.catalog import Catalog, read_catalog
from shared.index.catalog.liveness import live_entities
from shared.index.maintenance.merging import Merger, compaction_origin
from shared.index.shard.content import content_checksum
from shared.index.shard.shard_writer import ShardContent, ShardSource, write_shard
from shared.models.chunk import Chunk
from shared.models.entity import NO_CONTENT, EntityVersion
from shared.models.manifest import Manifest, ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.earlier_release import as_earlier_release
from tests.unit.index.index_builders import CORPUS, DIMS, MODEL, chunk, unit_vectors

NOW = datetime(2026, 11, 23, tzinfo=UTC)
YOUNG = int((NOW - timedelta(days=20)).timestamp() * 1000)
OLD = int((NOW - timedelta(days=22)).timestamp() * 1000)

Entities = Mapping[str, int]
"""How many chunks each entity has; none: it has no text any more."""


def chunks_of(entity_key: str, count: int, seq: int) -> list[Chunk]:
    """The words tell the version, so that none passes for another."""
    return [
        chunk(entity_key, n + 1, f"Ultron-{seq} word{n} {'again ' * n}{entity_key}")
        for n in range(count)
    ]


def vectors_of(chunks: Sequence[Chunk]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Each text its own vector, so that rows that change places are seen."""
    if not chunks:
        return np.empty((0, DIMS), np.float32)
    seeds = [
        sum(one.text.encode()) * 31 + len(one.chunk_id) + int(one.chunk_id[-3:]) for one in chunks
    ]
    return np.concatenate([unit_vectors(1, seed) for seed in seeds])


@dataclass
class World:
    directory: Path
    store: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    shards: list[ShardDescriptor] = field(default_factory=list)
    merges: int = 0

    def add(self, entities: Entities, seq: int, origin: str = "") -> ShardDescriptor:
        origin = origin or f"run/page/{len(self.shards)}"
        chunks = [one for key, count in entities.items() for one in chunks_of(key, count, seq)]
        versions = {
            key: EntityVersion(
                seq, origin, content_checksum(chunks_of(key, count, seq)) if count else NO_CONTENT
            )
            for key, count in entities.items()
        }
        shard = self.build(origin, seq, versions, chunks)
        self.shards.append(shard)
        return shard

    def build(
        self, origin: str, seq: int, versions: Mapping[str, EntityVersion], chunks: Sequence[Chunk]
    ) -> ShardDescriptor:
        content = ShardContent(dict(versions), list(chunks))
        source = ShardSource(CORPUS, MODEL, origin, seq)
        return write_shard(self.store, source, content, vectors_of(chunks))

    @property
    def manifest(self) -> Manifest:
        return Manifest(
            corpus=CORPUS, model=MODEL, version=1, committed_at=NOW, shards=tuple(self.shards)
        )

    def merge(self, shards: Sequence[ShardDescriptor], threads: int = 1) -> ShardDescriptor | None:
        self.merges += 1
        directory = self.directory / str(self.merges)
        directory.mkdir()
        merger = Merger(self.store, directory, threads, now=lambda: NOW)
        return merger.merge(self.manifest, [shard.shard_id for shard in shards])

    def merge_in_place(self, shards: Sequence[ShardDescriptor]) -> ShardDescriptor | None:
        merged = self.merge(shards)
        place = self.shards.index(shards[0])
        rest = [shard for shard in self.shards if shard not in shards]
        self.shards = [*rest[:place], *([merged] if merged else []), *rest[place:]]
        return merged

    def catalog(self, shard: ShardDescriptor) -> Catalog:
        path = self.directory / "catalog.npz"
        self.store.download(shard.catalog.key, path)
        return read_catalog(path, name=shard.catalog.key)

    def live(self) -> dict[str, tuple[EntityVersion, int]]:
        """What a reader sees: each live entity that has rows, its version and their number."""
        catalogs = [self.catalog(shard) for shard in self.shards]
        seen: dict[str, tuple[EntityVersion, int]] = {}
        for catalog, mask in zip(catalogs, live_entities(catalogs), strict=True):
            rows = np.bincount(catalog.row_entities, minlength=catalog.entities)
            for number in np.flatnonzero(mask & (rows > 0)).tolist():
                seen[catalog.entity_key(number)] = (catalog.version(number), int(rows[number]))
        return seen

    def file(self, shard: ShardDescriptor, kind: str) -> bytes:
        return self.store.get(getattr(shard, kind).key).data


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def sidecar_rows(world: World, shard: ShardDescriptor) -> dict[str, list[tuple[object, ...]]]:
    path = world.directory / "dump.sqlite"
    path.write_bytes(world.file(shard, "sidecar"))
    connection = sqlite3.connect(path)
    tables = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
        for table in ("meta", "documents", "postings", "titles")
    }
    connection.close()
    return tables


def test_a_merge_is_what_building_from_scratch_makes(world: World) -> None:
    shards = [
        world.add({f"hero:{n}": 1 + n % 3 for n in range(first, 90, 3)}, OLD + first)
        for first in range(3)
    ]
    world.add({"hero:1": 2, "hero:5": 0}, OLD + 9)  # both are superseded, one of them by nothing
    merged = world.merge(shards)
    assert merged is not None
    chunks: list[Chunk] = []
    versions: dict[str, EntityVersion] = {}
    for number, shard in enumerate(shards):
        catalog = world.catalog(shard)
        for key, version in catalog.versions().items():
            if key not in ("hero:1", "hero:5"):
                chunks += chunks_of(key, 1 + int(key[5:]) % 3, OLD + number)
                versions[key] = version
    built = world.build(merged.origin, merged.seq, versions, chunks)
    assert built == merged
    for kind in ("catalog", "graph", "sidecar"):
        assert world.file(built, kind) == world.file(merged, kind)


def test_a_merge_of_shards_of_an_earlier_release_is_that_of_new_ones(world: World) -> None:
    new = [world.add({f"hero:{n}": 1 + n % 3 for n in range(f, 30, 3)}, OLD + f) for f in range(3)]
    merged = world.merge(new)
    assert merged is not None
    files = {kind: world.file(merged, kind) for kind in ("catalog", "graph", "sidecar")}
    for place, shard in enumerate(new):
        chunks = [
            one
            for number in range(place, 30, 3)
            for one in chunks_of(f"hero:{number}", 1 + number % 3, OLD + place)
        ]
        world.shards[place] = as_earlier_release(world.store, shard, chunks, world.directory)
    again = world.merge(world.shards)
    assert again == merged
    assert {kind: world.file(again, kind) for kind in files} == files


def test_threads_change_the_graph_but_no_row(world: World) -> None:
    shards = [world.add({f"hero:{n}-{part}": 3 for n in range(80)}, OLD) for part in range(2)]
    one, two = world.merge(shards), world.merge(shards, threads=2)
    assert one is not None
    assert two is not None
    assert world.file(one, "catalog") == world.file(two, "catalog")
    assert sidecar_rows(world, one) == sidecar_rows(world, two)
    again = World(world.directory / "again", world.store, [two])
    again.directory.mkdir()
    redone = again.merge([two])
    assert redone is not None
    assert world.file(redone, "graph") == world.file(one, "graph")


def test_each_entity_keeps_its_own_version(world: World) -> None:
    shards = [world.add({"hero:1": 1}, OLD), world.add({"hero:2": 2}, YOUNG)]
    merged = world.merge(shards)
    assert merged is not None
    assert world.catalog(merged).versions() == {
        "hero:1": world.catalog(shards[0]).versions()["hero:1"],
        "hero:2": world.catalog(shards[1]).versions()["hero:2"],
    }
    assert merged.seq == YOUNG
    assert merged.origin == compaction_origin(shard.shard_id for shard in reversed(shards))
    assert (merged.vectors, merged.entities, merged.fields) == (3, 2, ("issue_number",))


@pytest.mark.parametrize("is_outside", [False, True])
def test_dead_rows_are_dropped(world: World, is_outside: bool) -> None:
    first = world.add({"hero:1": 3, "hero:2": 1}, OLD)
    second = world.add({"hero:1": 1}, OLD + 1)
    third = world.add({"hero:3": 1}, OLD)
    before = world.live()
    merged = world.merge_in_place([first, third] if is_outside else [first, second, third])
    assert merged is not None
    assert merged.vectors == (2 if is_outside else 3)
    assert world.live() == before


def test_the_rows_of_the_older_run_are_dropped_whatever_their_place(world: World) -> None:
    newer = world.add({"hero:1": 1}, OLD + 1)
    older = world.add({"hero:1": 3}, OLD)
    merged = world.merge([newer, older])
    assert merged is not None
    assert world.catalog(merged).version(0).seq == OLD + 1


def test_of_equal_versions_the_first_shard_goes_on(world: World) -> None:
    first = world.add({"hero:1": 1, "hero:2": 1}, OLD, origin="run/page/0")
    second = world.add({"hero:1": 1, "hero:3": 1}, OLD, origin="run/page/0")
    assert [world.catalog(shard).entities for shard in (first, second)] == [2, 2]
    before = world.live()
    dropping = world.merge([second])
    assert dropping is not None
    assert world.catalog(dropping).entity_keys == ("hero:3",)
    keeping = world.merge([first])
    assert keeping is not None
    assert world.catalog(keeping).entity_keys == ("hero:1", "hero:2")
    world.merge_in_place([first])
    assert world.live() == before


def test_a_tombstone_outlives_the_rows_it_covers(world: World) -> None:
    outside = world.add({"hero:1": 2}, OLD)
    tombstones = [world.add({"hero:1": 0}, OLD + 1), world.add({"hero:2": 0}, OLD + 1)]
    merged = world.merge_in_place(tombstones)
    assert merged is not None
    assert world.catalog(merged).entity_keys == ("hero:1",)
    assert merged.graph is None
    assert merged.sidecar is None
    assert world.live() == {}
    assert world.merge_in_place([merged]) is not None
    assert world.merge_in_place([outside]) is None
    assert world.merge_in_place([world.shards[0]]) is None
    assert world.shards == []


def test_a_tombstone_whose_rows_are_merged_with_it_goes(world: World) -> None:
    shards = [world.add({"hero:1": 2}, OLD), world.add({"hero:1": 0}, OLD + 1)]
    assert world.merge(shards) is None


def test_a_young_tombstone_waits_for_late_messages(world: World) -> None:
    shards = [world.add({"hero:1": 2}, OLD), world.add({"hero:1": 0}, YOUNG)]
    merged = world.merge(shards)
    assert merged is not None
    assert world.catalog(merged).versions() == {
        "hero:1": EntityVersion(YOUNG, "run/page/1", NO_CONTENT)
    }
    assert merged.vectors == 0


def test_an_entity_that_came_back_is_no_tombstone(world: World) -> None:
    world.add({"hero:1": 0}, OLD)
    back = world.add({"hero:1": 2}, OLD + 1)
    merged = world.merge([back])
    assert merged is not None
    assert merged.vectors == 2


def test_many_other_shards_are_looked_at_some_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.index.maintenance.merging._OUTSIDE_ENTITIES_AT_ONCE", 2)
    group = [world.add({f"hero:{n}": 1 for n in range(8)}, OLD)]
    for number in range(6):
        world.add({f"hero:{number}": 1}, OLD + 1)
    world.add({"hero:7": 0}, OLD - 1)
    merged = world.merge(group)
    assert merged is not None
    assert world.catalog(merged).entity_keys == ("hero:6", "hero:7")


@pytest.mark.parametrize("kind", ["catalog", "graph", "sidecar"])
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_damaged_file_is_named(world: World, kind: str, is_gone: bool) -> None:
    shards = [world.add({"hero:1": 2}, OLD), world.add({"hero:2": 2}, OLD)]
    key = getattr(shards[1], kind).key
    if is_gone:
        world.store.delete(key)
    else:
        data = world.store.get(key).data
        world.store.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptObjectError, match=key):
        world.merge(shards)


def test_a_damaged_shard_is_named_with_what_takes_it_out(world: World) -> None:
    shards = [world.add({"hero:1": 2}, OLD), world.add({"hero:2": 2}, OLD)]
    world.store.delete(shards[1].catalog.key)
    command = f"ultron index mark-bad --corpus .* --shard {shards[1].shard_id}"
    with pytest.raises(DamagedIndexError, match=command):
        world.merge(shards)


@pytest.mark.parametrize("array", ["chunk_ids_blob", "entity_hashes"])
def test_a_catalog_that_merging_cannot_build_on_is_named(world: World, array: str) -> None:
    """Its checksum is right; rows are out of order, or hashes hide an entity from others."""
    shard = world.add({"hero:1": 2, "hero:2": 2}, OLD)
    with np.load(io.BytesIO(world.store.get(shard.catalog.key).data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays[array] = (
        arrays[array][::-1]
        if array == "entity_hashes"
        else np.frombuffer(b"hero:9-001" + arrays[array].tobytes()[10:], np.uint8)
    )
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    world.store.put(shard.catalog.key, data)
    changed = shard.catalog.model_copy(
        update={"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    )
    world.shards[0] = shard.model_copy(update={"catalog": changed})
    with pytest.raises(DamagedIndexError, match=shard.shard_id):
        world.merge(world.shards)


def test_damage_to_another_shard_stops_no_merge_and_forgets_no_deletion(world: World) -> None:
    """What the other shard covers is not known: a deletion may be all that hides it."""
    group = [world.add({"hero:1": 2, "hero:2": 0}, OLD), world.add({"hero:3": 2}, OLD)]
    healthy = world.add({"hero:3": 1}, OLD + 1)
    other = world.add({"hero:2": 2}, OLD - 1)
    world.store.delete(other.catalog.key)
    merged = world.merge(group)
    assert merged is not None
    assert world.catalog(merged).entity_keys == ("hero:1", "hero:2")
    assert healthy.vectors == 1


def test_rows_that_are_not_needed_are_not_fetched(world: World) -> None:
    dead = world.add({"hero:1": 2}, OLD)
    alive = world.add({"hero:2": 2}, OLD)
    outside = world.add({"hero:1": 1}, OLD + 1)
    for shard, kinds in ((dead, ("graph", "sidecar")), (outside, ("graph", "sidecar"))):
        for kind in kinds:
            world.store.delete(getattr(shard, kind).key)
    merged = world.merge([dead, alive])
    assert merged is not None
    assert merged.vectors == 2


seqs = st.sampled_from([OLD - 1, OLD, YOUNG, YOUNG + 1])
shard_contents = st.dictionaries(
    st.sampled_from([f"hero:{n}" for n in range(6)]), st.integers(0, 2), min_size=1, max_size=4
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(shard_contents, seqs), min_size=1, max_size=7),
    st.lists(st.sets(st.integers(0, 6), min_size=1), max_size=4),
)
def test_merging_whatever_changes_nothing_that_a_reader_sees(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[tuple[dict[str, int], int]],
    groups: list[set[int]],
) -> None:
    world = World(tmp_path_factory.mktemp("merging"))
    for entities, seq in contents:
        world.add(entities, seq)
    before = world.live()
    for group in groups:
        members = [shard for n, shard in enumerate(world.shards) if n in group]
        if members:
            world.merge_in_place(members)
        assert world.live() == before
    if world.shards:
        world.merge_in_place(list(world.shards))
    assert world.live() == before
    # What is left has no dead row, and no tombstone that is not young.
    for catalog in map(world.catalog, world.shards):
        rows = np.bincount(catalog.row_entities, minlength=catalog.entities)
        assert all(
            version.seq >= YOUNG or count
            for version, count in zip(catalog.versions().values(), rows.tolist(), strict=True)
        )


def test_the_origin_is_a_function_of_the_shards() -> None:
    assert compaction_origin(["a", "b"]) == compaction_origin(["b", "a"])
    assert compaction_origin(["a", "b"]) != compaction_origin(["ab"])
