"""The compaction benchmark on shards of random vectors."""

from pathlib import Path

import numpy as np

from benchmarks.compaction import merge_first, shards_of_size
from benchmarks.engine import write_index
from benchmarks.folder_store import FolderStore
from shared.models.chunk import Chunk, ChunkMetadata
from shared.models.manifest import ModelIdentity

MODEL = ModelIdentity(id="random", revision="1", dims=8)


def chunk(number: int, part: int) -> Chunk:
    key = f"document:{number:03d}"
    metadata = ChunkMetadata(
        entity_type="document", source_id=str(number), title="T", source_path="raw/x"
    )
    return Chunk(chunk_id=f"{key}-{part:03d}", parent=key, text=f"text {part}", metadata=metadata)


def test_merging_takes_all_rows_and_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    chunks = [chunk(number, part) for number in range(20) for part in (1, 2, 3)]
    vectors = np.random.default_rng(1).standard_normal((60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shards = write_index(store, MODEL, chunks, vectors, rows_per_shard=10)
    # No entity is cut in two: a shard ends after 12 rows.
    assert [shard.vectors for shard in shards] == [12, 12, 12, 12, 12]
    before = [found.key for found in store.list("")]
    figures = merge_first(tmp_path, MODEL, 3, 1)
    assert (figures["shards"], figures["vectors"]) == (3, 36)
    assert figures["output_mb"] < figures["input_mb"]
    assert figures["peak_mb"] >= figures["before_mb"] > 0
    assert [found.key for found in store.list("")] == before

    each = shards[0].size_bytes
    assert shards_of_size(shards, each) == 1
    assert shards_of_size(shards, each + 1) == 2
    assert shards_of_size(shards, each * 1000) == 5
