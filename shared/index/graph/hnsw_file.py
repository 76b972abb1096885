"""The HNSW file of a shard: building it, and searching it with or without the graph.

A memory map over the file serves exact search without a second copy of the vectors.
`shared.index.graph.hnsw_check` says how the file is laid out.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
import numpy.typing as npt

from shared.errors import InvalidInputError
from shared.index.best_rows import Ranked, best_rows, rounded_scores
from shared.index.graph.hnsw_check import (
    CONSTRUCTION_BREADTH,
    LINKS_PER_ROW,
    map_checked_graph,
)
from shared.index.graph.sketch import Sketch, is_worth_sketching, least_estimate_in_reach, promising

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
RowMask = npt.NDArray[np.bool_]

_SEED = 100
# hnswlib's message that its graph leads to fewer rows than were asked for.
_TOO_FEW_FOUND = "Cannot return the results"
_OUT_OF_MEMORY = "Not enough memory"
# Picking rows costs a copy, multiplying all where they lie the reading of those not wanted.
_COPYING_PAYS_BELOW = 0.4
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

    Its vectors are read where they lie in the file; `MarkedGraph` loads its graph.
    """

    def __init__(self, locate: Callable[[], Path], *, rows: int, dims: int, name: str) -> None:
        """Map the file that `locate` finds, and check all of it that hnswlib would believe.

        Raises:
            CorruptObjectError: the file is no HNSW graph of that shape; names `name`.
        """
        self.rows = rows
        self.dims = dims
        self._locate = locate
        self._lock = threading.Lock()
        self._sketch: Sketch | None = None
        self._mapped = map_checked_graph(locate(), rows=rows, dims=dims, name=name)

    def path(self) -> Path:
        """Where the file lies."""
        return self._locate()

    def vectors(self, labels: Labels) -> Vectors:
        """Copies of some rows' vectors, in their order.

        Raises:
            CorruptObjectError: one is not of unit length; names the file. So does every search,
                of the rows that it returns.
        """
        return self._mapped.unit_rows(labels)

    def similarities(self, labels: Labels, query: Vectors) -> npt.NDArray[np.float64]:
        """Cosines of the query with some rows, in their order.

        Each is the same whatever other rows are asked for, which matrix products do not promise.
        """
        return rounded_scores(np.einsum("ij,j->i", self._mapped.unit_rows(labels), query))

    def exact(self, query: Vectors, count: int, candidates: Labels | None) -> Ranked:
        """The best rows among `candidates`, or of all."""
        return self.best(*self._products(query, candidates), query, count)

    def exact_by_unit(
        self,
        query: Vectors,
        count: int,
        candidates: Labels | None,
        units: npt.NDArray[np.integer],
    ) -> Ranked:
        """The best row of each of the best units among `candidates`, or of all.

        `units` says which unit each row belongs to. Where rows of a unit tie, each comes.
        """
        labels, scores = self._products(query, candidates)
        self._mapped.check_scores(scores)
        numbers = units[labels]
        best = np.full(int(units.max()) + 1, -np.inf, np.float32)
        np.maximum.at(best, numbers, scores)
        of_units = best[np.isfinite(best)]
        worst = -np.inf
        if count < len(of_units):
            worst = np.partition(of_units, len(of_units) - count)[len(of_units) - count]
        rows = labels[scores >= np.maximum(best[numbers], worst) - _TIE]
        return best_rows(rows, self.similarities(rows, query), len(rows))

    def _products(
        self, query: Vectors, candidates: Labels | None
    ) -> tuple[Labels, npt.NDArray[np.float32]]:
        """The cosines of `candidates`, or of all rows, but for their last bits."""
        mapped = self._mapped
        if candidates is not None and len(candidates) < self.rows * _COPYING_PAYS_BELOW:
            return candidates, mapped.products_of(candidates, query)
        scores = mapped.products(query)
        if candidates is None:
            return np.arange(self.rows), scores
        return candidates, scores[candidates]

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
        cosines = self._mapped.products_of(candidates[chosen], query)
        least = least_estimate_in_reach(estimates[chosen], cosines, count)
        if least < float(estimates[chosen].min()):
            return self.exact(query, count, candidates[estimates >= least])
        return self.best(candidates[chosen], cosines, query, count)

    def best(
        self, labels: Labels, scores: npt.NDArray[np.float32], query: Vectors, count: int
    ) -> Ranked:
        """The best of some rows whose cosines are known but for their last bits."""
        self._mapped.check_scores(scores)
        if count < len(scores):
            worst = np.partition(scores, len(scores) - count)[len(scores) - count]
            labels = labels[scores >= worst - _TIE]
        return best_rows(labels, self.similarities(labels, query), count)

    def _sketches(self) -> Sketch:
        with self._lock:
            if self._sketch is None:
                self._mapped.check_every_length()
                self._sketch = Sketch(self._mapped.vectors, self._mapped.positions)
            return self._sketch


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
        except RuntimeError as error:
            if _TOO_FEW_FOUND in str(error):
                return None
            raise
        return labels[0].astype(np.int64), 1.0 - distances[0]

    def _loaded(self) -> Any:
        with self._lock:
            if self._index is None:
                index: Any = hnswlib.Index(space="ip", dim=self._file.dims)
                _load(index, self._file.path())
                if self.marked is not None:
                    for label in np.flatnonzero(self.marked).tolist():
                        index.mark_deleted(label)
                # Not stored in the file, and shared by all threads: the least, since hnswlib
                # searches as widely as it is asked for rows.
                index.set_ef(1)
                self._index = index
            return self._index


def _load(index: Any, path: Path) -> None:
    """Load a checked file; raises MemoryError for what hnswlib calls a RuntimeError."""
    try:
        index.load_index(str(path))
    except RuntimeError as error:
        if _OUT_OF_MEMORY in str(error):
            raise MemoryError(str(error)) from error
        raise
