"""The cache of shard files: whole files only, and never more than its limit allows."""

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import CorruptObjectError, OverloadedError
from shared.index.search.shard_cache import HeldFile, ShardCache
from shared.models.manifest import FileReference
from shared.storage.memory import MemoryObjectStore

SIZE = 100


def stored(store: MemoryObjectStore, name: str, size: int = SIZE) -> FileReference:
    data = (name * size).encode()[:size]
    store.put(name, data)
    return FileReference(key=name, size_bytes=size, sha256=hashlib.sha256(data).hexdigest())


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


def kept(directory: Path) -> int:
    return len(list(directory.iterdir()))


def aged(path: Path, seconds: int) -> None:
    """Make a file look as if it had been used so many seconds after the beginning of time."""
    os.utime(path, (seconds, seconds))


def test_a_missing_object_is_named(store: MemoryObjectStore, tmp_path: Path) -> None:
    file = stored(store, "a")
    store.delete("a")
    with pytest.raises(CorruptObjectError, match="a is missing"):
        ShardCache(store, tmp_path).fetch(file)
    assert kept(tmp_path) == 0


@pytest.mark.parametrize("data", [b"", b"b" * SIZE, b"a" * (SIZE - 1)])
def test_other_content_is_named_and_not_kept(
    store: MemoryObjectStore, tmp_path: Path, data: bytes
) -> None:
    file = stored(store, "a")
    store.put("a", data)
    with pytest.raises(CorruptObjectError, match="a has"):
        ShardCache(store, tmp_path).fetch(file)
    assert kept(tmp_path) == 0


def test_threads_that_fetch_one_file_download_it_once(
    store: MemoryObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = stored(store, "a")
    cache = ShardCache(store, tmp_path)
    start = threading.Barrier(8)
    downloads = []
    download = store.download

    def counted(key: str, path: Path) -> None:
        downloads.append(key)
        download(key, path)

    monkeypatch.setattr(store, "download", counted)

    def fetch(_: int) -> bytes:
        start.wait()
        return cache.fetch(file).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(fetch, range(8)))
    assert set(contents) == {store.get("a").data}
    assert downloads == ["a"]
    assert kept(tmp_path) == 1


def test_caches_that_share_a_folder_all_get_a_file_whole(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    file = stored(store, "a")
    start = threading.Barrier(8)

    def fetch(_: int) -> bytes:
        start.wait()
        return ShardCache(store, tmp_path / "shared").fetch(file).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(fetch, range(8)))
    assert set(contents) == {store.get("a").data}
    assert kept(tmp_path / "shared") == 1


def test_a_file_cut_short_on_disk_is_fetched_again(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    file = stored(store, "a")
    cache = ShardCache(store, tmp_path)
    cache.fetch(file).write_bytes(b"half")
    assert cache.fetch(file).stat().st_size == SIZE


def test_the_file_that_was_not_used_for_longest_makes_room(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    files = [stored(store, name) for name in "abcd"]
    cache = ShardCache(store, tmp_path, limit_bytes=3 * SIZE)
    paths = [cache.fetch(file) for file in files[:3]]
    for seconds, path in enumerate(paths):
        aged(path, seconds)
    cache.fetch(files[0])  # used again: now the second one is the oldest
    cache.fetch(files[3])
    assert [path.is_file() for path in paths] == [True, False, True]


def test_a_file_that_is_held_stays_until_it_is_let_go(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    files = [stored(store, name) for name in "abc"]
    cache = ShardCache(store, tmp_path, limit_bytes=2 * SIZE)
    held = cache.hold(files[0])
    aged(held.path(), 0)
    cache.fetch(files[1])
    cache.fetch(files[2])
    assert held.path().is_file()
    assert kept(tmp_path) == 2
    path = held.path()
    aged(path, 0)
    del held
    cache.fetch(files[1])
    assert not path.exists()


def test_when_all_that_is_there_is_in_use_the_limit_is_named(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    files = [stored(store, name) for name in "abc"]
    cache = ShardCache(store, tmp_path, limit_bytes=2 * SIZE)
    held = [cache.hold(file) for file in files[:2]]
    with pytest.raises(OverloadedError, match="limit is 200 bytes"):
        cache.hold(files[2])
    assert all(one.path().is_file() for one in held)
    held.clear()
    assert cache.hold(files[2]).path().is_file()


def test_a_file_that_was_just_moved_into_place_counts_once(
    store: MemoryObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stored(store, "a"), stored(store, "b")
    cache = ShardCache(store, tmp_path, limit_bytes=2 * SIZE)
    move = Path.replace

    def replace(path: Path, target: Path) -> Path:
        moved = move(path, target)
        if target.name.startswith(first.sha256):
            cache.fetch(second)  # before the first fetch has noted that it is over
        return moved

    monkeypatch.setattr(Path, "replace", replace)
    cache.fetch(first)
    assert kept(tmp_path) == 2


def test_a_file_larger_than_the_limit_removes_nothing(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    small, large = stored(store, "a"), stored(store, "b", 3 * SIZE)
    cache = ShardCache(store, tmp_path, limit_bytes=2 * SIZE)
    path = cache.fetch(small)
    with pytest.raises(OverloadedError):
        cache.fetch(large)
    assert path.is_file()


def test_a_held_file_that_another_process_removed_comes_back(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    held = ShardCache(store, tmp_path).hold(stored(store, "a"))
    held.path().unlink()
    assert held.path().read_bytes() == store.get("a").data


def test_what_a_dead_process_left_unfinished_goes(store: MemoryObjectStore, tmp_path: Path) -> None:
    abandoned, young = tmp_path / ".x.hnsw.1-2", tmp_path / ".y.hnsw.1-3"
    abandoned.write_bytes(b"half")
    young.write_bytes(b"half")
    aged(abandoned, 0)
    ShardCache(store, tmp_path, limit_bytes=SIZE).fetch(stored(store, "a"))
    assert not abandoned.exists()
    assert young.exists()


steps = st.lists(
    st.tuples(st.sampled_from(["fetch", "hold", "drop"]), st.integers(0, 5)), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(steps=steps, limit=st.integers(1, 4))
def test_the_limit_holds_and_what_is_held_is_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], limit: int
) -> None:
    directory = tmp_path_factory.mktemp("cache")
    store = MemoryObjectStore()
    files = [stored(store, name) for name in "abcdef"]
    cache = ShardCache(store, directory, limit_bytes=limit * SIZE)
    held: dict[int, HeldFile] = {}
    actions: dict[str, Callable[[int], object]] = {
        "fetch": lambda number: cache.fetch(files[number]),
        "hold": lambda number: held.__setitem__(number, cache.hold(files[number])),
        "drop": lambda number: held.pop(number, None),
    }
    for action, number in steps:
        try:
            actions[action](number)
        except OverloadedError:
            assert len(held.keys() | {number}) > limit
        assert kept(directory) <= limit
        names = {path.name for path in directory.iterdir()}
        assert {files[n].sha256 for n in held} <= names
