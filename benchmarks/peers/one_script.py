"""What a user would write instead of the pipeline: one script, one process, nothing in between.

Reads the same JSON lines, cuts them by the same chunker with the same settings, embeds with
sentence-transformers in batches of 32 over all CPUs, and adds everything to one hnswlib index that
it saves. Nothing is retried, resumed, counted or kept; a document that changed is embedded with all
the others. Prints its seconds as one line of JSON.
"""

import argparse
import gzip
import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.systems import CONSTRUCTION_BREADTH, LINKS_PER_ROW
from benchmarks.table import usable_processors, version_of
from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.records import RecordContext
from shared.models.corpus import ChunkingSettings
from shared.models.mapping import FieldMapping
from shared.text.chunking import chunk_entity, passage_for_embedding

BATCH_SIZE = 32


def main() -> int:
    """Do all of it, timing each step."""
    options = _parse()
    begun = time.perf_counter()
    encoder = _load(options.model)
    loaded = time.perf_counter()
    documents = list(_documents(options.corpus))
    passages = _passages(documents, FieldMapping.model_validate_json(options.mapping))
    chunked = time.perf_counter()
    vectors = encoder.encode(
        passages, batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False
    )
    encoded = time.perf_counter()
    library: Any = importlib.import_module("hnswlib")
    index = library.Index(space="ip", dim=vectors.shape[1])
    index.init_index(len(vectors), M=LINKS_PER_ROW, ef_construction=CONSTRUCTION_BREADTH)
    index.add_items(vectors, range(len(vectors)))
    index.save_index(str(options.output))
    ended = time.perf_counter()
    told = {
        "documents": len(documents),
        "chunks": len(passages),
        "versions": {name: version_of(name) for name in ("sentence-transformers", "torch")},
        "load_seconds": loaded - begun,
        "chunk_seconds": chunked - loaded,
        "encode_seconds": encoded - chunked,
        "index_seconds": ended - encoded,
    }
    print(json.dumps(told))
    return 0


def _load(folder: Path) -> Any:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(usable_processors())
    library: Any = importlib.import_module("sentence_transformers")
    return library.SentenceTransformer(str(folder), device="cpu")


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)


def _passages(documents: list[dict[str, Any]], mapping: FieldMapping) -> list[str]:
    context, settings = RecordContext("script", "20260101T000000Z-benchmark"), ChunkingSettings()
    return [
        passage_for_embedding(chunk)
        for document in documents
        for chunk in chunk_entity(
            canonicalise_mapped(mapping, "jsonl", document, context).entity, "raw/script", settings
        )
    ]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder of .jsonl.gz files")
    parser.add_argument("output", type=Path, help="file for the index")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--mapping", required=True, help="the field mapping, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
