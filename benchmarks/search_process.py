"""Processes of the search benchmark, seen from the one that asks them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.build_support import repository_root

# One thread a search: what is compared is the work of a query, not how it is spread over CPUs.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Found:
    """Rows and milliseconds of each query; ranking is all but reading texts of hits."""

    rows: list[list[int]]
    milliseconds: list[float]
    ranking_milliseconds: list[float]


def run_once(
    system: str, dataset: Path, folder: Path, task: str, *, evict: bool = False
) -> dict[str, Any]:
    """Do one task in a fresh process and return what it says.

    Args:
        system: a name of `search_worker.SYSTEMS`.
        dataset: what it indexes.
        folder: where it keeps its files.
        task: `build` or `answer`.
        evict: first take the files of `folder` out of the page cache, where the system lets one.
    """
    if evict:
        evict_files(folder)
    done = subprocess.run(
        _command(system, dataset, folder, task),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        cwd=repository_root(),
        env=os.environ | _ONE_THREAD,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def evict_files(folder: Path) -> None:
    """Write the files of a folder to disk and forget them in memory."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Process:
    """A system that is open and answers until `close`."""

    def __init__(self, system: str, dataset: Path, folder: Path) -> None:
        self._system = system
        self._process = subprocess.Popen(
            _command(system, dataset, folder, "serve"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=repository_root(),
            env=os.environ | _ONE_THREAD,
        )
        hello = self._answer()
        self.breadths: list[int] = hello["breadths"]
        self.filters: bool = hello["filters"]

    def search(
        self,
        queries: Sequence[int],
        breadth: int,
        conditions: Sequence[dict[str, int | None]] | None = None,
    ) -> Found:
        """Search some queries, one after the other."""
        asked = {"queries": list(queries), "breadth": breadth, "conditions": conditions}
        answer = self._ask("search", asked)
        return Found(answer["rows"], answer["milliseconds"], answer["ranking_milliseconds"])

    def words(self, kind: str, queries: Sequence[int], breadth: int) -> list[float]:
        """Milliseconds of searches, `lexical` or `hybrid`; none where the system has none."""
        asked = {"kind": kind, "queries": list(queries), "breadth": breadth}
        found: list[float] = self._ask("words", asked)["milliseconds"]
        return found

    def throughput(self, queries: Sequence[int], breadth: int, threads: int) -> float:
        """Queries a second."""
        asked = {"queries": list(queries), "breadth": breadth, "threads": threads}
        return float(self._ask("throughput", asked)["per_second"])

    def close(self) -> None:
        """Let the process end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ask(self, what: str, request: dict[str, Any]) -> dict[str, Any]:
        stream = self._process.stdin
        if stream is None:
            raise RuntimeError("the process has no standard input")
        stream.write(json.dumps({"do": what} | request) + "\n")
        stream.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        stream = self._process.stdout
        line = stream.readline() if stream is not None else ""
        if not line:
            raise RuntimeError(f"{self._system} ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _command(system: str, dataset: Path, folder: Path, task: str) -> list[str]:
    return [
        sys.executable, "-m", "benchmarks.search_worker", system, str(dataset), str(folder), task,
    ]  # fmt: skip
