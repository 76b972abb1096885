"""What queries, ingest and keeping an index cost on AWS, from measured figures and list prices.

The figures come from `.local/benchmarks/figures.json`, where the other benchmarks leave them, or
from `--set NAME=VALUE`; for one that was never measured here a round number stands in, and the
table says so. One second of one CPU of the measuring machine is taken for one
second of one CPU of Lambda (1,769 MB); Graviton was not measured.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import prices
from benchmarks.figures import FIGURES_PATH, read_figures
from benchmarks.table import Cell, print_table
from scripts.model_export.recipes import DEFAULT_MODEL, RECIPES
from shared.errors import UltronError
from shared.platform.command_line import complain, run_command

MB_PER_CPU = 1769.0
_MB_PER_GB = 1024.0
_FREE_STORAGE_MB = 512

# Memory and /tmp of the functions, as terraform/defaults.tf sets them.
MEMORY_MB = {
    "fetch": 512, "derive": 512, "chunker": 512, "embedder": 3008, "indexer": 512,
    "compactor": 3008, "retrieve": 2048,
}  # fmt: skip
STORAGE_MB = {"embedder": 2048, "compactor": 4096, "retrieve": 4096}

# As benchmarks/embed.py names the rate of the precision that is shipped, on one thread.
EMBEDDING_RATE = f"embed.{RECIPES[DEFAULT_MODEL].precision}.1.real.chunks_per_second"

# As benchmarks/pipeline.py names what the line does, the encoder left out.
CHUNKS_PER_DOCUMENT = "pipeline.chunks_per_document"
LINE_CPU_MS = "pipeline.before_embedding.cpu_ms_per_document"

# Names of measured figures, what they are, and what stands in for them.
KNOWN_FIGURES: Mapping[str, tuple[str, float]] = {
    "embed.query_ms": ("embedding one query, 1 thread", 8.4),
    EMBEDDING_RATE: ("chunks embedded a second, 1 thread", 53.0),
    CHUNKS_PER_DOCUMENT: ("chunks of a document", 2.0),
    LINE_CPU_MS: ("ms of CPU of planning, fetching, deriving and chunking a document", 6.0),
    "search.100000.hybrid_p50_ms": ("one hybrid search of 100,000 vectors", 5.0),
    "search.100000.bytes_per_vector": ("bytes of an index a vector", 2500.0),
    "search.open_100_mb_seconds": ("opening a shard of 100 MB", 0.5),
    "shard.build_vectors_per_second": ("vectors built to shards a second, 1 thread", 3000.0),
    "compaction.100.threads_2.seconds": ("merging to 100 MB, 2 threads", 20.0),
    "compaction.100.vectors": ("vectors of that merge", 45_000.0),
}


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What was not measured: sizes, habits and waiting times."""

    documents_per_page: int = 100
    chunks_per_part: int = 256
    jobs_per_commit: int = 10
    merges_per_vector: float = 2.0
    document_bytes: int = 1500
    embedding_bytes: int = 1600
    entity_item_bytes: int = 250
    answer_bytes: int = 4000
    log_bytes_per_invocation: int = 1500
    other_query_ms: float = 8.0
    waiting_seconds_per_job: float = 0.5
    cold_share: float = 0.01
    cold_cpu_seconds: float = 3.0
    queries_per_manifest_check: float = 1.0


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill."""

    name: str
    quantity: float
    unit: str
    dollars: float


Figures = Mapping[str, float]


def cpu_gb_seconds(cpu_seconds: float) -> float:
    """GB-seconds of work that keeps its CPUs busy: memory buys CPU, so its setting cancels out."""
    return cpu_seconds * MB_PER_CPU / _MB_PER_GB


def held_gb_seconds(function: str, seconds: float) -> float:
    """GB-seconds of a function that is there for so long, whatever it does."""
    return seconds * MEMORY_MB[function] / _MB_PER_GB


def storage_gb_seconds(function: str, seconds: float) -> float:
    """GB-seconds of the /tmp of a function beyond what is free."""
    return seconds * max(0, STORAGE_MB.get(function, 0) - _FREE_STORAGE_MB) / _MB_PER_GB


def query_items(figures: Figures, assumed: Assumptions, queries: float = 1.0) -> list[Item]:
    """The bill of so many queries, a share of which finds no warm function."""
    warm_ms = (
        figures["embed.query_ms"] + figures["search.100000.hybrid_p50_ms"] + assumed.other_query_ms
    )
    # Billed by the millisecond begun.
    warm_seconds = queries * math.ceil(warm_ms) / 1000.0
    cold_seconds = (
        queries
        * assumed.cold_share
        * (assumed.cold_cpu_seconds + figures["search.open_100_mb_seconds"])
    )
    seconds = warm_seconds + cold_seconds
    gets = queries / assumed.queries_per_manifest_check
    return [
        _item("API Gateway", queries, "requests", prices.API_GATEWAY_REST_REQUEST),
        _item("Lambda", queries, "requests", prices.LAMBDA_REQUEST),
        _memory(held_gb_seconds("retrieve", seconds)),
        _storage(storage_gb_seconds("retrieve", seconds)),
        _item("S3", gets, "GET", prices.S3_GET),
        _logs(queries * assumed.log_bytes_per_invocation),
        _item("transfer out", queries * assumed.answer_bytes / 1e9, "GB", prices.TRANSFER_OUT_GB),
    ]


def ingest_items(figures: Figures, assumed: Assumptions, documents: float) -> list[Item]:
    """The bill of taking in so many documents once: from the source to compacted shards."""
    vectors = documents * figures[CHUNKS_PER_DOCUMENT]
    pages = documents / assumed.documents_per_page
    parts = max(vectors / assumed.chunks_per_part, pages)
    merges = _merges(figures, assumed, vectors)
    # Each page passes through page-, derive- and chunk-jobs, each part through embed- and index-.
    messages = 3 * pages + 2 * parts + merges
    # Page: raw, entities, edges, rejects. Part: chunks, vectors, three files of a shard. A commit
    # writes the manifest and its history, a merge three files and a commit.
    commits = parts / assumed.jobs_per_commit + merges
    puts = 4 * pages + 5 * parts + 2 * commits + 3 * merges
    gets = 2 * pages + 2 * parts + commits + 3 * _merged_shards(figures, assumed, vectors)
    # A mark is a transaction over two items, which counts twice: 4 units. Page: planned, fetched,
    # derived, chunked; part: embedded, indexed. The version of each entity is read, and written in
    # a transaction too.
    writes = 4 * (4 * pages + 2 * parts) + 2 * documents
    reads = documents + 4 * (pages + parts)
    return [
        _item("Lambda", messages, "requests", prices.LAMBDA_REQUEST),
        _memory(_ingest_gb_seconds(figures, assumed, vectors)),
        _storage(_ingest_storage_gb_seconds(figures, assumed, vectors)),
        # Sent, received, deleted.
        _item("SQS", 3 * messages, "requests", prices.SQS_REQUEST),
        _item("S3", puts, "PUT", prices.S3_PUT),
        _item("S3", gets, "GET", prices.S3_GET),
        _item("DynamoDB", writes, "write units", prices.DYNAMODB_WRITE_UNIT),
        _item("DynamoDB", reads, "read units", prices.DYNAMODB_READ_UNIT),
        _logs(messages * assumed.log_bytes_per_invocation),
    ]


def keeping_items(figures: Figures, assumed: Assumptions, documents: float) -> list[Item]:
    """The bill of a month in which nobody asks and nothing changes."""
    vectors = documents * figures[CHUNKS_PER_DOCUMENT]
    index_gb = vectors * figures["search.100000.bytes_per_vector"] / 1e9
    # The raw page, the entities and the chunks: three times the documents, before compression.
    pipeline_gb = (vectors * assumed.embedding_bytes + 3 * documents * assumed.document_bytes) / 1e9
    table_gb = documents * assumed.entity_item_bytes / 1e9
    return [
        _item("S3, the index", index_gb, "GB", prices.S3_GB_MONTH),
        _item("S3, all before it", pipeline_gb, "GB", prices.S3_GB_MONTH),
        _item("DynamoDB", table_gb, "GB", prices.DYNAMODB_GB_MONTH),
        _item("DynamoDB backup", table_gb, "GB", prices.DYNAMODB_BACKUP_GB_MONTH),
    ]


def total(items: Iterable[Item]) -> float:
    """The sum of a bill, in dollars."""
    return math.fsum(item.dollars for item in items)


def _merges(figures: Figures, assumed: Assumptions, vectors: float) -> float:
    return vectors * assumed.merges_per_vector / figures["compaction.100.vectors"]


def _merged_shards(figures: Figures, assumed: Assumptions, vectors: float) -> float:
    """How many shards are read for merging: small ones at first, larger ones after that."""
    small = vectors / assumed.chunks_per_part
    return small + _merges(figures, assumed, vectors)


def _embedder_cpu_seconds(figures: Figures, vectors: float) -> float:
    return vectors / figures[EMBEDDING_RATE] + (vectors / figures["shard.build_vectors_per_second"])


def _merge_seconds(figures: Figures, assumed: Assumptions, vectors: float) -> float:
    each = figures["compaction.100.threads_2.seconds"]
    return _merges(figures, assumed, vectors) * (each + assumed.waiting_seconds_per_job)


def _ingest_gb_seconds(figures: Figures, assumed: Assumptions, vectors: float) -> float:
    documents = vectors / figures[CHUNKS_PER_DOCUMENT]
    pages = documents / assumed.documents_per_page
    parts = max(vectors / assumed.chunks_per_part, pages)
    waits = {"fetch": pages, "derive": pages, "chunker": pages, "embedder": parts, "indexer": parts}
    waiting = math.fsum(
        held_gb_seconds(function, jobs * assumed.waiting_seconds_per_job)
        for function, jobs in waits.items()
    )
    cpu_seconds = documents * figures[LINE_CPU_MS] / 1000.0
    cpu_seconds += _embedder_cpu_seconds(figures, vectors)
    merging = held_gb_seconds("compactor", _merge_seconds(figures, assumed, vectors))
    return waiting + cpu_gb_seconds(cpu_seconds) + merging


def _ingest_storage_gb_seconds(figures: Figures, assumed: Assumptions, vectors: float) -> float:
    cpus = MEMORY_MB["embedder"] / MB_PER_CPU
    embedding = storage_gb_seconds("embedder", _embedder_cpu_seconds(figures, vectors) / cpus)
    return embedding + storage_gb_seconds("compactor", _merge_seconds(figures, assumed, vectors))


def _item(name: str, quantity: float, unit: str, price: float) -> Item:
    return Item(name, quantity, unit, quantity * price)


def _memory(gb_seconds: float) -> Item:
    return _item("Lambda", gb_seconds, "GB-seconds", prices.LAMBDA_ARM64_GB_SECOND)


def _storage(gb_seconds: float) -> Item:
    return _item("Lambda /tmp", gb_seconds, "GB-seconds", prices.LAMBDA_STORAGE_GB_SECOND)


def _logs(size_bytes: float) -> Item:
    return _item("CloudWatch logs", size_bytes / 1e9, "GB", prices.LOGS_GB)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute and print; the status is 1 when the file of figures cannot be read."""
    options = _parse(arguments)
    try:
        measured = read_figures(options.figures) | dict(options.set)
    except UltronError as error:
        complain(error)
        return 1
    figures = {name: measured.get(name, value) for name, (_, value) in KNOWN_FIGURES.items()}
    assumed = Assumptions()
    print(f"AWS list prices of {prices.REGION}, {prices.PRICED_AT}, arm64, no free tier\n")
    print_table(
        ("figure", "value", "from"),
        [
            [what, figures[name], "measured" if name in measured else "stand-in"]
            for name, (what, _) in KNOWN_FIGURES.items()
        ],
    )
    print()
    print_table(("assumed", "value"), [[name, getattr(assumed, name)] for name in _names(assumed)])
    million = 1_000_000.0
    _print_bill("one query", query_items(figures, assumed))
    _print_bill("one million queries", query_items(figures, assumed, million))
    vectors = million * figures[CHUNKS_PER_DOCUMENT]
    each = f"one million documents ({vectors:,.0f} vectors)"
    _print_bill(f"ingest of {each}", ingest_items(figures, assumed, million))
    _print_bill(f"keeping {each} for a month", keeping_items(figures, assumed, million))
    return 0


def _names(assumed: Assumptions) -> list[str]:
    return list(assumed.__dataclass_fields__)


def _print_bill(title: str, items: Sequence[Item]) -> None:
    print(f"\n{title}: ${total(items):.6g}")
    rows: list[list[Cell]] = [
        [item.name, f"{item.quantity:,.6g}", item.unit, f"{item.dollars:.6g}"] for item in items
    ]
    print_table(("", "quantity", "unit", "dollars"), rows)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=FIGURES_PATH, help="file of figures")
    parser.add_argument(
        "--set", action="append", type=_figure, default=[], metavar="NAME=VALUE",
        help=f"a figure in place of the measured one; names: {', '.join(KNOWN_FIGURES)}",
    )  # fmt: skip
    return parser.parse_args(arguments)


def _figure(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in KNOWN_FIGURES:
        raise argparse.ArgumentTypeError(f"there is no figure {name!r}")
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{name} must be a number above 0, not {value!r}")
    return name, number


if __name__ == "__main__":
    sys.exit(run_command(main))
