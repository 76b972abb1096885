"""Take one safeguard of the code away at a time, and see which seed of the simulation notices.

python -m tests.simulation.mutants [--seeds N] [--processes N] [--only NAME ...] [--table]

The code as it is goes first, unless mutants are named: where the simulation fails without any
mutant, what it says of mutants is worth nothing.
"""

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, TextIO

from tests.simulation.safeguards.catalogue import MUTANTS
from tests.simulation.safeguards.mutant import CannotBeMadeError, Mutant

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("shared", "services", "scripts", "tests")
"""What a simulation imports; it is copied once for each process and not for each mutant."""

_FAILS = re.compile(r"seed (?P<seed>\d+) fails: (?P<sentence>.+)")
_LONGEST_SENTENCE = 100
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant; `seed` and `sentence` are those of what noticed it.

    `late`: the time limit was over first, so that nothing is known. `unmade`: it fits the code no
    longer, or the simulation ended in another way than it should; `sentence` says in which.
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
        compileall.compile_dir(folder, quiet=2)
        return cls(folder)

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


def simulate(tree: Tree, seeds: int, limit_seconds: float) -> Verdict:
    """Run the simulation in a tree until a seed fails."""
    command = [sys.executable, "-m", "tests.simulation.simulate", "--seeds", str(seeds)]
    command += ["--stop-at-first", "--no-shrink", "--processes", "1"]
    # No compiled file of a mutant may stay; and nothing of another checkout may be imported.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        done = subprocess.run(
            command,
            cwd=tree.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict("late", sentence=f"no answer within {limit_seconds:.0f} s")
    return read_answer(done.returncode, done.stdout, done.stderr)


def read_answer(status: int, output: str, errors: str) -> Verdict:
    """Read what a simulation printed: its last line names the seed that failed."""
    if status == 0:
        return Verdict("survives")
    last = (output.strip().splitlines() or [""])[-1]
    if status == 1 and (found := _FAILS.fullmatch(last.strip())):
        return Verdict("caught", int(found["seed"]), found["sentence"])
    said = (errors.strip() or output.strip() or "nothing was said").splitlines()[-1]
    return Verdict("unmade", sentence=f"exit status {status}: {said[:_LONGEST_ERROR]}")


def try_mutant(
    trees: "SimpleQueue[Tree]", run: Callable[[Tree], Verdict], mutant: Mutant
) -> Verdict:
    """Try a mutant in a tree that nobody uses."""
    tree = trees.get()
    try:
        with tree.with_mutant(mutant):
            return run(tree)
    except CannotBeMadeError as error:
        return Verdict("unmade", sentence=str(error))
    finally:
        trees.put(tree)


def described(verdict: Verdict, seeds: int) -> str:
    """A verdict in some words."""
    match verdict.kind:
        case "caught":
            return f"caught by seed {verdict.seed}: {_shortened(verdict.sentence)}"
        case "survives":
            return f"SURVIVES {seeds} seeds"
        case "late":
            return f"UNDECIDED: {verdict.sentence}"
        case "unmade":
            return f"CANNOT BE MADE: {verdict.sentence}"


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many mutants there were, and how many of them were noticed."""
    counts = {kind: sum(v.kind == kind for v in verdicts) for kind in ("caught", "late", "unmade")}
    words = f"{len(verdicts)} mutants, {counts['caught']} caught"
    if counts["late"]:
        words += f", {counts['late']} undecided"
    if counts["unmade"]:
        words += f", {counts['unmade']} could not be made"
    return words


def table(found: Mapping[Mutant, Verdict], seeds: int) -> str:
    """The verdicts as a table of Markdown."""
    lines = ["| safeguard | where | caught by |", "| --- | --- | --- |"]
    for mutant, verdict in found.items():
        cells = (
            mutant.safeguard.removesuffix("."),
            f"`{mutant.path}`",
            _table_words(verdict, seeds),
        )
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _table_words(verdict: Verdict, seeds: int) -> str:
    match verdict.kind:
        case "caught":
            return f"seed {verdict.seed}: {_shortened(verdict.sentence)}"
        case "survives":
            return f"none of {seeds} seeds"
        case _:
            return "not known"


def _shortened(sentence: str) -> str:
    if len(sentence) <= _LONGEST_SENTENCE:
        return sentence
    return f"{sentence[: _LONGEST_SENTENCE - 4].rstrip()} ..."


def run_all(
    mutants: Sequence[Mutant], options: argparse.Namespace, out: TextIO, root: Path = ROOT
) -> dict[Mutant, Verdict]:
    """Try mutants, several at once, and say what became of each.

    Raises:
        CannotBeMadeError: the simulation does not hold without any mutant.
    """
    run = partial(simulate, seeds=options.seeds, limit_seconds=options.time_limit)
    trees: SimpleQueue[Tree] = SimpleQueue()
    found: dict[Mutant, Verdict] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for number in range(options.processes):
            trees.put(Tree.copied(Path(folder, str(number)), root))
        if not options.only:
            _require_holds(trees, run, options.seeds)
        with ThreadPoolExecutor(options.processes) as pool:
            verdicts = pool.map(partial(try_mutant, trees, run), mutants)
            for mutant, verdict in zip(mutants, verdicts, strict=True):
                found[mutant] = verdict
                out.write(f"{mutant.name}: {described(verdict, options.seeds)}\n")
                out.flush()
    out.write(f"{summary(list(found.values()))}\n")
    return found


def _require_holds(trees: "SimpleQueue[Tree]", run: Callable[[Tree], Verdict], seeds: int) -> None:
    tree = trees.get()
    verdict = run(tree)
    trees.put(tree)
    if verdict.kind != "survives":
        raise CannotBeMadeError(
            f"the simulation does not hold without any mutant: {described(verdict, seeds)}"
        )


def chosen(names: Sequence[str] | None) -> list[Mutant]:
    """Return the mutants of these names, or all.

    Raises:
        CannotBeMadeError: there is none of a name.
    """
    known = {mutant.name: mutant for mutant in MUTANTS}
    if not names:
        return list(MUTANTS)
    if unknown := sorted(set(names) - known.keys()):
        raise CannotBeMadeError(f"there is no mutant {', '.join(unknown)}")
    return [known[name] for name in dict.fromkeys(names)]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status, which is 0 unless a mutant could not be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants")
    parser.add_argument("--seeds", type=int, default=500, help="of each mutant; default 500")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="mutants at once; default all"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these mutants only")
    parser.add_argument("--table", action="store_true", help="print a table of Markdown")
    parser.add_argument(
        "--time-limit", type=float, default=1800.0, help="seconds for a mutant; default 1800"
    )
    options = parser.parse_args(arguments)
    try:
        mutants = chosen(options.only)
        found = run_all(mutants, options, sys.stderr if options.table else sys.stdout)
    except CannotBeMadeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.table:
        sys.stdout.write(f"{table(found, options.seeds)}\n")
    return int(any(verdict.kind == "unmade" for verdict in found.values()))


if __name__ == "__main__":
    sys.exit(main())
