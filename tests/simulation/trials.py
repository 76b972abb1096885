"""How a mutant is tried: by the simulation of a copy of the code, and by the tests of its area."""

import compileall
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.simulation.safeguards.mutant import CannotBeMadeError, Mutant

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("shared", "services", "scripts", "examples", "tests")
"""What a simulation imports; it is copied once for each process and not for each mutant."""

_OF_TESTS = ("pyproject.toml", "requirements", ".venv-local-aws")
_FAILS = re.compile(r"seed (?P<seed>\d+) fails: (?P<sentence>.+)")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?P<test>\S+)", re.M)
_LONGEST_ERROR = 300
_ENDING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant; `seed` and `sentence` are those of what noticed it.

    Where a test noticed it there is no seed, and `sentence` is the test's name. `late`: the time
    limit was over first, so that nothing is known. `unmade`: it fits the code no longer, or what
    was run ended in another way than it should; `sentence` says in which.
    """

    kind: Literal["caught", "survives", "late", "unmade"]
    seed: int | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """A copy of the code, in which one file at a time is another one."""

    folder: Path

    @classmethod
    def copied(cls, folder: Path, root: Path = ROOT) -> "Tree":
        """Copy the code, compiled, so that a simulation begins at once."""
        for name in FOLDERS:
            if (root / name).exists():
                ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".*")
                shutil.copytree(root / name, folder / name, ignore=ignored)
        for name in _OF_TESTS:
            if (root / name).exists():
                (folder / name).symlink_to((root / name).resolve())
        compileall.compile_dir(folder, quiet=2)
        return cls(folder)

    def fits(self, mutant: Mutant) -> bool:
        """Whether the mutant fits the code."""
        path = self.folder / mutant.path
        return path.is_file() and path.read_text(encoding="utf-8").count(mutant.before) == 1

    @contextmanager
    def with_mutant(self, mutant: Mutant) -> Iterator[None]:
        """Have the code without a safeguard for the block.

        Raises:
            CannotBeMadeError: it does not fit the code.
        """
        path = self.folder / mutant.path
        if not path.is_file():
            raise CannotBeMadeError(f"{mutant.name}: there is no {mutant.path}")
        source, found = path.read_bytes(), path.stat()
        path.write_text(mutant.applied_to(source.decode()), encoding="utf-8")
        # Another time than that of the compiled file, which would be used in its place.
        os.utime(path, (0, 0))
        try:
            yield
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def simulate(tree: Tree, seeds: int, limit_seconds: float, first: int = 0) -> Verdict:
    """Run the simulation in a tree until a seed fails, beginning with the seed `first`."""
    command = [sys.executable, "-m", "tests.simulation.simulate", "--seeds", str(seeds)]
    command += ["--first", str(first), "--stop-at-first", "--no-shrink", "--processes", "1"]
    return _answer(tree, command, limit_seconds, read_answer)


def run_tests(tree: Tree, tests: Sequence[str], limit_seconds: float) -> Verdict:
    """Run tests in a tree until one fails."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no"]
    command += ["-p", "no:cacheprovider"]
    if (tree.folder / "tests/conftest.py").exists():
        command.append("--hypothesis-profile=first-failure")
    command += tests
    return _answer(tree, command, limit_seconds, read_tests)


def _answer(
    tree: Tree,
    command: Sequence[str],
    limit_seconds: float,
    read: Callable[[int, str, str], Verdict],
) -> Verdict:
    # No compiled file of a mutant may stay; and nothing of another checkout may be imported.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    with subprocess.Popen(
        command,
        cwd=tree.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            process.terminate()  # tests that are told to end stop the servers that they started
            try:
                process.communicate(timeout=_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            return Verdict("late", sentence=f"no answer within {limit_seconds:.0f} s")
    return read(process.returncode, output, errors)


def read_answer(status: int, output: str, errors: str) -> Verdict:
    """Read what a simulation printed: its last line names the seed that failed."""
    if status == 0:
        return Verdict("survives")
    last = (output.strip().splitlines() or [""])[-1]
    if status == 1 and (found := _FAILS.fullmatch(last.strip())):
        return Verdict("caught", int(found["seed"]), found["sentence"])
    said = (errors.strip() or output.strip() or "nothing was said").splitlines()[-1]
    return Verdict("unmade", sentence=f"exit status {status}: {said[:_LONGEST_ERROR]}")


def read_tests(status: int, output: str, errors: str) -> Verdict:
    """Read what pytest printed: its summary names the test that failed."""
    if status == 0:
        return Verdict("survives")
    if status == 1 and (found := _FAILED.search(output)):
        return Verdict("caught", sentence=found["test"])
    said = (errors.strip() or output.strip() or "nothing was said").splitlines()[-1]
    return Verdict("unmade", sentence=f"exit status {status}: {said[:_LONGEST_ERROR]}")
