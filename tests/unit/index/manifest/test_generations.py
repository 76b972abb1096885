"""Which of a corpus's indexes readers keep to."""

import json

import pytest

from shared.index.manifest.generations import is_behind, newest_generation, present_manifests
from shared.index.manifest.manifest_format import encode_manifest
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest, ModelIdentity
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.manifest_builders import (
    CORPUS,
    MODEL,
    NO_WAIT,
    descriptor,
    no_floor,
    rebuild_alone,
    restore_alone,
    written,
)

OTHER = ModelIdentity(id="other", revision="1", dims=8)


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


def index(store: MemoryObjectStore, model: ModelIdentity = MODEL) -> ManifestStore:
    return ManifestStore(store, CORPUS, model, NO_WAIT)


def grow(store: MemoryObjectStore, origin: str, model: ModelIdentity = MODEL) -> Manifest:
    return index(store, model).commit([descriptor(origin, model=model)], floor=no_floor)


def test_only_an_index_beside_another_one_is_built_in_the_background(
    store: MemoryObjectStore,
) -> None:
    assert grow(store, "a").generation == 0
    assert grow(store, "b").generation == 0
    assert grow(store, "a", OTHER).generation is None
    assert grow(store, "b", OTHER).generation is None
    assert grow(store, "c").generation == 0


def test_completing_is_done_once_and_lasts(store: MemoryObjectStore) -> None:
    grow(store, "a")
    grow(store, "a", OTHER)
    manifest = index(store, OTHER).complete(1)
    assert (manifest.generation, manifest.change, manifest.version) == (1, "complete", 2)
    assert index(store, OTHER).complete(1) == manifest
    assert index(store, OTHER).complete(0) == manifest
    assert grow(store, "b", OTHER).generation == 1


def test_an_index_of_nothing_is_empty_once_it_is_complete(store: MemoryObjectStore) -> None:
    grow(store, "a")
    empty = index(store, OTHER).complete(1)
    assert (empty.version, empty.generation, empty.shards) == (1, 1, ())
    assert index(store, OTHER).read().manifest == empty


def test_a_manifest_of_the_first_generation_can_be_read_by_releases_that_know_of_none(
    store: MemoryObjectStore,
) -> None:
    first = grow(store, "a")
    assert "generation" not in json.loads(encode_manifest(first))
    second = grow(store, "a", OTHER)
    assert json.loads(encode_manifest(second))["generation"] is None
    assert present_manifests(store, CORPUS) == [second, first]


def test_an_older_version_comes_back_without_taking_readers_away(store: MemoryObjectStore) -> None:
    index(store).commit(written(store, "a"), floor=no_floor)
    grow(store, "x", OTHER)
    index(store).commit(written(store, "b"), floor=no_floor)
    index(store).complete(2)
    assert restore_alone(index(store), 1).generation == 2


@pytest.mark.parametrize("damage", [b"{", None])
def test_an_index_that_is_mended_has_the_generation_that_it_had(
    store: MemoryObjectStore, damage: bytes | None
) -> None:
    grow(store, "a")
    grow(store, "a", OTHER)
    grow(store, "b", OTHER)
    key = index(store, OTHER).key
    if damage is None:
        store.delete(key)
    else:
        store.put(key, damage)
    shards = [descriptor("made-anew", model=OTHER)]
    assert rebuild_alone(index(store, OTHER), [], shards, "rebuild:1").generation is None


def test_readers_keep_to_the_greatest_generation(store: MemoryObjectStore) -> None:
    assert newest_generation([]) is None
    assert not is_behind(None, [])
    first, building = grow(store, "a"), grow(store, "a", OTHER)
    assert newest_generation([first, building]) == 0
    assert not is_behind(first, [first, building])
    assert is_behind(building, [first, building])
    assert is_behind(None, [first])
    complete = index(store, OTHER).complete(1)
    assert is_behind(first, [first, complete])
    assert not is_behind(complete, [first, complete])
