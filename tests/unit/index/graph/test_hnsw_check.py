"""HNSW files that only look right: each is refused before hnswlib reads it."""

import struct
from collections.abc import Callable
from pathlib import Path

import hnswlib
import numpy as np
import pytest

from shared.errors import CorruptObjectError
from shared.index.graph.hnsw_file import GraphFile, MarkedGraph, write_graph
from tests.unit.index.index_builders import DIMS, unit_vectors

ROWS = 400
STRIDE = 4 * 33 + 4 * DIMS + 8
END = 96 + ROWS * STRIDE
HEADER = struct.Struct("<QQQQQQiIQQQdQ")
NAMES = (
    "offset_of_elements", "room", "rows", "stride", "label_offset", "vector_offset", "highest",
    "entry", "links", "base_links", "links_again", "scale", "breadth",
)  # fmt: skip

Change = Callable[[bytearray], None]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("graph") / "good"
    write_graph(path, [unit_vectors(ROWS, seed=1)], rows=ROWS, dims=DIMS)
    return path.read_bytes()


def opened(folder: Path, data: bytes) -> GraphFile:
    path = folder / "graph"
    path.write_bytes(data)
    return GraphFile(lambda: path, rows=ROWS, dims=DIMS, name="the-key")


def header(name: str, value: float) -> Change:
    def change(data: bytearray) -> None:
        fields = list(HEADER.unpack_from(data))
        fields[NAMES.index(name)] = value
        HEADER.pack_into(data, 0, *fields)

    return change


def word(offset: int, value: int) -> Change:
    return lambda data: struct.pack_into("<I", data, offset, value)


def above(data: bytes) -> list[tuple[int, int, int]]:
    """Of each row above level 0: the row, where its size lies, its level. Read step by step."""
    found, place = [], END
    for row in range(ROWS):
        size = struct.unpack_from("<I", data, place)[0]
        if size:
            found.append((row, place, size // 68))
        place += 4 + size
    assert place == len(data)
    return found


CRAFTED = {
    "less room than rows": header("room", ROWS - 1),
    "no room": header("room", 0),
    "more room than there is memory": header("room", 2**40),
    "sizes that overflow": header("stride", 2**63),
    "elements elsewhere": header("offset_of_elements", 8),
    "labels elsewhere": header("label_offset", 0),
    "vectors elsewhere": header("vector_offset", 2**62),
    "an entry point behind the end": header("entry", ROWS),
    "an entry point far behind the end": header("entry", 2**32 - 1),
    "an empty graph with an entry": header("highest", -1),
    "a level that no row has": header("highest", 9),
    "more links than room": header("base_links", 64),
    "other links above": header("links", 4),
    "another M": header("links_again", 1),
    "no scale": header("scale", float("nan")),
    "no breadth": header("breadth", 0),
    "more links in a row than room": word(96, 33),
    "a row marked deleted": word(96, 0x00010000 + 3),
    "a link behind the end": word(96 + 4, ROWS),
    "a link far behind the end": word(96 + 3 * STRIDE + 8, 2**32 - 1),
    "a label behind the end": word(96 + STRIDE - 8, ROWS),
    "a label of another row": word(96 + STRIDE - 8, 1),
}


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED.keys())
def test_crafted_numbers_are_refused(good: bytes, change: Change, tmp_path: Path) -> None:
    data = bytearray(good)
    change(data)
    assert data != good
    with pytest.raises(CorruptObjectError, match="the-key"):
        opened(tmp_path, bytes(data))


@pytest.mark.parametrize("extra", [-4, -1, 1, 4, 68])
def test_a_file_that_ends_elsewhere_is_refused(good: bytes, extra: int, tmp_path: Path) -> None:
    data = good[:extra] if extra < 0 else good + bytes(extra)
    with pytest.raises(CorruptObjectError, match="the-key"):
        opened(tmp_path, data)


def test_links_above_level_0_are_followed_to_their_ends(good: bytes, tmp_path: Path) -> None:
    rows = above(good)
    on_ground = next(row for row in range(ROWS) if row not in {found for found, _, _ in rows})
    _, place, _ = next(found for found in rows if struct.unpack_from("<I", good, found[1] + 4)[0])
    for offset, value in (
        (place, 67),  # no whole level
        (place, 136),  # one level more than is there
        (place, 0),  # none, and the links stand where sizes belong
        (place + 4, 17),  # more links than room
        (place + 8, ROWS),  # behind the end
        (place + 8, on_ground),  # to a row that is not on this level
    ):
        data = bytearray(good)
        struct.pack_into("<I", data, offset, value)
        if data != good:
            with pytest.raises(CorruptObjectError, match="the-key"):
                opened(tmp_path, bytes(data))


def test_the_entry_point_is_on_the_highest_level(good: bytes, tmp_path: Path) -> None:
    rows = above(good)
    highest = max(level for _, _, level in rows)
    lower = next((row for row, _, level in rows if level < highest), None)
    on_ground = next(row for row in range(ROWS) if row not in {found for found, _, _ in rows})
    for entry in (lower, on_ground):
        if entry is not None:
            data = bytearray(good)
            header("entry", entry)(data)
            with pytest.raises(CorruptObjectError, match="not on level"):
                opened(tmp_path, bytes(data))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, 1e30])
def test_a_vector_that_is_none_never_leaves_the_file(
    good: bytes, value: float, tmp_path: Path
) -> None:
    data = bytearray(good)
    struct.pack_into(f"<{DIMS}f", data, 96 + 5 * STRIDE + 4 * 33, *[value] * DIMS)
    graph = opened(tmp_path, bytes(data))
    query = unit_vectors(1, seed=1)[0]
    with pytest.raises(CorruptObjectError, match="the-key"):
        graph.vectors(np.array([4, 5]))
    with pytest.raises(CorruptObjectError, match="the-key"):
        graph.similarities(np.array([5]), query)
    with pytest.raises(CorruptObjectError, match="the-key"):
        graph.exact(query, ROWS, None)


@pytest.mark.parametrize("rows", [1, 2, 17, 3000])
@pytest.mark.parametrize("threads", [1, 4])
def test_whatever_hnswlib_writes_is_accepted(rows: int, threads: int, tmp_path: Path) -> None:
    path = tmp_path / "graph"
    vectors = unit_vectors(rows, seed=rows)
    vectors[::3] = vectors[0]  # equal ones are linked in odd ways
    write_graph(path, [vectors], rows=rows, dims=DIMS, threads=threads)
    graph = GraphFile(lambda: path, rows=rows, dims=DIMS, name="the-key")
    assert graph.vectors(np.arange(rows)).tolist() == vectors.tolist()
    found = MarkedGraph(graph, None).search(vectors[0], 1)
    assert found is not None
    assert found[1][0] == pytest.approx(1.0, abs=1e-5)


def test_no_memory_for_a_graph_is_said_as_that(
    good: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hnswlib calls it a RuntimeError, as it does what is wrong with a file."""

    class Full:
        def __init__(self, **_: object) -> None: ...

        def load_index(self, path: str) -> None:
            raise RuntimeError("Not enough memory: loadIndex failed to allocate level0")

    graph = opened(tmp_path, good)
    monkeypatch.setattr(hnswlib, "Index", Full)
    with pytest.raises(MemoryError):
        MarkedGraph(graph, None).search(unit_vectors(1, seed=1)[0], 3)
