"""The peers of the search benchmark, each behind `System`; a library is imported when it is used.

All graphs have the same M and ef_construction. What a library does by default otherwise, it does.
"""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.systems import (
    CONSTRUCTION_BREADTH,
    LINKS_PER_ROW,
    Dataset,
    K,
    RowFilter,
    bytes_below,
)
from benchmarks.peers.word_indexes import plain_words
from shared.embedding.encoder import Vectors

_LADDER = (16, 24, 32, 48, 64, 100, 150, 200, 250, 300, 400, 600, 800)


class HnswlibAlone:
    """hnswlib without anything around it, at the breadth of the engine."""

    filters = False

    def __init__(self, breadth: int) -> None:
        self.breadths: Sequence[int] = (breadth,)
        self._library: Any = importlib.import_module("hnswlib")
        self._index: Any = None

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Index with one thread."""
        vectors = np.ascontiguousarray(dataset.vectors)
        index = self._library.Index(space="ip", dim=vectors.shape[1])
        index.init_index(len(vectors), M=LINKS_PER_ROW, ef_construction=CONSTRUCTION_BREADTH)
        index.add_items(vectors, np.arange(len(vectors)), num_threads=1)
        index.save_index(str(folder / "graph"))
        return bytes_below(folder)

    def open(self, folder: Path, dims: int) -> None:
        """Load the graph."""
        self._index = self._library.Index(space="ip", dim=dims)
        self._index.load_index(str(folder / "graph"))
        self._index.set_ef(self.breadths[0])

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:  # noqa: ARG002
        """Search the graph."""
        labels, _ = self._index.knn_query(query, k=K, num_threads=1)
        return [int(label) for label in labels[0]]


class FaissHnsw:
    """faiss IndexHNSWFlat."""

    filters = False
    breadths: Sequence[int] = _LADDER

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("faiss")
        self._library.omp_set_num_threads(1)
        self._index: Any = None

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Index with one thread."""
        vectors = np.ascontiguousarray(dataset.vectors)
        metric = self._library.METRIC_INNER_PRODUCT
        index = self._library.IndexHNSWFlat(vectors.shape[1], LINKS_PER_ROW, metric)
        index.hnsw.efConstruction = CONSTRUCTION_BREADTH
        index.add(vectors)
        self._library.write_index(index, str(folder / "index"))
        return bytes_below(folder)

    def open(self, folder: Path, dims: int) -> None:  # noqa: ARG002
        """Load the index."""
        self._index = self._library.read_index(str(folder / "index"))

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:  # noqa: ARG002
        """Search the graph."""
        self._index.hnsw.efSearch = breadth
        _, labels = self._index.search(query[np.newaxis], K)
        return [int(label) for label in labels[0]]


class UsearchHnsw:
    """usearch with float32 vectors, mapped from its file as it recommends for serving."""

    filters = False
    breadths: Sequence[int] = _LADDER

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("usearch.index")
        self._index: Any = None

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Index with one thread."""
        vectors = np.ascontiguousarray(dataset.vectors)
        index = self._library.Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=LINKS_PER_ROW,
            expansion_add=CONSTRUCTION_BREADTH,
        )
        index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)
        index.save(str(folder / "index"))
        return bytes_below(folder)

    def open(self, folder: Path, dims: int) -> None:  # noqa: ARG002
        """Map the index."""
        self._index = self._library.Index.restore(str(folder / "index"), view=True)

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:  # noqa: ARG002
        """Search the graph."""
        self._index.expansion_search = breadth
        return [int(label) for label in self._index.search(query, K, threads=1).keys]


class NumpyExact:
    """Every vector compared, by one product."""

    filters = False
    breadths: Sequence[int] = (0,)

    def __init__(self) -> None:
        self._vectors: Vectors = np.empty((0, 0), dtype=np.float32)

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Keep the vectors as they are."""
        np.save(folder / "vectors.npy", dataset.vectors)
        return bytes_below(folder)

    def open(self, folder: Path, dims: int) -> None:  # noqa: ARG002
        """Load the vectors."""
        self._vectors = np.load(folder / "vectors.npy")

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:  # noqa: ARG002
        """Compare the query with every vector."""
        scores = self._vectors @ query
        best = np.argpartition(-scores, K)[:K]
        return [int(row) for row in best[np.argsort(-scores[best])]]


class LanceDb:
    """LanceDB in a local folder: its graph index in one partition, its index of words, and others.

    Its graph keeps vectors scalar-quantised and `refine_factor` ranks by the originals again. One
    partition, as its default of several needs more probes for the same recall at these sizes.
    """

    filters = True
    # It refuses to search less widely than the rows that it is to refine.
    breadths: Sequence[int] = tuple(breadth for breadth in _LADDER if breadth >= 2 * K)
    _REFINE_FACTOR = 2
    _ROWS_AT_ONCE = 50_000

    def __init__(self) -> None:
        # It would warn at each search that leaves the scores out.
        os.environ.setdefault("LANCEDB_LOG", "error")
        self._library: Any = importlib.import_module("lancedb")
        self._arrow: Any = importlib.import_module("pyarrow")
        self._table: Any = None

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Write the table and index it."""
        index: Any = importlib.import_module("lancedb.index")
        vectors, texts = dataset.vectors, dataset.texts
        database = self._library.connect(str(folder))
        table: Any = None
        for start in range(0, len(vectors), self._ROWS_AT_ONCE):
            part = slice(start, min(start + self._ROWS_AT_ONCE, len(vectors)))
            rows = range(part.start, part.stop)
            words = ["\n".join(texts[row % len(texts)]) for row in rows]
            batch = self._batch(dataset, rows, words)
            if table is None:
                table = database.create_table("passages", batch)
            else:
                table.add(batch)
        table.optimize()
        table.create_index(
            "vector",
            config=index.HnswSq(
                distance_type="dot",
                num_partitions=1,
                m=LINKS_PER_ROW,
                ef_construction=CONSTRUCTION_BREADTH,
            ),
        )
        table.create_index("text", config=index.FTS())
        table.create_index("rank", config=index.BTree())
        table.create_index("cluster", config=index.Bitmap())
        return bytes_below(folder)

    def open(self, folder: Path, dims: int) -> None:  # noqa: ARG002
        """Open the table."""
        self._table = self._library.connect(str(folder)).open_table("passages")

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:
        """Search the index, and only for the row numbers."""
        search = self._table.search(query, vector_column_name="vector").select(["row", "_distance"])
        search = search.distance_type("dot").limit(K).nprobes(1).ef(breadth)
        if condition is not None:
            search = search.where(_clause(condition), prefilter=True)
        found = search.refine_factor(self._REFINE_FACTOR).to_arrow()
        return [int(row) for row in found.column("row").to_pylist()]

    def search_lexical(self, text: str) -> list[int]:
        """Search the index of words, for the row numbers."""
        search = self._table.search(plain_words(text), query_type="fts", fts_columns="text")
        found = search.select(["row", "_score"]).limit(K).to_arrow()
        return [int(row) for row in found.column("row").to_pylist()]

    def search_hybrid(self, text: str, query: Vectors, breadth: int) -> list[int]:
        """Fuse both by reciprocal ranks, its default."""
        search = self._table.search(
            query_type="hybrid", vector_column_name="vector", fts_columns="text"
        )
        search = search.vector(query).text(plain_words(text)).distance_type("dot")
        search = search.limit(K).nprobes(1).ef(breadth).refine_factor(self._REFINE_FACTOR)
        return [int(row) for row in search.select(["row"]).to_arrow().column("row").to_pylist()]

    def _batch(self, dataset: Dataset, rows: range, words: Sequence[str]) -> Any:
        arrow = self._arrow
        part = slice(rows.start, rows.stop)
        vectors = np.ascontiguousarray(dataset.vectors[part])
        return arrow.table(
            {
                "row": arrow.array(np.asarray(rows)),
                "rank": arrow.array(dataset.ranks[part]),
                "cluster": arrow.array(dataset.clusters[part]),
                "text": arrow.array(words),
                "vector": arrow.FixedSizeListArray.from_arrays(
                    arrow.array(vectors.reshape(-1)), vectors.shape[1]
                ),
            }
        )


def _clause(condition: RowFilter) -> str:
    if condition.cluster is not None:
        return f"cluster = {condition.cluster}"
    return f"rank < {condition.rank_below}"
