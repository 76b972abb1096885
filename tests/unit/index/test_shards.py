"""Shards: what is written is read back, the same input makes the same bytes, defects are named."""

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shared.errors import (
    CorruptObjectError,
    DimensionMismatchError,
    InvalidInputError,
)
from shared.index.filters import SearchFilters
from shared.index.graph import GraphFile, build_graph
from shared.index.lexical import Bm25, TermStatistics
from shared.index.shard_cache import ShardCache
from shared.index.shard_reader import SearchTuning, Shard
from shared.index.shard_writer import collect_content
from shared.index.sidecar import Sidecar, write_sidecar
from shared.models.manifest import FileReference, ModelIdentity, ShardDescriptor
from shared.storage.keys import shard_key
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    CORPUS,
    DIMS,
    MODEL,
    build_shard,
    chunk,
    lines_of,
    unit_vectors,
)


def _open(store: MemoryObjectStore, descriptor: ShardDescriptor, directory: Path) -> Shard:
    cache = ShardCache(store, directory)
    graph = cache.fetch(descriptor.graph) if descriptor.graph else None
    return Shard(descriptor, graph, cache.fetch(descriptor.sidecar), SearchTuning())


def test_a_shard_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    chunks = [chunk("hero:2", text="second"), chunk("hero:1", text="first", modified="2014-05-06")]
    vectors = unit_vectors(2, seed=1)
    descriptor = build_shard(store, chunks, vectors, seq=7, covered=["hero:3"])

    assert descriptor.vectors == 2
    assert descriptor.entities == 3
    assert descriptor.sidecar.key == shard_key(CORPUS, MODEL, descriptor.shard_id, "sqlite")
    shard = _open(store, descriptor, tmp_path)
    assert shard.entities == {f"hero:{n}": (7, "run/page/0") for n in (1, 2, 3)}
    assert [shard.chunk_id(0), shard.chunk_id(1)] == ["hero:1-001", "hero:2-001"]
    documents = shard.documents([0, 1])
    assert documents[0].metadata == chunks[1].metadata
    assert documents[1].text == "second"
    for position, label in ((0, 1), (1, 0)):
        ((found, score),) = shard.nearest(vectors[position], 1, None, breadth=50)
        assert found == label
        assert score == pytest.approx(1.0)


def test_the_same_input_makes_the_same_bytes_under_the_same_keys() -> None:
    chunks = [chunk(f"hero:{n}", text=f"text of {n}") for n in range(300)]
    vectors = unit_vectors(300, seed=2)
    first, second = MemoryObjectStore(), MemoryObjectStore()
    assert build_shard(first, chunks, vectors) == build_shard(second, chunks, vectors)
    for summary in first.list(""):
        assert first.get(summary.key).data == second.get(summary.key).data


def test_another_process_makes_the_same_shard() -> None:
    program = (
        "from shared.storage.memory import MemoryObjectStore as Store\n"
        "from tests.unit.index.index_builders import build_shard, chunk, unit_vectors\n"
        "chunks = [chunk(f'hero:{n}', text=f'text of {n}') for n in range(50)]\n"
        "print(build_shard(Store(), chunks, unit_vectors(50, 2)).shard_id)\n"
    )
    root = str(Path(__file__).resolve().parents[3])
    ids = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(ids) == 1


def test_other_content_of_one_origin_never_shares_a_key() -> None:
    store = MemoryObjectStore()
    one = build_shard(store, [chunk("hero:1", text="one")], unit_vectors(1, seed=3))
    other = build_shard(store, [chunk("hero:1", text="other")], unit_vectors(1, seed=3))
    assert one.shard_id.split("-")[0] == other.shard_id.split("-")[0]
    assert one.sidecar.key != other.sidecar.key
    assert len(list(store.list(""))) == 4


def test_a_shard_without_vectors_has_no_graph(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [], np.empty((0, DIMS), np.float32), covered=["hero:1"])
    assert descriptor.graph is None
    shard = _open(store, descriptor, tmp_path)
    assert set(shard.entities) == {"hero:1"}
    assert shard.nearest(unit_vectors(1, seed=1)[0], 5, None, breadth=50) == []
    looked_up = shard.look_up(["text"])
    assert looked_up.statistics == TermStatistics(rows=0, words=0, rows_with={})
    assert shard.best_matches(looked_up, Bm25(looked_up.statistics), 5, None) == []


@pytest.mark.parametrize("shape", [(1, DIMS), (3, DIMS), (2, DIMS + 1), (2,)])
def test_vectors_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    store = MemoryObjectStore()
    vectors = np.ones(shape, np.float32)
    with pytest.raises(DimensionMismatchError, match="run/page/0"):
        build_shard(store, [chunk("hero:1"), chunk("hero:2")], vectors)
    assert not list(store.list(""))


@pytest.mark.parametrize("value", [0.0, 2.0, np.nan, np.inf])
def test_vectors_that_are_not_of_unit_length_are_refused(value: float) -> None:
    vectors = unit_vectors(2, seed=4)
    vectors[1] *= np.float32(value)
    with pytest.raises(InvalidInputError, match="vector 1 of run/page/0"):
        build_shard(MemoryObjectStore(), [chunk("hero:1"), chunk("hero:2")], vectors)


def test_a_chunk_whose_entity_is_not_covered_is_refused() -> None:
    lines = [line for line in lines_of([chunk("hero:1")]) if line.type == "chunk"]
    with pytest.raises(CorruptObjectError, match="hero:1-001"):
        collect_content(lines, origin="run/page/0", seq=1)


def test_a_chunk_that_comes_twice_is_refused() -> None:
    with pytest.raises(CorruptObjectError, match="hero:1-001 twice"):
        collect_content(lines_of([chunk("hero:1"), chunk("hero:1")]), origin="o", seq=1)


def _damaged(data: bytes, how: str) -> bytes:
    if how == "truncated":
        return data[: len(data) // 2]
    if how == "empty":
        return b""
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
@pytest.mark.parametrize("part", ["graph", "sidecar"])
def test_a_damaged_object_is_named_and_never_kept(tmp_path: Path, how: str, part: str) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5))
    file: FileReference = getattr(descriptor, part)
    good = store.get(file.key).data
    store.put(file.key, _damaged(good, how))
    with pytest.raises(CorruptObjectError, match=file.key):
        _open(store, descriptor, tmp_path)
    store.put(file.key, good)
    assert _open(store, descriptor, tmp_path).live_rows == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_missing_object_is_named(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5))
    store.delete(descriptor.sidecar.key)
    with pytest.raises(CorruptObjectError, match=descriptor.sidecar.key):
        _open(store, descriptor, tmp_path)


def test_threads_that_fetch_one_file_all_get_it_whole(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5))
    start = threading.Barrier(8)

    def fetch(_: int) -> bytes:
        start.wait()
        return ShardCache(store, tmp_path / "shared").fetch(descriptor.sidecar).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(fetch, range(8)))
    assert set(contents) == {store.get(descriptor.sidecar.key).data}
    assert len(list((tmp_path / "shared").iterdir())) == 1


def test_a_file_cut_short_on_disk_is_fetched_again(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5))
    cache = ShardCache(store, tmp_path)
    path = cache.fetch(descriptor.sidecar)
    path.write_bytes(b"half")
    assert cache.fetch(descriptor.sidecar).stat().st_size == descriptor.sidecar.size_bytes


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 95, b"\0" * 4000, build_graph(unit_vectors(3, 1))[:-40][: 96 + 2 * 204]],
)
def test_a_file_that_is_no_graph_is_refused_before_hnswlib_sees_it(
    tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "graph"
    path.write_bytes(data)
    with pytest.raises(CorruptObjectError, match="the-key"):
        GraphFile(path, rows=3, dims=DIMS, name="the-key")


@pytest.mark.parametrize(("rows", "dims"), [(2, DIMS), (4, DIMS), (3, DIMS - 1)])
def test_a_graph_of_another_shape_is_refused(tmp_path: Path, rows: int, dims: int) -> None:
    path = tmp_path / "graph"
    path.write_bytes(build_graph(unit_vectors(3, seed=1)))
    with pytest.raises(CorruptObjectError, match="the-key"):
        GraphFile(path, rows=rows, dims=dims, name="the-key")


def test_a_file_that_is_no_sidecar_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sidecar"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(CorruptObjectError, match="the-key"):
        Sidecar(path, model=MODEL, name="the-key")
    empty = tmp_path / "empty"
    sqlite3.connect(empty).close()
    with pytest.raises(CorruptObjectError, match="the-key"):
        Sidecar(empty, model=MODEL, name="the-key")


def test_a_sidecar_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sidecar"
    write_sidecar(path, model=MODEL, entities={}, chunks=[])
    other = ModelIdentity(id="random", revision="2", dims=DIMS)
    with pytest.raises(CorruptObjectError, match="says model"):
        Sidecar(path, model=other, name="the-key")


def test_filters_read_the_index_alone(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5))
    path = ShardCache(store, tmp_path).fetch(descriptor.sidecar)
    condition, parameters = SearchFilters(entity_types=("hero",), source_ids=("1",)).where()
    plan = sqlite3.connect(path).execute(
        f"EXPLAIN QUERY PLAN SELECT label FROM rows WHERE {condition} ORDER BY label", parameters
    )
    assert any("COVERING INDEX rows_by_filter" in str(row) for row in plan)
