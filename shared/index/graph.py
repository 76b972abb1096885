"""The HNSW file of a shard: building it, checking it, and searching it with or without the graph.

hnswlib keeps, after a header of 96 bytes, one element of fixed size a row: its links on level 0,
its vector and its label (hnswalg.h, `saveIndex`). A memory map over the same file therefore serves
exact search without a second copy of the vectors.
"""

import os
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import hnswlib
import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError, InvalidInputError
from shared.index.ranking import Ranked, best_rows, rounded_scores
from shared.index.sketch import Sketch, is_worth_sketching, least_estimate_in_reach, promising

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
RowMask = npt.NDArray[np.bool_]

LINKS_PER_ROW = 16
CONSTRUCTION_BREADTH = 200
_SEED = 100
_HEADER = struct.Struct("<QQQQQQiIQQQdQ")
_LABEL_BYTES = 8
# Picking rows costs a copy, multiplying all where they lie the reading of those not wanted.
_COPYING_PAYS_BELOW = 0.4
_COPIED_AT_ONCE = 256
# How many rows, and how many for each that is wanted, tell what sketches lack.
_FIRST_COMPARED, _FIRST_COMPARED_FOR_ONE = 256, 4
# By how much two ways of computing one cosine may differ.
_TIE = 2e-6


def write_graph(
    path: Path, batches: Iterable[Vectors], *, rows: int, dims: int, threads: int = 1
) -> None:
    """Write the HNSW file of unit vectors; the row number is the label.

    Args:
        path: of the file.
        batches: the vectors in the order of their labels, each of shape (n, dims).
        rows: how many there are in all.
        dims: the length of a vector.
        threads: with one and the fixed seed, the same vectors make the same bytes.
    """
    index: Any = hnswlib.Index(space="ip", dim=dims)
    index.init_index(
        max_elements=rows,
        M=LINKS_PER_ROW,
        ef_construction=CONSTRUCTION_BREADTH,
        random_seed=_SEED,
    )
    done = 0
    for batch in batches:
        index.add_items(batch, np.arange(done, done + len(batch)), num_threads=threads)
        done += len(batch)
    if done != rows:
        raise InvalidInputError(f"a graph of {rows} rows was given {done} vectors")
    index.save_index(str(path))


class GraphFile:
    """The vectors of one shard on this machine; safe to search from several threads.

    The file is mapped at the first search that compares vectors; `MarkedGraph` loads its graph.
    """

    def __init__(self, locate: Callable[[], Path], *, rows: int, dims: int, name: str) -> None:
        """Check the size and the header of the file that `locate` finds.

        Raises:
            CorruptObjectError: the file is no HNSW graph of that shape; names `name`.
        """
        self.rows = rows
        self.dims = dims
        self._locate = locate
        self._name = name
        self._lock = threading.Lock()
        self._mapped: _Mapped | None = None
        self._sketch: Sketch | None = None
        self._layout = _read_layout(locate(), rows, dims, name)

    def path(self) -> Path:
        """Where the file lies."""
        return self._locate()

    def vectors(self, labels: Labels) -> Vectors:
        """Copies of some rows' vectors, in their order."""
        return self._vectors().rows(labels)

    def similarities(self, labels: Labels, query: Vectors) -> npt.NDArray[np.float64]:
        """Cosines of the query with some rows, in their order.

        Each is the same whatever other rows are asked for, which matrix products do not promise.
        """
        return rounded_scores(np.einsum("ij,j->i", self._vectors().rows(labels), query))

    def exact(self, query: Vectors, count: int, candidates: Labels | None) -> Ranked:
        """The best rows among `candidates`, or of all."""
        mapped = self._vectors()
        if candidates is not None and len(candidates) < self.rows * _COPYING_PAYS_BELOW:
            return self.best(candidates, mapped.products_of(candidates, query), query, count)
        scores = mapped.products(query)
        if candidates is None:
            return self.best(np.arange(self.rows), scores, query, count)
        return self.best(candidates, scores[candidates], query, count)

    def sketched(self, query: Vectors, count: int, candidates: Labels) -> Ranked:
        """The best rows among many `candidates`, of which few are compared in full.

        Those that look best are compared first, and tell which others may be better. Where sketches
        do not tell the candidates apart well enough, that is all of them.
        """
        first = max(_FIRST_COMPARED, _FIRST_COMPARED_FOR_ONE * count)
        if first >= len(candidates) or not is_worth_sketching(self.dims):
            return self.exact(query, count, candidates)
        estimates = self._sketches().estimates(query, candidates)
        chosen = promising(estimates, first)
        cosines = self._vectors().products_of(candidates[chosen], query)
        least = least_estimate_in_reach(estimates[chosen], cosines, count)
        if least < float(estimates[chosen].min()):
            return self.exact(query, count, candidates[estimates >= least])
        return self.best(candidates[chosen], cosines, query, count)

    def best(
        self, labels: Labels, scores: npt.NDArray[np.float32], query: Vectors, count: int
    ) -> Ranked:
        """The best of some rows whose cosines are known but for their last bits."""
        if count < len(scores):
            worst = np.partition(scores, len(scores) - count)[len(scores) - count]
            labels = labels[scores >= worst - _TIE]
        return best_rows(labels, self.similarities(labels, query), count)

    def _sketches(self) -> Sketch:
        mapped = self._vectors()
        with self._lock:
            if self._sketch is None:
                self._sketch = Sketch(mapped.vectors, mapped.positions)
            return self._sketch

    def _vectors(self) -> "_Mapped":
        with self._lock:
            if self._mapped is None:
                self._mapped = _map_vectors(self._locate(), self._layout, self._name)
            return self._mapped


class MarkedGraph:
    """The graph of a shard with some rows marked as dead for good; it never returns those.

    It is loaded at its first search. Rows are only ever marked before that, so that searches in
    several threads, for several versions of the index, cannot disturb each other.
    """

    def __init__(self, file: GraphFile, marked: RowMask | None) -> None:
        """`marked` says which rows are dead; None: no row is."""
        self.marked = marked
        self.live_rows = file.rows - (0 if marked is None else int(marked.sum()))
        self._file = file
        self._lock = threading.Lock()
        self._index: Any = None

    @property
    def is_loaded(self) -> bool:
        """Whether the graph takes memory."""
        return self._index is not None

    def search(self, query: Vectors, breadth: int) -> tuple[Labels, npt.NDArray[np.float32]] | None:
        """The `breadth` nearest rows, which is hnswlib's ef too, with their cosines, best first.

        None when the graph does not lead to so many: marked rows cut it apart.
        """
        wanted = min(breadth, self.live_rows)
        if wanted == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        try:
            labels, distances = self._loaded().knn_query(query, k=wanted, num_threads=1)
        except RuntimeError:
            return None
        return labels[0].astype(np.int64), 1.0 - distances[0]

    def _loaded(self) -> Any:
        with self._lock:
            if self._index is None:
                index: Any = hnswlib.Index(space="ip", dim=self._file.dims)
                index.load_index(str(self._file.path()))
                if self.marked is not None:
                    for label in np.flatnonzero(self.marked).tolist():
                        index.mark_deleted(label)
                # Not stored in the file, and shared by all threads: the least, since hnswlib
                # searches as widely as it is asked for rows.
                index.set_ef(1)
                self._index = index
            return self._index


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where hnswlib puts things: bytes of a row, and of the vector and the label within it."""

    rows: int
    dims: int
    stride: int
    label_offset: int
    vector_offset: int


@dataclass(frozen=True, slots=True)
class _Mapped:
    """The vectors in the file, and at which position that of each label lies, if not at its own."""

    vectors: Vectors
    positions: npt.NDArray[np.int64] | None

    def rows(self, labels: Labels) -> Vectors:
        """Copies of some vectors."""
        return self.vectors[labels if self.positions is None else self.positions[labels]]

    def products_of(self, labels: Labels, query: Vectors) -> npt.NDArray[np.float32]:
        """The cosines of some rows; a few are copied at a time, so that they stay in the cache."""
        products = np.empty(len(labels), np.float32)
        for start in range(0, len(labels), _COPIED_AT_ONCE):
            part = labels[start : start + _COPIED_AT_ONCE]
            products[start : start + _COPIED_AT_ONCE] = self.rows(part) @ query
        return products

    def products(self, query: Vectors) -> npt.NDArray[np.float32]:
        """The cosine of every row, by its label."""
        products: npt.NDArray[np.float32] = self.vectors @ query
        return products if self.positions is None else products[self.positions]


def _read_layout(path: Path, rows: int, dims: int, name: str) -> _Layout:
    with path.open("rb") as stream:
        head = stream.read(_HEADER.size)
        size = os.fstat(stream.fileno()).st_size
    if len(head) < _HEADER.size:
        raise CorruptObjectError(f"{name} is too short for an HNSW graph; build the shard again")
    _, _, count, stride, label_offset, vector_offset = _HEADER.unpack(head)[:6]
    expected = (rows, dims * 4 + _LABEL_BYTES + vector_offset, vector_offset + dims * 4)
    if (count, stride, label_offset) != expected or size < _HEADER.size + rows * stride:
        raise CorruptObjectError(
            f"{name} is no HNSW graph of {rows} vectors of {dims} dimensions; build the shard again"
        )
    return _Layout(rows, dims, stride, label_offset, vector_offset)


def _map_vectors(path: Path, layout: _Layout, name: str) -> _Mapped:
    data = np.memmap(path, dtype=np.uint8, mode="r")
    rows, start = layout.rows, _HEADER.size
    labels = np.ndarray(
        (rows,), "<u8", buffer=data, offset=start + layout.label_offset, strides=(layout.stride,)
    )
    vectors = np.ndarray(
        (rows, layout.dims),
        "<f4",
        buffer=data,
        offset=start + layout.vector_offset,
        strides=(layout.stride, 4),
    )
    if np.array_equal(labels, np.arange(rows)):
        return _Mapped(cast(Vectors, vectors), None)
    positions = np.argsort(labels)  # several threads built it
    if not np.array_equal(labels[positions], np.arange(rows)):
        raise CorruptObjectError(f"{name} does not hold each row once; build the shard again")
    return _Mapped(cast(Vectors, vectors), positions)
