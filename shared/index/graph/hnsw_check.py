"""Checks an HNSW file before hnswlib loads it, which verifies none of the numbers it reads.

hnswlib 0.8.0 (hnswalg.h, `saveIndex` and `loadIndex`) writes a header of 96 bytes; then for each
row one element of fixed size: how many links it has on level 0, room for twice M of them, its
vector, its label; then for each row how many bytes its links on higher levels take, and those: for
each level a count and room for M links. A link is the position of a row in the file. Loading and
searching follow links and add up sizes without a look at where they lead: one that is out of range
ends the process. So here each is compared with what is there, by numpy over the mapped file.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError
from shared.index.graph.mapped_vectors import MappedVectors, Vectors

Positions = npt.NDArray[np.int64]

LINKS_PER_ROW = 16
CONSTRUCTION_BREADTH = 200

_HEADER = struct.Struct("<QQQQQQiIQQQdQ")
_WORD_BYTES, _LABEL_BYTES = 4, 8
# A count, and room for so many links: on level 0, and on each level above it.
_BASE_WORDS, _LEVEL_WORDS = 1 + 2 * LINKS_PER_ROW, 1 + LINKS_PER_ROW
_LEVEL_BYTES = _LEVEL_WORDS * _WORD_BYTES
# hnswlib draws levels so that each has 1/16 of the rows of the one below.
_HIGHEST_LEVEL = 32
# So many rows are looked at together that they stay in the cache.
_ROWS_AT_ONCE = 512


def map_checked_graph(path: Path, *, rows: int, dims: int, name: str) -> MappedVectors:
    """Map an HNSW file of so many unit vectors, as `write_graph` in hnsw_file.py writes it.

    Raises:
        CorruptObjectError: loading or searching it would go wrong; says why, and names `name`.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEADER.size)
            layout = _Layout(rows, dims)
            top = _check_header(head, layout)
            data = np.memmap(stream, dtype=np.uint8, mode="r")
        vectors, positions = _check_body(data, layout, *top)
        return MappedVectors(name, vectors, positions)
    except _Damage as damage:
        raise CorruptObjectError(
            f"{name} is no HNSW graph of {rows} vectors of {dims} dimensions: {damage}; "
            "build the shard again"
        ) from None


class _Damage(Exception):  # noqa: N818 - says what is wrong with the file, and never leaves here
    """What is wrong with a file."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where hnswlib puts what it keeps of a row, in bytes from the beginning of its element."""

    rows: int
    dims: int

    @property
    def label_offset(self) -> int:
        return _BASE_WORDS * _WORD_BYTES + self.dims * _WORD_BYTES

    @property
    def stride(self) -> int:
        return self.label_offset + _LABEL_BYTES

    @property
    def end(self) -> int:
        """Where the elements end and the links of the higher levels begin."""
        return _HEADER.size + self.rows * self.stride

    def column(self, data: npt.NDArray[np.uint8], dtype: str, offset: int, length: int) -> Any:
        """What lies at `offset` of each element: an array of shape (rows, length)."""
        return np.ndarray(
            (self.rows, length),
            dtype,
            buffer=data,
            offset=_HEADER.size + offset,
            strides=(self.stride, np.dtype(dtype).itemsize),
        )


def _check_header(head: bytes, layout: _Layout) -> tuple[int, int]:
    """Return the highest level and the entry point; all else must be what this release writes."""
    if len(head) < _HEADER.size:
        raise _Damage("it is too short")
    *sizes, highest, entry, links, base_links, links_again, scale, breadth = _HEADER.unpack(head)
    # The start of the elements, and where parts of one lie; as many rows as there is room for.
    expected = [
        0,
        layout.rows,
        layout.rows,
        layout.stride,
        layout.label_offset,
        _BASE_WORDS * _WORD_BYTES,
    ]
    if sizes != expected:
        raise _Damage(f"its header says {sizes} instead of {expected}")
    parameters = (links, base_links, links_again, breadth)
    if parameters != (LINKS_PER_ROW, 2 * LINKS_PER_ROW, LINKS_PER_ROW, CONSTRUCTION_BREADTH):
        raise _Damage(f"it was built with other parameters: {parameters}")
    if not math.isclose(scale, 1.0 / math.log(LINKS_PER_ROW), rel_tol=1e-9):
        raise _Damage(f"its levels are scaled by {scale}")
    if not 0 <= highest <= _HIGHEST_LEVEL or entry >= layout.rows:
        raise _Damage(f"a search would begin at row {entry} on level {highest}")
    return highest, entry


def _check_body(
    data: npt.NDArray[np.uint8], layout: _Layout, highest: int, entry: int
) -> tuple[Vectors, Positions | None]:
    if len(data) < layout.end or (len(data) - layout.end) % _WORD_BYTES:
        raise _Damage(f"it has {len(data)} bytes")
    vectors = layout.column(data, "<f4", _BASE_WORDS * _WORD_BYTES, layout.dims)
    words = layout.column(data, "<u4", 0, _BASE_WORDS)
    for start in range(0, layout.rows, _ROWS_AT_ONCE):
        _check_links(words[start : start + _ROWS_AT_ONCE], layout.rows)
    # A copy of 1/16 of what the rows have on level 0: alone the links of the few on higher levels.
    above = np.frombuffer(data[layout.end :].tobytes(), "<u4")
    _check_levels(above, layout.rows, highest, entry)
    labels = layout.column(data, "<u8", layout.label_offset, 1)[:, 0]
    return vectors, _positions(labels)


def _check_links(words: npt.NDArray[np.uint32], rows: int) -> None:
    """The upper half of a count holds hnswlib's mark of deleted rows, of which a file has none."""
    if words[:, 0].max() >= _BASE_WORDS:
        raise _Damage("a row has more links than there is room for, or is marked deleted")
    if words[:, 1:].max() >= rows:  # room that is not used holds zeros or former links
        raise _Damage("a link leads to no row")


def _check_levels(words: npt.NDArray[np.uint32], rows: int, highest: int, entry: int) -> None:
    above, starts = _records_above(words, rows)
    levels = np.zeros(rows, np.int64)
    levels[above] = depths = words[starts - 1] // _LEVEL_BYTES
    if int(levels.max()) != highest or levels[entry] != highest:
        raise _Damage(f"a search would begin at row {entry}, which is not on level {highest}")
    is_unread = words != 0
    is_unread[starts - 1] = False
    for level in range(1, highest + 1):
        counts_at = starts[depths >= level] + (level - 1) * _LEVEL_WORDS
        links_at = counts_at[:, None] + np.arange(1, _LEVEL_WORDS)
        is_unread[counts_at] = is_unread[links_at] = False
        counts, links = words[counts_at], words[links_at]
        if counts.max() > LINKS_PER_ROW:
            raise _Damage("a row has more links than there is room for above level 0")
        used = links[np.arange(LINKS_PER_ROW) < counts[:, None]]
        if len(used) and (used.max() >= rows or levels[used].min() < level):
            raise _Damage(f"a link leads to no row of level {level}")
    if is_unread.any():
        raise _Damage("the links above level 0 do not fit")


def _records_above(words: npt.NDArray[np.uint32], rows: int) -> tuple[Positions, Positions]:
    """Which rows seem to be above level 0, and where the links of each begin.

    Before them lies a word with their size in bytes; of the other rows that word alone, and it is
    0. So from one record to the next it is the zeros that count the rows. Only words that can be
    such a size are looked at one by one, in Python: the caller sees that the others are links.
    """
    places = np.flatnonzero((words % _LEVEL_BYTES == 0) & (words != 0))
    above, starts = [], []
    row, place = 0, 0
    for found, size in zip(places.tolist(), words[places].tolist(), strict=True):
        if found < place:
            continue  # a link, whose number could be a size
        row += found - place
        place = found + 1 + size // _WORD_BYTES
        above.append(row)
        starts.append(found + 1)
        row += 1
    if place > len(words) or row + len(words) - place != rows:
        raise _Damage("it does not end where its last row does")
    return np.array(above, np.int64), np.array(starts, np.int64)


def _positions(labels: npt.NDArray[np.uint64]) -> Positions | None:
    in_order = np.arange(len(labels), dtype=np.uint64)
    if np.array_equal(labels, in_order):
        return None
    positions = np.argsort(labels)  # several threads built it
    if not np.array_equal(labels[positions], in_order):
        raise _Damage("it does not hold each row once")
    return positions
