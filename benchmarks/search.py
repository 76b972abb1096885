"""Search speed beside other libraries: same vectors, same queries, same machine, same run.

The vectors are of real passages (AWS's documentation), the queries of sentences that are not among
them. Every system works in a separate process. Building gets one CPU; opening is measured in
fresh processes, with the files in the page cache and without; then all systems answer in turns, so
that whatever else the machine does hits all alike. hnswlib alone searches as widely as the engine;
the others as little as reaches the recall of the engine. `--slow` adds a million rows, which are
jittered copies where real vectors end. `--reuse` measures what an earlier run built.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.documentation import read_documentation
from benchmarks.embedding_cache import LOCAL_FOLDER, TEXTS_PER_SLICE, EmbeddingCache
from benchmarks.figures import record_figures
from benchmarks.peers.systems import Dataset
from benchmarks.search_data import (
    JITTER,
    FilterCase,
    Queries,
    exact_rows,
    filter_cases,
    recall_of,
    write_dataset,
)
from benchmarks.search_process import Process, run_once
from benchmarks.search_worker import SYSTEMS
from benchmarks.table import Cell, print_machine, print_table
from scripts.build_model import ensure_model
from scripts.build_support import repository_root
from shared.embedding.encoder import Vectors
from shared.embedding.onnx_encoder import OnnxEncoder, OnnxOptions
from shared.platform.command_line import run_command
from shared.text.chunking import passage_for_embedding

ENGINE = "this engine"
SIZES = (10_000, 100_000)
SLOW_SIZES = (1_000_000,)
REAL_PASSAGES = 101_000
QUERIES = 400
ROUNDS = 5
QUERIES_PER_ROUND = 100
OPENINGS = 3
SHARD_BYTES = 100_000_000
# A peer counts as equal in recall when it is no more than this below the engine.
RECALL_TOLERANCE = 0.001
PACKAGES = ("numpy", "hnswlib", "faiss-cpu", "usearch", "lancedb", "tantivy")


@dataclass(frozen=True, slots=True)
class Filtered:
    """What was measured under one filter, and of the same queries without it, in turns."""

    recall: float
    milliseconds: Sequence[float]
    unfiltered_milliseconds: Sequence[float]

    @property
    def ratio(self) -> float:
        """The filtered median by the other."""
        return _median(self.milliseconds) / _median(self.unfiltered_milliseconds)


@dataclass(slots=True)
class Measured:
    """What was measured of one system on one dataset."""

    build_seconds: float
    bytes_per_vector: float
    peak_megabytes: float
    open_seconds_cached: float
    open_seconds_from_disk: float
    breadth: int = 0
    recall: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    per_second: dict[int, list[float]] = field(default_factory=dict)
    ranking_milliseconds: list[float] = field(default_factory=list)
    lexical_milliseconds: list[float] = field(default_factory=list)
    hybrid_milliseconds: list[float] = field(default_factory=list)
    filtered: dict[str, Filtered] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """The systems of one run over one dataset."""

    dataset: Dataset
    folder: Path
    systems: Sequence[str]
    queries: Vectors
    rounds: int = ROUNDS
    openings: int = OPENINGS
    queries_per_round: int = QUERIES_PER_ROUND
    reuse: bool = False

    def measure(self) -> dict[str, Measured]:
        """Measure every system that is installed."""
        results: dict[str, Measured] = {}
        for name in self.systems:
            found = self._build_and_open(name)
            if found is not None:
                results[name] = found
        processes = {name: self._serve(name) for name in results}
        try:
            self._tune(processes, results)
            self._time(processes, results)
            self._time_filtered(processes, results)
        finally:
            for process in processes.values():
                process.close()
        return results

    def _place(self, name: str) -> Path:
        return self.folder / name.replace(" ", "-")

    def _build_and_open(self, name: str) -> Measured | None:
        place = self._place(name)
        try:
            built = self._built(name, place)
        except subprocess.CalledProcessError as error:
            print(f"{name}: left out, building ended with {error.returncode}", file=sys.stderr)
            return None
        if "absent" in built:
            print(f"{name}: left out, there is no {built['absent']} here", file=sys.stderr)
            return None
        from_disk = [
            run_once(name, self.dataset.folder, place, "answer", evict=True)
            for _ in range(OPENINGS)
        ]
        cached = [
            run_once(name, self.dataset.folder, place, "answer") for _ in range(self.openings)
        ]
        return Measured(
            build_seconds=built["seconds"],
            bytes_per_vector=built["bytes"] / len(self.dataset.vectors),
            peak_megabytes=statistics.median(answer["peak_megabytes"] for answer in cached),
            open_seconds_cached=statistics.median(answer["seconds"] for answer in cached),
            open_seconds_from_disk=statistics.median(answer["seconds"] for answer in from_disk),
        )

    def _built(self, name: str, place: Path) -> dict[str, Any]:
        """What building took; an earlier run's building where that will do."""
        noted = place.with_name(f"{place.name}.built.json")
        if self.reuse and noted.exists():
            earlier: dict[str, Any] = json.loads(noted.read_text(encoding="utf-8"))
            return earlier
        noted.unlink(missing_ok=True)
        built = run_once(name, self.dataset.folder, place, "build")
        if "absent" not in built:  # it may be installed by the next time
            noted.write_text(json.dumps(built), encoding="utf-8")
        return built

    def _serve(self, name: str) -> Process:
        return Process(name, self.dataset.folder, self._place(name))

    def _tune(self, processes: dict[str, Process], results: dict[str, Measured]) -> None:
        """Find how widely each must search for the recall of the first, the engine if it runs."""
        truth = exact_rows(np.asarray(self.dataset.vectors), self.queries)
        everything = range(len(self.queries))
        target = 0.0
        for name, process in processes.items():
            for breadth in process.breadths:
                found = process.search(everything, breadth)
                recall = recall_of(found.rows, truth)
                results[name].breadth, results[name].recall = breadth, recall
                if recall >= target - RECALL_TOLERANCE:
                    break
            if name == ENGINE:
                target = recall

    def _time(self, processes: dict[str, Process], results: dict[str, Measured]) -> None:
        for number in range(self.rounds):
            chosen = self._round(number)
            for name, process in processes.items():
                breadth, result = results[name].breadth, results[name]
                if process.breadths:
                    found = process.search(chosen, breadth)
                    result.milliseconds += found.milliseconds
                    result.ranking_milliseconds += found.ranking_milliseconds
                result.lexical_milliseconds += process.words("lexical", chosen, breadth)
                result.hybrid_milliseconds += process.words("hybrid", chosen, breadth)
        for _ in range(self.rounds):
            for threads in (1, 2):
                for name, process in processes.items():
                    if not process.breadths:
                        continue
                    rate = process.throughput(self._round(0), results[name].breadth, threads)
                    results[name].per_second.setdefault(threads, []).append(rate)

    def _time_filtered(self, processes: dict[str, Process], results: dict[str, Measured]) -> None:
        filtering = {name: process for name, process in processes.items() if process.filters}
        for case in filter_cases(self.dataset, self.queries) if filtering else []:
            for name, process in filtering.items():
                results[name].filtered[case.name] = self._filtered(
                    process, case, results[name].breadth
                )

    def _filtered(self, process: Process, case: FilterCase, breadth: int) -> Filtered:
        everything = range(len(self.queries))
        found = process.search(everything, breadth, case.as_requests(everything))
        filtered: list[float] = []
        unfiltered: list[float] = []
        for number in range(self.rounds):
            chosen = self._round(number)
            unfiltered += process.search(chosen, breadth).milliseconds
            filtered += process.search(chosen, breadth, case.as_requests(chosen)).milliseconds
        return Filtered(recall_of(found.rows, case.truth), filtered, unfiltered)

    def _round(self, number: int) -> list[int]:
        start = number * self.queries_per_round
        return [n % len(self.queries) for n in range(start, start + self.queries_per_round)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables of each size."""
    options = _parse(arguments)
    print_machine(*PACKAGES)
    sizes = [*options.sizes, *(SLOW_SIZES if options.slow else ())]
    vectors, texts, queries = _real_data(max(sizes))
    for rows in sizes:
        folder = LOCAL_FOLDER / "search" / str(rows)
        dataset = write_dataset(folder / "data", vectors, texts, queries, rows)
        jittered = max(0, rows - len(vectors))
        print(f"\n{rows:,} vectors of {vectors.shape[1]} dimensions, {QUERIES} queries", end="")
        print(f"; {jittered:,} are jittered copies, noise {JITTER:.2f}" if jittered else "")
        run = Run(dataset, folder, options.systems, queries.vectors, reuse=options.reuse)
        results = run.measure()
        print_results(results)
        if ENGINE in results:
            record_figures(_figures(rows, results[ENGINE]))
    if ENGINE in options.systems:
        _print_opening(vectors, texts, queries)
    return 0


def _real_data(count: int) -> tuple[Vectors, list[tuple[str, str]], Queries]:
    """Return at least `count` vectors where there are so many, their texts, and the queries."""
    encoder = OnnxEncoder.from_directory(ensure_model(repository_root()), OnnxOptions(threads=1))
    documentation = read_documentation(REAL_PASSAGES, QUERIES)
    # Whole slices, as the cache keeps those.
    chunks = documentation.chunks[: -(-count // TEXTS_PER_SLICE) * TEXTS_PER_SLICE]
    passages = [passage_for_embedding(chunk) for chunk in chunks]
    vectors = EmbeddingCache().encode_documents(encoder, "onnx", passages)
    rows, milliseconds = [], []
    for text in documentation.queries:
        started = time.perf_counter()
        rows.append(encoder.encode_query(text))
        milliseconds.append((time.perf_counter() - started) * 1000.0)
    record_figures({"embed.query_ms": _median(milliseconds)})
    queries = Queries(documentation.queries, np.stack(rows))
    return vectors, [(chunk.metadata.title, chunk.text) for chunk in chunks], queries


def print_results(results: dict[str, Measured]) -> None:
    """Print what was measured of all systems, and the filtered queries below."""
    print_table(
        ("system", "ef", "recall@10", "p50 ms", "p95 ms", "QPS 1", "QPS 2", "bytes/vector",
         "build s", "open cached s", "open from disk s", "peak MB"),
        [_row(name, found) for name, found in results.items() if found.milliseconds],
    )  # fmt: skip
    by_words = {name: found for name, found in results.items() if found.lexical_milliseconds}
    if by_words:
        print()
        print_table(
            ("by words", "lexical p50 ms", "p95 ms", "hybrid p50 ms", "p95 ms", "hybrid / dense"),
            [_words_row(name, found) for name, found in by_words.items()],
        )
    for name, found in by_words.items():
        if name == ENGINE:
            print(
                f"{name}: dense p50 without reading the texts of the hits, as its peers: "
                f"{_median(found.ranking_milliseconds):.3f} ms"
            )
    filtered = {name: found for name, found in results.items() if found.filtered}
    if filtered:
        print()
        print_table(
            ("filtered", "system", "recall@10", "p50 ms", "p95 ms", "p50 / unfiltered"),
            [
                [case, name, under.recall, *_percentiles(under.milliseconds), under.ratio]
                for name, found in filtered.items()
                for case, under in found.filtered.items()
            ],
        )


def _row(name: str, found: Measured) -> list[Cell]:
    return [
        name,
        found.breadth or None,
        found.recall,
        *_percentiles(found.milliseconds),
        round(_median(found.per_second[1])),
        round(_median(found.per_second[2])),
        round(found.bytes_per_vector),
        found.build_seconds,
        found.open_seconds_cached,
        found.open_seconds_from_disk,
        round(found.peak_megabytes),
    ]


def _words_row(name: str, found: Measured) -> list[Cell]:
    lexical = _percentiles(found.lexical_milliseconds)
    if not found.hybrid_milliseconds:
        return [name, *lexical, None, None, None]
    hybrid = _percentiles(found.hybrid_milliseconds)
    return [name, *lexical, *hybrid, hybrid[0] / _median(found.milliseconds)]


def _figures(rows: int, found: Measured) -> dict[str, float]:
    name = f"search.{rows}"
    return {
        f"{name}.recall_at_10": found.recall,
        f"{name}.p50_ms": _median(found.milliseconds),
        f"{name}.lexical_p50_ms": _median(found.lexical_milliseconds),
        f"{name}.hybrid_p50_ms": _median(found.hybrid_milliseconds),
        f"{name}.bytes_per_vector": found.bytes_per_vector,
        f"{name}.open_seconds_from_disk": found.open_seconds_from_disk,
        f"{name}.peak_megabytes": found.peak_megabytes,
    }


def _print_opening(vectors: Vectors, texts: list[tuple[str, str]], queries: Queries) -> None:
    """How long the engine takes from opening a shard of 100 MB to its first answer."""
    folder = LOCAL_FOLDER / "search" / "opening"
    sample = write_dataset(folder / "data", vectors, texts, queries, min(5_000, len(vectors)))
    built = run_once(ENGINE, sample.folder, folder / "engine", "build")
    rows = round(SHARD_BYTES / (built["bytes"] / len(sample.vectors)))
    dataset = write_dataset(folder / "data", vectors, texts, queries, rows)
    built = run_once(ENGINE, dataset.folder, folder / "engine", "build")
    times = {
        evict: [
            run_once(ENGINE, dataset.folder, folder / "engine", "answer", evict=evict)["seconds"]
            for _ in range(OPENINGS)
        ]
        for evict in (True, False)
    }
    print(
        f"\none shard of {built['bytes'] / 1e6:.0f} MB ({rows:,} vectors), open to first answer: "
        f"{_median(times[True]):.3f} s from disk, {_median(times[False]):.3f} s cached"
    )
    record_figures({"search.open_100_mb_seconds": _median(times[True])})


def _percentiles(milliseconds: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(milliseconds)
    return _median(ordered), ordered[max(0, round(len(ordered) * 0.95) - 1)]


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), help="numbers of rows")
    parser.add_argument("--slow", action="store_true", help="a million rows as well")
    parser.add_argument("--reuse", action="store_true", help="build only what is not built yet")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
