"""How well searches rank: nDCG@10, recall@100 and MRR on Cranfield, CISI and NPL.

Documents go through the code of the pipeline (entity, chunks, passages, vectors, shard, commit,
search) and are asked for as a client asks: by the search that `GET /retrieve?k=10` makes, and with
`k=100` for the recall. Beside it stand two libraries as their users begin with them: `bm25s` with
its stop words and a stemmer, and sentence-transformers over whole documents, with the same weights.
Nothing is set for one collection only.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.embedding_cache import EmbeddingCache
from benchmarks.engine import open_index, write_index
from benchmarks.figures import record_figures
from benchmarks.ir_collections import (
    READERS,
    Collection,
    Document,
    find_collections,
    read_collection,
)
from benchmarks.ir_metrics import NDCG_DEPTH, RECALL_DEPTH, Quality, assess
from benchmarks.peers.rankers import rank_by_bm25s, rank_by_sentence_transformers
from benchmarks.table import Cell, print_machine, print_table
from scripts.build_model import ensure_model
from scripts.build_support import repository_root
from scripts.model_export.recipes import DEFAULT_MODEL, PRECISIONS, RECIPES
from services.retrieve.request import MAXIMUM_QUERY_CHARACTERS, RetrieveRequest
from shared.embedding.encoder import Encoder, Vectors
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.errors import UltronError
from shared.index.search.correction import IsWord, no_word
from shared.index.search.searcher import Searcher, SearchMode
from shared.models.chunk import Chunk
from shared.models.corpus import ChunkingSettings
from shared.models.entity import Entity
from shared.platform.command_line import complain, run_command
from shared.storage.memory import MemoryObjectStore
from shared.text.chunking import chunk_entity, passage_for_embedding

MODES: tuple[SearchMode, ...] = ("lexical", "dense", "hybrid")
COLUMNS = ("system", "nDCG@10", "recall@100", "MRR", "documents in 10")
TIMED_CHUNKS = 512
_ENTITY_TYPE = "document"
_ROWS_PER_SHARD = 1_000_000

Rankings = Mapping[str, Sequence[str]]
Baseline = Callable[[Collection], Rankings | None]


def document_entity(document: Document) -> Entity:
    """A document of a collection as the pipeline knows it."""
    return Entity(
        entity_type=_ENTITY_TYPE,
        source="ir",
        source_id=document.id,
        title=document.title,
        description=document.text,
        ingest_run_id="benchmark",
        record_checksum="",
    )


def collection_chunks(documents: Iterable[Document]) -> list[Chunk]:
    """The chunks of documents under the default settings; one without any text makes none."""
    settings = ChunkingSettings()
    return [
        chunk
        for document in documents
        for chunk in chunk_entity(document_entity(document), "raw/benchmark", settings)
    ]


def pipeline_rankings(
    collection: Collection,
    encoder: Encoder,
    encode: Callable[[Sequence[str]], Vectors],
    modes: Sequence[SearchMode] = MODES,
    is_word: IsWord = no_word,
) -> dict[SearchMode, Rankings]:
    """Index a collection and search it with every query, in each mode.

    Args:
        collection: what to index and to ask.
        encoder: encodes the queries, and says of which model the vectors are.
        encode: encodes the passages: `encoder.encode_documents`, or the same with a cache.
        modes: how to search.
        is_word: which words the encoder has in its vocabulary.
    """
    chunks = collection_chunks(collection.documents)
    vectors = encode([passage_for_embedding(chunk) for chunk in chunks])
    store = MemoryObjectStore()
    write_index(store, encoder.identity, chunks, vectors, rows_per_shard=_ROWS_PER_SHARD)
    queries = [(query, encoder.encode_query(query.text)) for query in collection.queries]
    with (
        tempfile.TemporaryDirectory(prefix="ultron-quality-") as folder,
        open_index(store, encoder.identity, Path(folder)) as searcher,
    ):
        return {
            mode: {
                query.id: answered_documents(searcher, query.text, vector, mode, is_word)
                for query, vector in queries
            }
            for mode in modes
        }


def answered_documents(
    searcher: Searcher, text: str, vector: Vectors, mode: SearchMode, is_word: IsWord
) -> list[str]:
    """The documents of the answer with k=10, and behind them those that k=100 adds."""

    def documents(k: int) -> list[str]:
        # A client has to cut a longer question; the API refuses it.
        request = RetrieveRequest(q=text[:MAXIMUM_QUERY_CHARACTERS], k=k, mode=mode)
        hits = searcher.search(request.search_query(vector, is_word)).hits
        return [hit.chunk.metadata.source_id for hit in hits]

    first, all_of_them = documents(NDCG_DEPTH), documents(RECALL_DEPTH)
    return [*first, *(document for document in all_of_them if document not in first)]


def quality_rows(
    collection: Collection, rankings: Mapping[str, Rankings | None]
) -> list[tuple[str, Quality | None]]:
    """Assess the rankings of each system; None stays where a system is not installed."""
    return [
        (system, None if found is None else assess(found, collection.relevant))
        for system, found in rankings.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table for each collection."""
    options = _parse(arguments)
    try:
        folder = find_collections(options.data)
        collections = [read_collection(name, folder) for name in options.collections]
    except UltronError as error:
        complain(error)
        return 1
    root = repository_root()
    encoder = OnnxEncoder.from_directory(ensure_model(root, options.model, options.precision))
    print_machine("numpy", "onnxruntime", "bm25s", "sentence-transformers", "torch")
    print(f"model {encoder.identity.id} {encoder.identity.revision}")
    milliseconds = embedding_milliseconds(collections[0], encoder)
    print(f"{milliseconds:.1f} ms of a processor embed a chunk of {collections[0].name}")
    for collection in collections:
        _measure(collection, encoder)
    return 0


def embedding_milliseconds(collection: Collection, encoder: Encoder) -> float:
    """The time of processors, of all threads, that embedding takes for a chunk."""
    chunks = collection_chunks(collection.documents)[:TIMED_CHUNKS]
    passages = [passage_for_embedding(chunk) for chunk in chunks]
    encoder.encode_documents(passages[:1])
    begun = time.process_time()
    encoder.encode_documents(passages)
    return 1000 * (time.process_time() - begun) / max(len(passages), 1)


def _measure(collection: Collection, encoder: OnnxEncoder) -> None:
    cache = EmbeddingCache()
    ours = pipeline_rankings(
        collection,
        encoder,
        lambda texts: cache.encode_documents(encoder, "onnx", texts),
        is_word=encoder.has_word,
    )
    baselines: dict[str, Baseline] = {
        "bm25s, whole documents": rank_by_bm25s,
        "sentence-transformers, whole documents": rank_by_sentence_transformers,
    }
    rankings: dict[str, Rankings | None] = {mode: ours[mode] for mode in MODES}
    rankings |= {name: rank(collection) for name, rank in baselines.items()}
    print(
        f"\n{collection.name}: {len(collection.documents):,} documents, "
        f"{len(collection.queries)} judged queries"
    )
    rows = quality_rows(collection, rankings)
    print_table(COLUMNS, [_row(system, quality) for system, quality in rows])
    for system, quality in rows:
        if quality is not None:
            record_figures({f"quality.{collection.name}.{system}.ndcg_at_10": quality.ndcg})


def _row(system: str, quality: Quality | None) -> list[Cell]:
    if quality is None:
        return [f"{system} (not installed)", None, None, None, None]
    return [system, quality.ndcg, quality.recall, quality.mrr, quality.documents]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds cranfield/, cisi/ and npl/")
    parser.add_argument("--model", choices=sorted(RECIPES), default=DEFAULT_MODEL)
    parser.add_argument("--precision", choices=PRECISIONS, help="of the model (as shipped)")
    parser.add_argument(
        "--collections", nargs="+", choices=sorted(READERS), default=list(READERS), metavar="NAME"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
