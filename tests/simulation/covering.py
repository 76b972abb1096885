"""Which tests execute which line, so that a mutant is shown to those that can notice it."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from tests.simulation.safeguards.mutant import CannotBeMadeError, Mutant

FOLDERS = (
    "tests/unit/table", "tests/unit/runs", "tests/unit/storage", "tests/unit/messaging",
    "tests/unit/ingest", "tests/unit/embedder", "tests/unit/indexer", "tests/unit/compactor",
    "tests/unit/index", "tests/integration/storage", "tests/integration/messaging",
    "tests/integration/table", "tests/integration/runs", "tests/integration/corpora",
    "tests/integration/compactor", "tests/integration/cli",
)  # fmt: skip
"""The tests that a mutant is shown to, the fastest first."""

_DATA = ".coverage"
_BLOCKS = (ast.FunctionDef, ast.ClassDef, ast.With, ast.Try, ast.For, ast.While, ast.If)


@dataclass(frozen=True, slots=True)
class Covering:
    """What a run of the tests in `folder`, a copy of the code, has executed."""

    folder: Path
    data: CoverageData

    @classmethod
    def measured(cls, folder: Path, tests: Sequence[str], processes: int) -> "Covering":
        """Run the tests once, and note for each line which of them executed it.

        Raises:
            CannotBeMadeError: a test failed without any mutant.
        """
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
        command += ["--hypothesis-profile=first-failure", "-n", str(processes), "--dist=loadfile"]
        command += ["--cov=shared", "--cov=services", "--cov-context=test", "--cov-report=", *tests]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if run.returncode:
            last = (run.stdout.strip() or run.stderr.strip()).splitlines()[-1]
            raise CannotBeMadeError(f"the tests fail without any mutant: {last}")
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> "Covering":
        """Read what an earlier run in the folder noted."""
        data = CoverageData(basename=str(folder / _DATA))
        data.read()
        return cls(folder, data)

    def tests_of(self, mutant: Mutant) -> set[str]:
        """Return the tests that execute what a mutant changes; none for a module's own lines."""
        path = self.folder / mutant.path
        contexts = self.data.contexts_by_lineno(str(path))
        lines = lines_of(mutant, path.read_text(encoding="utf-8"))
        found = {context.partition("|")[0] for line in lines for context in contexts.get(line, ())}
        return found - {""}


def lines_of(mutant: Mutant, source: str) -> set[int]:
    """Return the numbers of the lines that a mutant changes, and where their statements begin."""
    first = source.count("\n", 0, source.index(mutant.before)) + 1
    last = first + mutant.before.rstrip("\n").count("\n")
    lines = set(range(first, last + 1))
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt):
            continue
        if isinstance(node, _BLOCKS):  # only its head: what it holds are separate statements
            is_changed = node.lineno <= first < node.body[0].lineno
        else:
            is_changed = node.lineno <= first and last <= (node.end_lineno or 0)
        if is_changed:
            lines.add(node.lineno)
    return lines


def most_specific_first(tests: dict[Mutant, set[str]]) -> dict[Mutant, list[str]]:
    """Order the tests of each mutant: those first that execute the fewest other mutants."""
    weight = Counter(test for found in tests.values() for test in found)
    return {
        mutant: sorted(found, key=lambda test: (weight[test], test))
        for mutant, found in tests.items()
    }
