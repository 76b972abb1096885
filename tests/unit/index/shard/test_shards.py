"""Shards: what is written is read back, the same input makes the same bytes, defects are named."""

import sqlite3
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import hnswlib
import numpy as np
import pytest

from shared.errors import (
    CorruptObjectError,
    DimensionMismatchError,
    InvalidInputError,
)
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import GraphFile, write_graph
from shared.index.shard.content import content_checksum
from shared.index.shard.lexical import (
    NO_STATISTICS,
    Bm25,
    LexicalTables,
    Postings,
    SearchedRow,
    build_tables,
)
from shared.index.shard.shard_writer import collect_content
from shared.index.shard.sidecar import Document, PostingsTable, Sidecar, write_sidecar
from shared.index.shard.word_search import Floor
from shared.models.manifest import FileReference, ModelIdentity
from shared.storage.keys import shard_key
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    CORPUS,
    DIMS,
    MODEL,
    build_shard,
    chunk,
    lines_of,
    open_shard,
    unit_vectors,
)


def test_a_shard_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    chunks = [chunk("hero:2", text="second"), chunk("hero:1", text="first", modified="2014-05-06")]
    vectors = unit_vectors(2, seed=1)
    descriptor = build_shard(store, chunks, vectors, seq=7, covered=["hero:3"])

    assert descriptor.vectors == 2
    assert descriptor.entities == 3
    for file, suffix in zip(descriptor.files, ("npz", "hnsw", "sqlite"), strict=True):
        assert file.key == shard_key(CORPUS, MODEL, descriptor.shard_id, suffix)
        assert file.size_bytes == len(store.get(file.key).data)
    assert descriptor.fields == ("issue_number",)
    shard = open_shard(store, descriptor, tmp_path)
    versions = shard.files.catalog.versions()
    assert {key: version.order for key, version in versions.items()} == {
        f"hero:{n}": (7, "run/page/0") for n in (1, 2, 3)
    }
    assert versions["hero:1"].checksum == content_checksum([chunks[1]])
    assert versions["hero:3"].checksum == content_checksum([])
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
    root = str(Path(__file__).resolve().parents[4])
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
    assert not {file.key for file in one.files} & {file.key for file in other.files}
    assert len(list(store.list(""))) == 6


def test_a_shard_without_rows_is_a_catalog_alone(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [], np.empty((0, DIMS), np.float32), covered=["hero:1"])
    assert (descriptor.graph, descriptor.sidecar, descriptor.fields) == (None, None, ())
    shard = open_shard(store, descriptor, tmp_path)
    assert set(shard.files.catalog.versions()) == {"hero:1"}
    assert shard.matching(SearchFilters()) is None
    assert shard.similarities([], unit_vectors(1, seed=1)[0]) == []
    assert shard.documents([]) == {}
    assert len(shard.nearest(unit_vectors(1, seed=1)[0], 5, None, breadth=50)) == 0
    looked_up = shard.look_up(["text"], by_entity=True)
    assert looked_up.statistics == NO_STATISTICS
    none = np.empty(0, np.int64)
    ranking = Bm25.of(looked_up.statistics, [])
    assert len(shard.best_matches(looked_up, ranking, 5, None, none, Floor(5)).units) == 0


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
@pytest.mark.parametrize("part", ["catalog", "graph", "sidecar"])
def test_a_damaged_object_is_named_and_never_kept(tmp_path: Path, how: str, part: str) -> None:
    store = MemoryObjectStore()
    descriptor = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5))
    file: FileReference = getattr(descriptor, part)
    good = store.get(file.key).data
    store.put(file.key, _damaged(good, how))
    with pytest.raises(CorruptObjectError, match=file.key):
        open_shard(store, descriptor, tmp_path)
    store.put(file.key, good)
    assert open_shard(store, descriptor, tmp_path).live_rows == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def graph_bytes(directory: Path, rows: int) -> bytes:
    path = directory / "whole"
    write_graph(path, [unit_vectors(rows, seed=1)], rows=rows, dims=DIMS)
    return path.read_bytes()


@pytest.mark.parametrize("end", [0, 95, 96, 96 + 2 * 204])
def test_a_graph_cut_short_is_refused_before_hnswlib_sees_it(tmp_path: Path, end: int) -> None:
    path = tmp_path / "graph"
    path.write_bytes(graph_bytes(tmp_path, 3)[:end])
    with pytest.raises(CorruptObjectError, match="the-key"):
        GraphFile(lambda: path, rows=3, dims=DIMS, name="the-key")


@pytest.mark.parametrize("data", [b"x" * 95, b"\0" * 4000])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "graph"
    path.write_bytes(data)
    with pytest.raises(CorruptObjectError, match="the-key"):
        GraphFile(lambda: path, rows=3, dims=DIMS, name="the-key")


@pytest.mark.parametrize(("rows", "dims"), [(2, DIMS), (4, DIMS), (3, DIMS - 1)])
def test_a_graph_of_another_shape_is_refused(tmp_path: Path, rows: int, dims: int) -> None:
    path = tmp_path / "graph"
    path.write_bytes(graph_bytes(tmp_path, 3))
    with pytest.raises(CorruptObjectError, match="the-key"):
        GraphFile(lambda: path, rows=rows, dims=dims, name="the-key")


def test_a_graph_whose_rows_lie_in_another_order_serves(tmp_path: Path) -> None:
    vectors = unit_vectors(500, seed=1)
    path = tmp_path / "graph"
    order = np.random.default_rng(1).permutation(500)
    index = hnswlib.Index(space="ip", dim=DIMS)
    index.init_index(max_elements=500)
    index.add_items(vectors[order], order)
    index.save_index(str(path))
    graph = GraphFile(lambda: path, rows=500, dims=DIMS, name="the-key")
    for candidates in (None, np.arange(0, 500, 2), np.arange(7)):
        labels = np.arange(500) if candidates is None else candidates
        best = graph.exact(vectors[3], 5, candidates)
        expected = labels[np.argsort(-(vectors[labels] @ vectors[3]))[:5]]
        assert [label for label, _ in best] == expected.tolist()


def test_a_graph_that_holds_a_row_twice_is_refused(tmp_path: Path) -> None:
    data = bytearray(graph_bytes(tmp_path, 3))
    label = data.rindex(struct.pack("<Q", 2))
    data[label : label + 8] = struct.pack("<Q", 1)
    path = tmp_path / "graph"
    path.write_bytes(data)
    with pytest.raises(CorruptObjectError, match=r"the-key .* each row once"):
        GraphFile(lambda: path, rows=3, dims=DIMS, name="the-key")


def test_a_graph_is_written_in_batches_and_never_of_another_length(tmp_path: Path) -> None:
    vectors = unit_vectors(40, seed=1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    write_graph(whole, [vectors], rows=40, dims=DIMS)
    write_graph(parts, [vectors[:7], vectors[7:]], rows=40, dims=DIMS)
    assert whole.read_bytes() == parts.read_bytes()
    with pytest.raises(InvalidInputError, match="41 rows was given 40"):
        write_graph(tmp_path / "short", [vectors], rows=41, dims=DIMS)


def tables_of(texts: Sequence[str]) -> LexicalTables:
    return build_tables(SearchedRow(f"t:{n}", f"title {n}", text) for n, text in enumerate(texts))


def sidecar_file(path: Path, texts: Sequence[str] = (), model: ModelIdentity = MODEL) -> Path:
    tables = tables_of(texts)
    write_sidecar(
        path,
        model=model,
        documents=[Document(text, chunk("t:1").metadata) for text in texts],
        texts=tables.texts.items(),
        titles=tables.titles.items(),
    )
    return path


def test_a_file_that_is_no_sidecar_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sidecar"
    whole = sidecar_file(tmp_path / "whole", ["text"] * 2000).read_bytes()
    for data in (b"", b"this is no database" * 100, whole[:-4096], whole + bytes(4096)):
        path.write_bytes(data)
        with pytest.raises(CorruptObjectError, match="the-key"):
            Sidecar(lambda: path, model=MODEL, rows=2000, name="the-key")


@pytest.mark.parametrize(("offset", "number"), [(44, 5), (44, 2**31), (56, 2)])
def test_a_sidecar_in_another_format_or_encoding_is_refused_at_once(
    tmp_path: Path, offset: int, number: int
) -> None:
    path = sidecar_file(tmp_path / "sidecar", ["text"])
    data = bytearray(path.read_bytes())
    data[offset : offset + 4] = number.to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(CorruptObjectError, match="the-key is no SQLite sidecar"):
        Sidecar(lambda: path, model=MODEL, rows=1, name="the-key")


def test_a_sidecar_that_is_damaged_or_of_another_schema_is_named_when_read(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    whole = sidecar_file(tmp_path / "whole", ["text"] * 2000).read_bytes()
    torn = tmp_path / "torn"
    torn.write_bytes(whole[:20000] + bytes(len(whole) - 20000))
    for path in (foreign, torn):
        sidecar = Sidecar(lambda path=path: path, model=MODEL, rows=2000, name="the-key")  # type: ignore[misc]
        with pytest.raises(CorruptObjectError, match="the-key"):
            sidecar.documents([1500])


def test_a_schema_that_is_no_text_is_damage(tmp_path: Path) -> None:
    """SQLite quotes it in its message, which Python then cannot decode."""
    path = sidecar_file(tmp_path / "sidecar", ["text"])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE meta", b"CREATE TABLE \xa2\xa2 a"))
    with pytest.raises(CorruptObjectError, match="the-key"):
        Sidecar(lambda: path, model=MODEL, rows=2000, name="the-key").texts_with(["text"])


def test_a_sidecar_of_another_model_is_refused(tmp_path: Path) -> None:
    other = ModelIdentity(id="random", revision="2", dims=DIMS)
    path = sidecar_file(tmp_path / "sidecar", model=other)
    with pytest.raises(CorruptObjectError, match="says model"):
        Sidecar(lambda: path, model=MODEL, rows=2000, name="the-key").texts_with(["x"])


def test_a_row_that_the_sidecar_lacks_is_named(tmp_path: Path) -> None:
    path = sidecar_file(tmp_path / "sidecar", ["a", "b"])
    with pytest.raises(CorruptObjectError, match="the-key lacks row 2"):
        Sidecar(lambda: path, model=MODEL, rows=2000, name="the-key").documents([0, 2])


def test_every_row_and_every_word_can_be_read_in_order(tmp_path: Path) -> None:
    texts = [f"word{number} again" for number in range(1201)]
    path = sidecar_file(tmp_path / "sidecar", texts)
    sidecar = Sidecar(lambda: path, model=MODEL, rows=2000, name="the-key")
    rows = list(sidecar.every_document())
    assert [label for label, _ in rows] == list(range(1201))
    assert [document.text for _, document in rows] == texts
    assert {label: found.text for label, found in sidecar.documents(range(1201)).items()} == dict(
        enumerate(texts)
    )
    tables = tables_of(texts)
    fields: dict[PostingsTable, Mapping[str, Postings]] = {
        "postings": tables.texts,
        "titles": tables.titles,
    }
    for table, expected in fields.items():
        found = list(sidecar.every_posting(table))
        assert [word for word, _ in found] == sorted(expected)
        for word, postings in found:
            assert postings.labels.tolist() == expected[word].labels.tolist()
            assert postings.counts.tolist() == expected[word].counts.tolist()


def test_a_catalog_of_another_shard_is_refused(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    one = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5), covered=["hero:2"])
    other = build_shard(store, [chunk("hero:1")], unit_vectors(1, seed=5))
    mixed = one.model_copy(update={"catalog": other.catalog})
    with pytest.raises(CorruptObjectError, match=other.catalog.key):
        open_shard(store, mixed, tmp_path)
