"""The HNSW file of a shard: building it, checking it, and searching it with or without the graph.

hnswlib keeps, after a header of 96 bytes, one element of fixed size a row: its links on level 0,
its vector and its label (hnswalg.h, `saveIndex`). A memory map over the same file therefore serves
exact search without a second copy of the vectors.
"""

import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import hnswlib
import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError
from shared.index.ranking import Ranked, best_rows, rounded_scores

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

LINKS_PER_ROW = 16
CONSTRUCTION_BREADTH = 200
_SEED = 100
_HEADER = struct.Struct("<QQQQQQiIQQQdQ")
_LABEL_BYTES = 8
# Picking rows copies them, at about ten times the cost of multiplying them where they lie.
_COPYING_PAYS_BELOW = 0.1


def build_graph(vectors: Vectors) -> bytes:
    """Return the HNSW file of unit vectors, shape (n, dims); the row number is the label.

    One thread and a fixed seed: the same vectors make the same bytes.
    """
    rows, dims = vectors.shape
    index: Any = hnswlib.Index(space="ip", dim=dims)
    index.init_index(
        max_elements=rows,
        M=LINKS_PER_ROW,
        ef_construction=CONSTRUCTION_BREADTH,
        random_seed=_SEED,
    )
    index.add_items(vectors, np.arange(rows), num_threads=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph"
        index.save_index(str(path))
        return path.read_bytes()


class GraphFile:
    """The vectors of one shard on this machine; safe to search from several threads.

    Rows marked dead are never returned. The graph itself is loaded at the first search that needs
    it: a shard that is small enough is searched exactly, which is faster there and perfect.
    """

    def __init__(self, path: Path, *, rows: int, dims: int, name: str) -> None:
        """Map the file.

        Raises:
            CorruptObjectError: the file is no HNSW graph of that shape; names `name`.
        """
        self._path = path
        self._dims = dims
        self._vectors = _map_vectors(path, rows, dims, name)
        self._dead: set[int] = set()
        self._index: Any = None
        self._lock = threading.Lock()

    def set_dead(self, dead: set[int]) -> None:
        """Replace the set of rows that the graph does not return."""
        with self._lock:
            if self._index is not None:
                _mark(self._index, dead - self._dead, self._dead - dead)
            self._dead = set(dead)

    def similarities(self, labels: Labels, query: Vectors) -> npt.NDArray[np.float64]:
        """Cosines of the query with some rows, in their order."""
        return rounded_scores(self._vectors[labels] @ query)

    def exact(self, query: Vectors, count: int, candidates: Labels | None) -> Ranked:
        """The best rows among `candidates` (all rows if None), which must be live."""
        rows = len(self._vectors)
        if candidates is not None and len(candidates) < rows * _COPYING_PAYS_BELOW:
            return best_rows(candidates, self.similarities(candidates, query), count)
        scores = rounded_scores(self._vectors @ query)
        if candidates is None:
            return best_rows(np.arange(rows), scores, count)
        return best_rows(candidates, scores[candidates], count)

    def approximate(
        self, query: Vectors, count: int, candidates: Labels, *, breadth: int, filtered: bool
    ) -> Ranked:
        """The best live rows by the graph; `candidates` are all that may be found.

        `breadth` is hnswlib's ef. `filtered` says that `candidates` leaves out live rows too.
        """
        index = self._loaded(breadth)
        accept: Callable[[int], bool] | None = None
        if filtered:
            accept = frozenset(candidates.tolist()).__contains__
        try:
            labels, distances = index.knn_query(
                query, k=min(count, len(candidates)), num_threads=1, filter=accept
            )
        except RuntimeError:
            # hnswlib refuses to return fewer than it was asked for, which happens when deleted
            # or refused rows cut the graph apart. Exact search over the candidates has no such gap.
            return self.exact(query, count, candidates)
        scores = rounded_scores(1.0 - distances[0])
        return best_rows(labels[0].astype(np.int64), scores, count)

    def _loaded(self, breadth: int) -> Any:
        with self._lock:
            if self._index is None:
                index: Any = hnswlib.Index(space="ip", dim=self._dims)
                index.load_index(str(self._path))
                _mark(index, self._dead, set())
                self._index = index
            self._index.set_ef(breadth)  # not stored in the file
            return self._index


def _mark(index: Any, dead: set[int], alive: set[int]) -> None:
    for label in dead:
        index.mark_deleted(label)
    for label in alive:
        index.unmark_deleted(label)


def _map_vectors(path: Path, rows: int, dims: int, name: str) -> Vectors:
    if path.stat().st_size < _HEADER.size:
        raise CorruptObjectError(f"{name} is too short for an HNSW graph; build the shard again")
    data = np.memmap(path, dtype=np.uint8, mode="r")
    header = _HEADER.unpack(data[: _HEADER.size].tobytes())
    _, _, count, stride, label_offset, vector_offset = header[:6]
    expected = (rows, dims * 4 + _LABEL_BYTES + vector_offset, vector_offset + dims * 4)
    if (count, stride, label_offset) != expected or len(data) < _HEADER.size + rows * stride:
        raise CorruptObjectError(
            f"{name} is no HNSW graph of {rows} vectors of {dims} dimensions; build the shard again"
        )
    labels = np.ndarray(
        (rows,), "<u8", buffer=data, offset=_HEADER.size + label_offset, strides=(stride,)
    )
    if not np.array_equal(labels, np.arange(rows)):
        raise CorruptObjectError(f"{name} does not hold its rows in order; build the shard again")
    view = np.ndarray(
        (rows, dims), "<f4", buffer=data, offset=_HEADER.size + vector_offset, strides=(stride, 4)
    )
    return cast(Vectors, view)
