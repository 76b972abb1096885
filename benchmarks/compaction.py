"""What a compaction costs: seconds, sizes and peak memory of merging small shards to large ones.

The shards are as embed jobs make them, 256 passages of AWS's documentation each. Every merge runs
in a separate process, which is what its peak of memory is of: all pages that were resident, those
of mapped files included, which the system could take back.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.documentation import read_documentation
from benchmarks.embedding_cache import LOCAL_FOLDER, EmbeddingCache
from benchmarks.engine import CORPUS, write_index
from benchmarks.figures import record_figures
from benchmarks.folder_store import FolderStore
from benchmarks.search import QUERIES, REAL_PASSAGES
from benchmarks.table import Cell, peak_memory_bytes, print_machine, print_table
from scripts.build_model import ensure_model
from scripts.build_support import repository_root
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.index.maintenance.merging import Merger
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest, ModelIdentity, ShardDescriptor
from shared.platform.command_line import run_command
from shared.text.chunking import passage_for_embedding

ROWS_PER_SHARD = 256
TARGETS_MB = (25, 100, 200)
COLUMNS = (
    "target MB", "threads", "shards in", "MB in", "vectors", "MB out", "seconds", "vectors/s",
    "peak MB", "before it MB",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, or do one merge for the process that asks for it."""
    options = _parse(arguments)
    folder = LOCAL_FOLDER / "compaction"
    if options.merge:
        model = ModelIdentity.model_validate_json(options.model)
        print(json.dumps(merge_first(folder / "store", model, options.merge, options.threads)))
        return 0
    print_machine("numpy", "hnswlib")
    model, shards = _small_shards(folder, options.passages)
    rows: list[list[Cell]] = []
    for target_mb in options.targets:
        count = shards_of_size(shards, target_mb * 1_000_000)
        for threads in options.thread_counts:
            found = _merge_elsewhere(model, count, threads)
            rows.append(_row(target_mb, threads, found))
            record_figures(
                {
                    f"compaction.{target_mb}.threads_{threads}.seconds": found["seconds"],
                    f"compaction.{target_mb}.threads_{threads}.peak_megabytes": found["peak_mb"],
                    f"compaction.{target_mb}.vectors": found["vectors"],
                }
            )
    print_table(COLUMNS, rows)
    return 0


def shards_of_size(shards: Sequence[ShardDescriptor], size_bytes: int) -> int:
    """How many of the first shards hold so many bytes together; all where there are fewer."""
    total = 0
    for number, shard in enumerate(shards, start=1):
        total += shard.size_bytes
        if total >= size_bytes:
            return number
    return len(shards)


def merge_first(
    store_folder: Path, model: ModelIdentity, count: int, threads: int
) -> dict[str, float]:
    """Merge the first shards of the index in a folder and say what it took."""
    store = FolderStore(store_folder)
    manifest = ManifestStore(store, CORPUS, model).read().manifest
    chosen = manifest.model_copy(update={"shards": manifest.shards[:count]})
    before_mb = peak_memory_bytes() / 1e6
    with tempfile.TemporaryDirectory(prefix="ultron-compaction-") as scratch:
        started = time.perf_counter()
        merged = _merge(store, Path(scratch), chosen, threads)
        seconds = time.perf_counter() - started
    figures = {
        "shards": float(count),
        "input_mb": sum(shard.size_bytes for shard in chosen.shards) / 1e6,
        "vectors": float(merged.vectors),
        "output_mb": merged.size_bytes / 1e6,
        "seconds": seconds,
        "peak_mb": peak_memory_bytes() / 1e6,
        "before_mb": before_mb,
    }
    for file in merged.files:
        store.delete(file.key)
    return figures


def _merge(store: FolderStore, scratch: Path, manifest: Manifest, threads: int) -> ShardDescriptor:
    merger = Merger(store, scratch, threads=threads)
    merged = merger.merge(manifest, [shard.shard_id for shard in manifest.shards])
    if merged is None:
        raise RuntimeError("nothing of the shards goes on, though all of their rows are live")
    return merged


def _small_shards(folder: Path, passages: int) -> tuple[ModelIdentity, list[ShardDescriptor]]:
    encoder = OnnxEncoder.from_directory(ensure_model(repository_root()))
    chunks = read_documentation(REAL_PASSAGES, QUERIES).chunks[:passages]
    texts = [passage_for_embedding(chunk) for chunk in chunks]
    vectors = EmbeddingCache().encode_documents(encoder, "onnx", texts)
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    store = FolderStore(folder / "store")
    shards = write_index(store, encoder.identity, chunks, vectors, rows_per_shard=ROWS_PER_SHARD)
    seconds = time.perf_counter() - started
    record_figures({"shard.build_vectors_per_second": len(chunks) / seconds})
    print(
        f"{len(shards):,} shards of about {ROWS_PER_SHARD} vectors, "
        f"{sum(shard.size_bytes for shard in shards) / 1e6:,.0f} MB, written in {seconds:.1f} s\n"
    )
    return encoder.identity, shards


def _merge_elsewhere(model: ModelIdentity, count: int, threads: int) -> dict[str, float]:
    command = [
        sys.executable, "-m", "benchmarks.compaction", "--merge", str(count),
        "--threads", str(threads), "--model", model.model_dump_json(),
    ]  # fmt: skip
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, text=True, cwd=repository_root()
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _row(target_mb: int, threads: int, found: dict[str, float]) -> list[Cell]:
    return [
        str(target_mb),
        threads,
        int(found["shards"]),
        round(found["input_mb"]),
        int(found["vectors"]),
        round(found["output_mb"]),
        found["seconds"],
        round(found["vectors"] / found["seconds"]),
        round(found["peak_mb"]),
        round(found["before_mb"]),
    ]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="+", type=int, default=list(TARGETS_MB), metavar="MB")
    parser.add_argument("--thread-counts", nargs="+", type=int, default=[1, 2], metavar="THREADS")
    parser.add_argument("--passages", type=int, default=REAL_PASSAGES, help="how many to index")
    parser.add_argument("--merge", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
