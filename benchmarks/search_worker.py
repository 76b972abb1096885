"""One system of the search benchmark in a separate process.

    python -m benchmarks.search_worker SYSTEM DATASET FOLDER build|answer|serve

`build` indexes, `answer` opens the index and answers one query, each saying how long it took;
`serve` does what lines on standard input ask for. Answers are lines of JSON on standard output.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.libraries import FaissHnsw, HnswlibAlone, LanceDb, NumpyExact, UsearchHnsw
from benchmarks.peers.systems import Dataset, RowFilter, System
from benchmarks.peers.word_indexes import Tantivy
from benchmarks.table import peak_memory_bytes
from shared.embedding.encoder import Vectors


def _engine() -> System:
    # Imported late, as the other systems should start without it.
    from benchmarks.peers.engine_system import Engine

    return Engine()


def _hnswlib() -> System:
    from benchmarks.peers.engine_system import engine_breadth

    return HnswlibAlone(engine_breadth())


SYSTEMS: dict[str, Callable[[], System]] = {
    "this engine": _engine,
    "hnswlib": _hnswlib,
    "faiss HNSW": FaissHnsw,
    "usearch": UsearchHnsw,
    "LanceDB": LanceDb,
    "tantivy": Tantivy,
    "numpy exact": NumpyExact,
}

Answer = dict[str, Any]


class Worker:
    """Measures one system."""

    def __init__(self, system: System, dataset: Dataset, folder: Path) -> None:
        self._system = system
        self._dataset = dataset
        self._folder = folder
        self._queries: Vectors = np.load(dataset.folder / "queries.npy")
        self._texts = dataset.query_texts

    def build(self) -> Answer:
        """Index again, with one CPU at hand; the size is of what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:1]))
        started = time.perf_counter()
        size_bytes = self._system.build(self._dataset, self._folder)
        return {"seconds": time.perf_counter() - started, "bytes": size_bytes} | _memory()

    def answer(self) -> Answer:
        """Open and search once; imports came before."""
        started = time.perf_counter()
        self._open()
        if self._system.breadths:
            self._system.search(self._queries[0], self._system.breadths[-1], None)
        else:
            self._by_words("lexical", 0, 0)
        return {"seconds": time.perf_counter() - started} | _memory()

    def serve(self) -> None:
        """Open, then answer requests until standard input ends."""
        self._open()
        _say({"breadths": list(self._system.breadths), "filters": self._system.filters})
        for line in sys.stdin:
            request = json.loads(line)
            _say(getattr(self, f"do_{request.pop('do')}")(**request))

    def do_search(
        self, queries: Sequence[int], breadth: int, conditions: Sequence[Answer] | None = None
    ) -> Answer:
        """Search one query after the other: the rows and the milliseconds of each."""
        rows, milliseconds, ranking = [], [], []
        for position, number in enumerate(queries):
            condition = RowFilter(**conditions[position]) if conditions else None
            started = time.perf_counter()
            rows.append(self._system.search(self._queries[number], breadth, condition))
            milliseconds.append((time.perf_counter() - started) * 1000.0)
            ranking.append(getattr(self._system, "ranking_milliseconds", milliseconds[-1]))
        return {"rows": rows, "milliseconds": milliseconds, "ranking_milliseconds": ranking}

    def do_words(self, kind: str, queries: Sequence[int], breadth: int) -> Answer:
        """Search by words, or by vector and words, where the system can: milliseconds of each."""
        milliseconds: list[float] = []
        if not hasattr(self._system, f"search_{kind}"):
            return {"milliseconds": milliseconds}
        for number in queries:
            started = time.perf_counter()
            self._by_words(kind, number, breadth)
            milliseconds.append((time.perf_counter() - started) * 1000.0)
        return {"milliseconds": milliseconds}

    def _by_words(self, kind: str, number: int, breadth: int) -> None:
        system: Any = self._system
        if kind == "lexical":
            system.search_lexical(self._texts[number])
        else:
            system.search_hybrid(self._texts[number], self._queries[number], breadth)

    def do_throughput(self, queries: Sequence[int], breadth: int, threads: int) -> Answer:
        """Queries a second with so many threads that ask at once."""

        def ask(share: Sequence[int]) -> None:
            for number in share:
                self._system.search(self._queries[number], breadth, None)

        with ThreadPoolExecutor(threads) as pool:
            started = time.perf_counter()
            list(pool.map(ask, [queries[first::threads] for first in range(threads)]))
            seconds = time.perf_counter() - started
        return {"per_second": len(queries) / seconds}

    def _open(self) -> None:
        self._system.open(self._folder, self._queries.shape[1])


def _memory() -> Answer:
    return {"peak_megabytes": peak_memory_bytes() / 1e6}


def _say(answer: Answer) -> None:
    print(json.dumps(answer), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing with one system."""
    name, dataset, folder, task = arguments or sys.argv[1:]
    try:
        system = SYSTEMS[name]()
    except ModuleNotFoundError as error:
        _say({"absent": error.name})
        return 0
    worker = Worker(system, Dataset(Path(dataset)), Path(folder))
    if task == "serve":
        worker.serve()
    else:
        _say({"build": worker.build, "answer": worker.answer}[task]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
