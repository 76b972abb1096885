"""Chunks a second and quality of each precision, beside sentence-transformers on torch.

Speed: the same chunks of real documentation, and chunks cut to exactly 127 tokens, by every system
in turn, round after round, so that what else the machine does strikes all alike; rates are
medians, and a ratio is the median of the ratios within the rounds. Tokenizing is part of the time.
Quality: nDCG@10 of exact dense search over the chunks of Cranfield, CISI and NPL, a document by its
best chunk, and how much less that is than with the exact weights (fp32, which is torch's vectors
to seven digits), with the standard error of that loss over the queries. Vectors of the collections
are kept under `.local/benchmarks`.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks.documentation import read_documentation
from benchmarks.embedding_cache import EmbeddingCache
from benchmarks.embedding_speed import (
    Encode,
    Speed,
    encode_by_torch,
    exactly_long,
    measure_speed,
    ratio,
    reference_encoder,
)
from benchmarks.figures import record_figures
from benchmarks.ir_collections import READERS, Collection, find_collections, read_collection
from benchmarks.ir_metrics import NDCG_DEPTH, ndcg
from benchmarks.quality import collection_chunks
from benchmarks.table import Cell, print_machine, print_table
from scripts.build_model import ensure_model
from scripts.build_support import BuildError, repository_root
from scripts.model_export.recipes import DEFAULT_MODEL, PRECISIONS, Precision
from shared.embedding.encoder import Encoder, Vectors
from shared.embedding.model_files import GRAPH_NAME, TOKENIZER_NAME
from shared.embedding.onnx_encoder import OnnxEncoder, OnnxOptions
from shared.errors import UltronError
from shared.platform.command_line import complain, run_command
from shared.text.chunking import passage_for_embedding

REFERENCE = "sentence-transformers"
EXACT: Precision = "fp32"
THREADS = (1, 2)
CHUNKS = 256
LONG_CHUNKS = 64
LONG_TOKENS = 127
ROUNDS = 5
WANTED_RATIO = 3.0
ALLOWED_LOSS_PERCENT = 0.5
PACKAGES = ("numpy", "onnxruntime", "sentence-transformers", "torch")


@dataclass(frozen=True, slots=True)
class Quality:
    """nDCG@10 on one collection, and how many percent that is below the exact weights.

    `error_percent` is the standard error of the loss over the queries.
    """

    ndcg: float
    loss_percent: float
    error_percent: float


Speeds = Mapping[tuple[str, int], Speed]
Qualities = Mapping[str, Mapping[str, Quality]]


def dense_ndcg(collection: Collection, encode: Encode, encoder: Encoder) -> list[float]:
    """nDCG@10 of each query by exact search; a document is as good as its best chunk."""
    chunks = collection_chunks(collection.documents)
    parents = np.array([chunk.metadata.source_id for chunk in chunks])
    vectors = encode([passage_for_embedding(chunk) for chunk in chunks])
    return [
        ndcg(
            best_parents(vectors @ encoder.encode_query(query.text), parents, NDCG_DEPTH),
            collection.relevant[query.id],
            NDCG_DEPTH,
        )
        for query in collection.queries
    ]


def best_parents(scores: Vectors, parents: np.ndarray[Any, Any], count: int) -> list[str]:
    """The first `count` documents by the best of their chunks."""
    order = np.argsort(-scores, kind="stable")
    return list(dict.fromkeys(parents[order].tolist()))[:count]


def compare(found: Sequence[float], exact: Sequence[float]) -> Quality:
    """Weigh the queries' nDCG against that of the exact weights; a negative loss is a gain."""
    base = statistics.fmean(exact)
    losses = [100 * (theirs - ours) / base for ours, theirs in zip(found, exact, strict=True)]
    error = statistics.stdev(losses) / math.sqrt(len(losses)) if len(losses) > 1 else 0.0
    return Quality(statistics.fmean(found), statistics.fmean(losses), error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and say whether the goal is met."""
    options = _parse(arguments)
    root = repository_root()
    try:
        folders = {name: ensure_model(root, precision=name) for name in PRECISIONS}
        qualities = _measure_quality(options, folders)
        speeds = _measure_speeds(options, folders)
    except (UltronError, BuildError) as error:
        complain(error)
        return 1
    print_machine(*PACKAGES)
    print(
        f"{DEFAULT_MODEL}; {options.chunks} chunks of documentation and {LONG_CHUNKS} of "
        f"{LONG_TOKENS} tokens, {options.rounds} rounds; ratio: to {REFERENCE}\n"
    )
    _print(speeds, qualities, folders)
    _record(speeds, qualities)
    return 0


def _measure_speeds(options: argparse.Namespace, folders: Mapping[Precision, Path]) -> Speeds:
    documentation = read_documentation(max(options.chunks, 20 * LONG_CHUNKS), queries=0)
    passages = [passage_for_embedding(chunk) for chunk in documentation.chunks]
    tokenizer = Tokenizer.from_file(str(folders[EXACT] / TOKENIZER_NAME))
    texts = {
        "real": passages[: options.chunks],
        "long": exactly_long(tokenizer, passages, LONG_TOKENS, LONG_CHUNKS),
    }
    systems: dict[tuple[str, int], Encode] = {}
    torch_encoder = reference_encoder()
    for threads in THREADS:
        systems[REFERENCE, threads] = partial(encode_by_torch, torch_encoder, threads)
        for name, folder in folders.items():
            encoder = OnnxEncoder.from_directory(folder, OnnxOptions(threads=threads))
            systems[name, threads] = encoder.encode_documents
    return measure_speed(systems, texts, options.rounds)


def _measure_quality(options: argparse.Namespace, folders: Mapping[Precision, Path]) -> Qualities:
    if options.speed_only:
        return {}
    place = find_collections(options.data)
    cache = EmbeddingCache()
    found: dict[str, dict[str, Quality]] = {name: {} for name in folders}
    for collection_name in options.collections:
        collection = read_collection(collection_name, place)
        scores: dict[str, list[float]] = {}
        for name, folder in folders.items():
            encoder = OnnxEncoder.from_directory(folder)
            encode = partial(cache.encode_documents, encoder, "onnx")
            scores[name] = dense_ndcg(collection, encode, encoder)
        for name in folders:
            found[name][collection_name] = compare(scores[name], scores[EXACT])
    return found


def _print(speeds: Speeds, qualities: Qualities, folders: Mapping[Precision, Path]) -> None:
    collections = list(next(iter(qualities.values()), {}))
    columns = ["system", "threads", "chunks/s", "ratio", f"{LONG_TOKENS} tokens/s", "ratio"]
    columns += ["least cosine", "mean"]
    columns += [column for name in collections for column in (name, "loss %")]
    rows = [
        [*_speed_cells(speeds, *key), *_quality_cells(qualities, key[0], collections)]
        for key in speeds
    ]
    sizes = {name: (folder / GRAPH_NAME).stat().st_size / 1e6 for name, folder in folders.items()}
    by_name: Mapping[str, float] = {str(name): size for name, size in sizes.items()}
    print_table(
        [*columns, "MB"],
        [[*row, by_name.get(name)] for row, (name, _) in zip(rows, speeds, strict=True)],
    )
    print(
        f"\ngoal: a ratio of {WANTED_RATIO} and more at a loss of {ALLOWED_LOSS_PERCENT} % and less"
    )
    for name in folders:
        print(f"{name}: {verdict(name, speeds, qualities.get(name, {}))}")


def _speed_cells(speeds: Speeds, name: str, threads: int) -> list[Cell]:
    speed, reference = speeds[name, threads], speeds[REFERENCE, threads]
    cells: list[Cell] = [name, threads]
    for label, seconds in speed.seconds.items():
        cells.append(len(speed.vectors[label]) / statistics.median(seconds))
        cells.append(ratio(seconds, reference.seconds[label]))
    both = zip(speed.vectors.values(), reference.vectors.values(), strict=True)
    cosines = np.concatenate([(ours * theirs).sum(axis=1) for ours, theirs in both])
    return [*cells, f"{cosines.min():.7f}", f"{cosines.mean():.5f}"]


def _quality_cells(qualities: Qualities, name: str, collections: Sequence[str]) -> list[Cell]:
    found = qualities.get(name, {})
    return [
        cell
        for collection in collections
        for cell in (
            (found[collection].ndcg, _loss(found[collection]))
            if collection in found
            else (None, None)
        )
    ]


def _loss(quality: Quality) -> str:
    return f"{quality.loss_percent:+.2f} ± {quality.error_percent:.2f}"


def verdict(name: str, speeds: Speeds, quality: Mapping[str, Quality]) -> str:
    """Say of a precision how far it is from the goal: its least ratio, and its mean loss."""
    least = min(
        ratio(seconds, speeds[REFERENCE, threads].seconds[label])
        for (system, threads), speed in speeds.items()
        if system == name
        for label, seconds in speed.seconds.items()
    )
    parts = [f"at least {least:.2f} times as fast"]
    met = least >= WANTED_RATIO
    if quality:
        loss = statistics.fmean(found.loss_percent for found in quality.values())
        parts.append(f"mean loss {loss:+.2f} %")
        met = met and loss <= ALLOWED_LOSS_PERCENT
    return f"{', '.join(parts)}: {'meets' if met else 'misses'} the goal"


def _record(speeds: Speeds, qualities: Qualities) -> None:
    figures: dict[str, float] = {}
    for (name, threads), speed in speeds.items():
        for label, seconds in speed.seconds.items():
            rate = len(speed.vectors[label]) / statistics.median(seconds)
            figures[f"embed.{name}.{threads}.{label}.chunks_per_second"] = rate
    for name, found in qualities.items():
        for collection, quality in found.items():
            figures[f"embed.{name}.{collection}.ndcg_at_10"] = quality.ndcg
            figures[f"embed.{name}.{collection}.loss_percent"] = quality.loss_percent
    record_figures(figures)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds cranfield/, cisi/ and npl/")
    parser.add_argument(
        "--collections", nargs="+", choices=sorted(READERS), default=list(READERS), metavar="NAME"
    )
    parser.add_argument("--speed-only", action="store_true", help="leave the collections out")
    parser.add_argument("--chunks", type=int, default=CHUNKS, help=f"to time with ({CHUNKS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"({ROUNDS})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
