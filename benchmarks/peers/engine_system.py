"""This engine behind `System`: its shards with texts and metadata, and whole results of a search.

What it is timed for is more than what its peers do: it hydrates its hits with text and metadata.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.engine import open_index, write_index
from benchmarks.folder_store import FolderStore
from benchmarks.peers.systems import Dataset, K, RowFilter, bytes_below
from shared.embedding.encoder import Vectors
from shared.index.catalog.filters import FieldFilter, SearchFilters
from shared.index.search.searcher import Searcher, SearchQuery
from shared.index.shard.shard_reader import SearchTuning
from shared.models.chunk import Chunk, ChunkMetadata
from shared.models.manifest import ModelIdentity

ROWS_PER_SHARD = 100_000
_ENTITY_TYPE = "passage"


def engine_breadth() -> int:
    """How widely the engine searches one shard."""
    return SearchTuning().breadth


class Engine:
    """One shard for every 100,000 rows.

    `ranking_milliseconds` is the part of the last search that its peers do too.
    """

    filters = True

    def __init__(self) -> None:
        self.breadths: Sequence[int] = (engine_breadth(),)
        self._opened = ExitStack()
        self._searcher: Searcher | None = None
        self.ranking_milliseconds = 0.0

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Write and commit the shards, and fetch them once, as a machine has that serves them."""
        vectors = dataset.vectors
        store = FolderStore(folder / "store")
        model = _model(vectors.shape[1])
        chunks = list(_chunks(dataset, len(vectors)))
        write_index(store, model, chunks, vectors, rows_per_shard=ROWS_PER_SHARD)
        size_bytes = bytes_below(folder)
        with open_index(store, model, folder / "cache") as searcher:
            searcher.search(_dense(vectors[0], None))
        return size_bytes

    def open(self, folder: Path, dims: int) -> None:
        """Open the shards that lie on this machine."""
        index = open_index(FolderStore(folder / "store"), _model(dims), folder / "cache")
        self._searcher = self._opened.enter_context(index)
        self._searcher.refresh()

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:  # noqa: ARG002
        """A whole search, with text and metadata of each hit."""
        if self._searcher is None:
            raise RuntimeError("open comes before search")
        found = self._searcher.search(_dense(query, condition))
        self.ranking_milliseconds = found.milliseconds.search
        return [int(hit.chunk.metadata.source_id) for hit in found.hits]

    def search_lexical(self, text: str) -> list[int]:
        """A search by words alone."""
        return self._rows(SearchQuery(text, None, k=K, mode="lexical"))

    def search_hybrid(self, text: str, query: Vectors, breadth: int) -> list[int]:  # noqa: ARG002
        """A search by vector and words, the default of the API."""
        return self._rows(SearchQuery(text, query, k=K))

    def _rows(self, query: SearchQuery) -> list[int]:
        if self._searcher is None:
            raise RuntimeError("open comes before search")
        hits = self._searcher.search(query).hits
        return [int(hit.chunk.metadata.source_id) for hit in hits]


def _dense(vector: Vectors, condition: RowFilter | None) -> SearchQuery:
    filters = SearchFilters() if condition is None else SearchFilters(fields=(_field(condition),))
    return SearchQuery("", vector, k=K, mode="dense", filters=filters)


def _field(condition: RowFilter) -> FieldFilter:
    if condition.cluster is not None:
        return FieldFilter("cluster", one_of=(str(condition.cluster),))
    return FieldFilter("rank", maximum=str((condition.rank_below or 0) - 1))


def _model(dims: int) -> ModelIdentity:
    return ModelIdentity(id="benchmark", revision="1", dims=dims)


def _chunks(dataset: Dataset, rows: int) -> Iterator[Chunk]:
    texts, ranks, clusters = dataset.texts, dataset.ranks, dataset.clusters
    for row in range(rows):
        title, text = texts[row % len(texts)]
        key = f"{_ENTITY_TYPE}:{row:08d}"
        yield Chunk(
            chunk_id=f"{key}-001",
            parent=key,
            text=text,
            metadata=ChunkMetadata(
                entity_type=_ENTITY_TYPE,
                source_id=str(row),
                title=title,
                urls=(f"https://docs.example.org/{row}",),
                source_path="raw/benchmark/page.jsonl.gz",
                fields={"rank": int(ranks[row]), "cluster": int(clusters[row])},
            ),
        )
