"""Damage to any object of an index: it is named, and the last good version goes on serving."""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest

from shared.errors import DamagedIndexError, DimensionMismatchError, UltronError
from shared.index.manifest.manifest_store import ManifestCache
from shared.index.search.searcher import Searcher, SearchMode, SearchQuery, SearchResult
from shared.index.search.shard_cache import ShardCache
from shared.index.search.snapshot import SnapshotSource
from shared.models.manifest import FileReference, ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    CORPUS,
    DIMS,
    POOL,
    build_shard,
    chunk,
    manifests,
    searcher,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor, restore_alone

FileName = Literal["catalog", "graph", "sidecar"]
DAMAGES = (
    "missing",
    "empty",
    "cut short",
    "one bit",
    "longer",
    "of another shard",
    "something else",
)


def damaged(damage: str, good: bytes, other: bytes) -> bytes | None:
    """What is stored instead; None when nothing is."""
    middle = len(good) // 2
    flipped = bytes([good[middle] ^ 0x10])
    stored = {
        "empty": b"",
        "cut short": good[:-1],
        "one bit": good[:middle] + flipped + good[middle + 1 :],
        "longer": good + b"\0",
        "of another shard": other,
        "something else": b"PK\x03\x04" + b"x" * 100,
    }
    return stored.get(damage)


def make_shard(store: MemoryObjectStore, letter: str) -> ShardDescriptor:
    chunks = [chunk(f"t:{letter}{number}", text=f"word {letter}") for number in range(20)]
    vectors = unit_vectors(len(chunks), seed=ord(letter))
    return build_shard(store, chunks, vectors, origin=f"run/{letter}/0", seq=1)


def reader_of(store: MemoryObjectStore, folder: Path) -> Searcher:
    cache = ManifestCache(manifests(store), recheck_seconds=0.0)
    return Searcher(SnapshotSource(cache, ShardCache(store, folder), POOL, retry_seconds=0.0), POOL)


def found(reader: Searcher) -> tuple[int, set[str]]:
    """The version that answers, and what all modes find in it."""
    texts = set()
    for mode in ("dense", "lexical", "hybrid"):
        query = SearchQuery(text="word", vector=unit_vectors(1, 1, DIMS)[0], k=50, mode=mode)
        result = reader.search(query)
        texts |= {hit.chunk.text for hit in result.hits}
    return result.snapshot.manifest.version, texts


def assert_named(reader: Searcher, shard: ShardDescriptor, key: str) -> None:
    """Callers learn which shard it is and what to do, the log which file and why."""
    command = f"ultron index mark-bad --corpus {CORPUS} --shard {shard.shard_id}"
    with pytest.raises(DamagedIndexError, match=command) as caught:
        found(reader)
    assert key not in str(caught.value)
    assert str(caught.value.__cause__).startswith(f"{key} ")


def partial(reader: Searcher, **values: Any) -> SearchResult:
    query = SearchQuery(text="word", vector=unit_vectors(1, 1, DIMS)[0], k=50, partial=True)
    return reader.search(replace(query, **values))


@pytest.mark.parametrize("name", ["graph", "sidecar"])
def test_a_partial_answer_comes_from_the_other_shards_of_a_cold_reader(
    name: FileName, tmp_path: Path
) -> None:
    store = MemoryObjectStore()
    good, bad = make_shard(store, "a"), make_shard(store, "b")
    manifests(store).commit([good, bad], floor=no_floor)
    data = store.get(file_of(bad, name).key).data
    store.delete(file_of(bad, name).key)
    reader = reader_of(store, tmp_path)
    result = partial(reader)
    assert {hit.chunk.text for hit in result.hits} == {"word a"}
    assert [bad.shard_id in str(damage) for damage in result.snapshot.damage] == [True]
    assert_named(reader, bad, file_of(bad, name).key)
    store.put(file_of(bad, name).key, data)
    assert found(reader) == (1, {"word a", "word b"})


def test_nothing_is_answered_that_an_unreadable_catalog_may_have_deleted(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    manifests(store).commit([make_shard(store, "a")], floor=no_floor)
    gone = [f"t:a{number}" for number in range(20)]
    none = unit_vectors(0, 1, DIMS)
    deleting = build_shard(store, [], none, origin="run/d/0", seq=2, covered=gone)
    manifests(store).commit([deleting], floor=no_floor)
    store.delete(deleting.catalog.key)
    with pytest.raises(DamagedIndexError, match=deleting.shard_id):
        partial(reader_of(store, tmp_path))


def test_no_shard_at_all_is_no_partial_answer(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    bad = make_shard(store, "b")
    manifests(store).commit([bad], floor=no_floor)
    store.delete(file_of(bad, "graph").key)
    with pytest.raises(DamagedIndexError, match=bad.shard_id):
        partial(reader_of(store, tmp_path))


def rewritten(store: MemoryObjectStore, shard: ShardDescriptor, statement: str) -> ShardDescriptor:
    """The shard with another sidecar, whose checksum the manifest knows."""
    file = file_of(shard, "sidecar")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sidecar"
        path.write_bytes(store.get(file.key).data)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)
        data = path.read_bytes()
    store.put(file.key, data)
    digest = hashlib.sha256(data).hexdigest()
    changed = file.model_copy(update={"size_bytes": len(data), "sha256": digest})
    return shard.model_copy(update={"sidecar": changed})


@pytest.mark.parametrize(
    ("mode", "statement"),
    [
        ("dense", "UPDATE documents SET metadata = '{}'"),
        ("dense", "UPDATE documents SET text = CAST(x'FFFE' AS TEXT)"),
        ("dense", "DELETE FROM documents"),
        ("lexical", "UPDATE postings SET labels = x'FFFFFFFF', counts = x'0100'"),
        ("lexical", "UPDATE postings SET labels = x'0000000000000000', counts = x'01000100'"),
        ("lexical", "UPDATE postings SET labels = x'000000', counts = x'01'"),
        ("lexical", "UPDATE postings SET labels = 'text'"),
        ("lexical", "CREATE VIEW v AS SELECT 1"),
        ("lexical", "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM meta; END"),
    ],
)
def test_damage_that_a_search_comes_upon(mode: SearchMode, statement: str, tmp_path: Path) -> None:
    store = MemoryObjectStore()
    bad = rewritten(store, make_shard(store, "b"), statement)
    manifests(store).commit([make_shard(store, "a"), bad], floor=no_floor)
    reader = reader_of(store, tmp_path)
    assert_named(reader, bad, file_of(bad, "sidecar").key)
    result = partial(reader, mode=mode)
    assert {hit.chunk.text for hit in result.hits} == {"word a"}
    assert len(result.snapshot.damage) == 1


def file_of(shard: ShardDescriptor, name: FileName) -> FileReference:
    file: FileReference | None = getattr(shard, name)
    assert file is not None
    return file


@pytest.mark.parametrize("name", ["catalog", "graph", "sidecar"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_a_shard(name: FileName, damage: str, tmp_path: Path) -> None:
    store = MemoryObjectStore()
    good = make_shard(store, "a")
    manifests(store).commit([good], floor=no_floor)
    reader = reader_of(store, tmp_path / "warm")
    assert found(reader) == (1, {"word a"})

    bad = make_shard(store, "b")
    file = file_of(bad, name)
    data = store.get(file.key).data
    changed = damaged(damage, data, store.get(file_of(good, name).key).data)
    store.delete(file.key)
    if changed is not None:
        store.put(file.key, changed)
    manifests(store).commit([bad], floor=no_floor)
    assert found(reader) == (1, {"word a"})
    assert_named(reader_of(store, tmp_path / "cold"), bad, file.key)

    store.put(file.key, data)
    assert found(reader) == (2, {"word a", "word b"})
    assert found(reader_of(store, tmp_path / "cold")) == (2, {"word a", "word b"})


@pytest.mark.parametrize("name", ["catalog", "graph", "sidecar"])
def test_a_file_whose_bytes_are_as_promised_but_foreign(name: FileName, tmp_path: Path) -> None:
    """The manifest itself is wrong: the checksum fits, what is in the file does not."""
    store = MemoryObjectStore()
    manifests(store).commit([make_shard(store, "a")], floor=no_floor)
    reader = reader_of(store, tmp_path / "warm")
    assert found(reader) == (1, {"word a"})
    shard = make_shard(store, "b")
    foreign = {
        "catalog": file_of(shard, "sidecar"),
        "graph": file_of(shard, "catalog"),
        "sidecar": file_of(shard, "graph"),
    }[name]
    manifests(store).commit([shard.model_copy(update={name: foreign})], floor=no_floor)
    assert found(reader) == (1, {"word a"})
    assert_named(reader_of(store, tmp_path / "cold"), shard, foreign.key)


@pytest.mark.parametrize("damage", [*DAMAGES, "of another corpus", "older", "other model"])
def test_a_damaged_manifest(damage: str, tmp_path: Path) -> None:
    store = MemoryObjectStore()
    own = manifests(store)
    own.commit([make_shard(store, "a")], floor=no_floor)
    reader = reader_of(store, tmp_path / "warm")
    assert found(reader) == (1, {"word a"})
    own.commit([make_shard(store, "b")], floor=no_floor)
    data = store.get(own.key).data
    document = json.loads(data)
    changed: bytes | None
    if damage in DAMAGES:
        if damage in ("one bit", "longer", "of another shard"):
            data = data.replace(b'"schema_version"', b'"schema_versiom"')
        changed = damaged(damage, data, b"[]")
    else:
        update = {
            "of another corpus": {"corpus": "another"},
            "older": {"schema_version": 1},
            "other model": {"model": {**document["model"], "revision": "9"}},
        }[damage]
        changed = json.dumps(document | update).encode()
    store.delete(own.key)
    if changed is not None:
        store.put(own.key, changed)
    assert found(reader) == (1, {"word a"})
    expected = DimensionMismatchError if damage == "other model" else UltronError
    with pytest.raises(expected, match=own.key):
        found(searcher(store, tmp_path / "cold"))
    if damage != "other model":
        restore_alone(own, 1)
        assert found(reader)[1] == {"word a"}
        assert found(reader)[0] > 1
