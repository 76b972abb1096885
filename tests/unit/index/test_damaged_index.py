"""Damage to any object of an index: it is named, and the last good version goes on serving."""

import json
from pathlib import Path
from typing import Literal

import pytest

from shared.errors import CorruptObjectError, DimensionMismatchError, UltronError
from shared.index.manifest_store import ManifestCache
from shared.index.searcher import Searcher, SearchQuery
from shared.index.shard_cache import ShardCache
from shared.index.snapshot import SnapshotSource
from shared.models.manifest import FileReference, ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
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
    with pytest.raises(CorruptObjectError, match=file.key):
        found(reader_of(store, tmp_path / "cold"))

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
    with pytest.raises(CorruptObjectError, match=foreign.key):
        found(reader_of(store, tmp_path / "cold"))


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
