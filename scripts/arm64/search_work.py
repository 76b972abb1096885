"""Work that needs numpy, onnxruntime, tokenizers and hnswlib at once; run on either architecture.

    python search_work.py FOLDER MODEL_FOLDER ...

With each model it embeds sentences, builds a shard of them, saves it in FOLDER, loads it, searches
it by its graph, and prints what it found as JSON. Run with nothing but a function and its layers on
the path.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from shared.embedding.onnx_encoder import OnnxEncoder
from shared.index.catalog.catalog import read_catalog
from shared.index.search.shard_cache import ShardCache
from shared.index.shard.shard_reader import OpenFiles, SearchTuning, Shard
from shared.index.shard.shard_writer import ShardSource, collect_content, write_shard
from shared.index.shard.vector_file import Vectors
from shared.models.chunk import Chunk, ChunkMetadata, CoveredEntity
from shared.models.manifest import ModelIdentity
from shared.storage.memory import MemoryObjectStore

SENTENCES = (
    "Hank Pym built Ultron in his laboratory.",
    "The Vision lifts the hammer of Thor.",
    "Invoices are due thirty days after they are sent.",
    "The train to Zürich leaves at 07:15 from platform 4.",
    "Whoever changes the password is asked for the old one first.",
    "A message that fails five times goes to the dead-letter queue.",
    "Bread needs flour, water, salt, yeast and a night of patience.",
    "東京の冬は乾燥していて、晴れた日が多い。",
    "The index is searched by several functions when it exceeds the memory of one.",
    "x = sum(value * weight for value, weight in zip(values, weights))",
)
QUESTIONS = ("Who created Ultron?", "When must I pay the bill?", "How is bread made?")
FIXED_ROWS, FIXED_DIMS, FIXED_SEED = 500, 384, 7
# Ask the graph however few rows there are: exact search would prove nothing of hnswlib.
BY_GRAPH = SearchTuning(exact_rows=0, exact_share=0.0)


def search(texts: tuple[str, ...], vectors: Vectors, queries: Vectors, folder: Path) -> Any:
    """Build, save, load and search a shard; per query the ids and cosines of the five nearest."""
    model = ModelIdentity(id="work", revision="1", dims=vectors.shape[1])
    lines: list[Chunk | CoveredEntity] = []
    for number, text in enumerate(texts):
        key = f"note:{number:04d}"
        metadata = ChunkMetadata(
            entity_type="note", source_id=f"{number:04d}", title="", attribution="", source_path="x"
        )
        lines.append(CoveredEntity(entity_key=key))
        lines.append(Chunk(chunk_id=f"{key}-001", parent=key, text=text, metadata=metadata))
    store = MemoryObjectStore()
    content = collect_content(lines, origin="run/page/0", seq=1)
    source = ShardSource("arm64", model, "run/page/0", 1)
    descriptor = write_shard(store, source, content, vectors)
    cache = ShardCache(store, folder)
    catalog = read_catalog(cache.fetch(descriptor.catalog), name=descriptor.catalog.key)
    graph, sidecar = descriptor.graph, descriptor.sidecar
    if graph is None or sidecar is None:
        raise RuntimeError("the shard was written without a graph or a sidecar")
    files = OpenFiles(descriptor, catalog, cache.hold(graph).path, cache.hold(sidecar).path)
    shard = Shard(files, None, BY_GRAPH)
    found = []
    for query in queries:
        ranked = shard.nearest(query, 5, None, breadth=200)
        found.append([[shard.chunk_id(label), float(cosine)] for label, cosine in ranked])
    return found


def search_sentences(model: Path, folder: Path) -> dict[str, Any]:
    """The vectors that a model makes of the sentences, and what the questions find among them."""
    encoder = OnnxEncoder.from_directory(model)
    vectors = encoder.encode_documents(SENTENCES)
    queries = np.vstack([encoder.encode_query(question) for question in QUESTIONS])
    return {"vectors": vectors.tolist(), "found": search(SENTENCES, vectors, queries, folder)}


def search_fixed(folder: Path) -> Any:
    """What is found among vectors that no model had a part in."""
    fixed = np.random.default_rng(FIXED_SEED).standard_normal((FIXED_ROWS, FIXED_DIMS))
    fixed = (fixed / np.linalg.norm(fixed, axis=1, keepdims=True)).astype(np.float32)
    names = tuple(f"row {number}" for number in range(FIXED_ROWS))
    return search(names, fixed, fixed[:20], folder)


def main() -> None:
    """Do the work in one process: on an emulator, imports are a large part of it."""
    folder, models = Path(sys.argv[1]), [Path(model) for model in sys.argv[2:]]
    result = {
        "machine": platform.machine(),
        "fixed_found": search_fixed(folder / "fixed"),
        "models": [
            search_sentences(model, folder / str(number)) for number, model in enumerate(models)
        ],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
