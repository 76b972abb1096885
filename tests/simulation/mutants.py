"""Take one safeguard of the code away at a time, and see which seed of the simulation notices.

python -m tests.simulation.mutants [--seeds N] [--tests] [--covering] [--noticed] [--processes N]
    [--only NAME ...] [--table]

With `--noticed`, each mutant is shown to what docs/why/safeguards.md says notices it: the test, or
the seed and then 150 others. That takes minutes, and finds each row that is true no longer. Without
it:
With `--tests`, what no seed notices is shown to the tests, the fastest first; with `--seeds 0`, to
these alone. With `--covering` the tests run once without a mutant, which takes some minutes, and
each mutant is shown to those that execute it, which saves hours.

The code as it is goes first, unless mutants are named: where the simulation fails without any
mutant, what it says of mutants is worth nothing.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from tests.simulation.covering import FOLDERS, Covering, most_specific_first
from tests.simulation.noticed import PAGE, Notice, read_notices
from tests.simulation.safeguards.catalogue import BY_AREA, MUTANTS
from tests.simulation.safeguards.mutant import CannotBeMadeError, Mutant
from tests.simulation.trials import ROOT, Tree, Verdict, run_tests, simulate

_LONGEST_SENTENCE = 100
_FIRST_TESTS = 30
_OTHER_SEEDS = 150


def try_mutant(
    trees: "SimpleQueue[Tree]",
    options: argparse.Namespace,
    tests_to_show: Mapping[Mutant, Sequence[Sequence[str]]],
    notices: Mapping[Mutant, Notice],
    mutant: Mutant,
) -> Verdict:
    """Try a mutant in a free tree; without tests to show, all are shown."""
    tree = trees.get()
    try:
        with tree.with_mutant(mutant):
            if options.noticed:
                return _shown_to(tree, notices.get(mutant, Notice()), options.time_limit)
            verdict = Verdict("survives")
            if options.seeds:
                verdict = simulate(tree, options.seeds, options.time_limit)
            if options.tests:
                batches = iter(tests_to_show.get(mutant) or [FOLDERS])
                while verdict.kind == "survives" and (tests := next(batches, None)):
                    verdict = run_tests(tree, tests, options.time_limit)
            return verdict
    except CannotBeMadeError as error:
        return Verdict("unmade", sentence=str(error))
    finally:
        trees.put(tree)


def _shown_to(tree: Tree, notice: Notice, limit_seconds: float) -> Verdict:
    if notice.seed is not None:
        verdict = simulate(tree, 1, limit_seconds, first=notice.seed)
        if verdict.kind == "survives":  # what a seed does changes with the code
            verdict = simulate(tree, _OTHER_SEEDS, limit_seconds)
        return verdict
    if not notice.tests:
        return Verdict("unmade", sentence=f"{PAGE} names no seed and no test that there is")
    return run_tests(tree, notice.tests, limit_seconds)


def described(verdict: Verdict, seeds: int) -> str:
    """A verdict in some words."""
    match verdict.kind:
        case "caught" if verdict.seed is None:
            return f"caught by {verdict.sentence}"
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
    if by_tests := sum(v.kind == "caught" and v.seed is None for v in verdicts):
        words += f" ({by_tests} of them by tests)"
    if counts["late"]:
        words += f", {counts['late']} undecided"
    if counts["unmade"]:
        words += f", {counts['unmade']} could not be made"
    return words


def table(found: Mapping[Mutant, Verdict], seeds: int) -> str:
    """The verdicts as tables of Markdown, one for each area."""
    lines = []
    for area, mutants in BY_AREA.items():
        tried = [mutant for mutant in mutants if mutant in found]
        if tried:
            lines += ["", f"## {area.capitalize()}", ""]
            lines += ["| safeguard | noticed by |", "| --- | --- |"]
        for mutant in tried:
            cells = (mutant.safeguard.removesuffix("."), _table_words(found[mutant], seeds))
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _table_words(verdict: Verdict, seeds: int) -> str:
    match verdict.kind:
        case "caught" if verdict.seed is None:
            return f"`{verdict.sentence.rpartition('::')[2].partition('[')[0]}`"
        case "caught":
            return f"seed {verdict.seed}"
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
    trees: SimpleQueue[Tree] = SimpleQueue()
    found: dict[Mutant, Verdict] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for number in range(options.processes):
            trees.put(Tree.copied(Path(folder, str(number)), root))
        if not options.only and not options.noticed:
            _require_holds(trees, options)
        tests_to_show = _covering_tests(trees, mutants, options) if options.covering else {}
        notices = read_notices(root, mutants) if options.noticed else {}
        with ThreadPoolExecutor(options.processes) as pool:
            work = partial(try_mutant, trees, options, tests_to_show, notices)
            verdicts = pool.map(work, mutants)
            for mutant, verdict in zip(mutants, verdicts, strict=True):
                found[mutant] = verdict
                out.write(f"{mutant.name}: {described(verdict, options.seeds)}\n")
                out.flush()
    out.write(f"{summary(list(found.values()))}\n")
    return found


def _covering_tests(
    trees: "SimpleQueue[Tree]", mutants: Sequence[Mutant], options: argparse.Namespace
) -> dict[Mutant, list[Sequence[str]]]:
    """The tests that execute each mutant, a few at a time; no entry where none is known."""
    tree = trees.get()
    covering = Covering.measured(tree.folder, FOLDERS, options.processes)
    trees.put(tree)
    fitting = [mutant for mutant in mutants if tree.fits(mutant)]
    found = most_specific_first({mutant: covering.tests_of(mutant) for mutant in fitting})
    return {
        mutant: [tests[:_FIRST_TESTS], *([tests[_FIRST_TESTS:]] if tests[_FIRST_TESTS:] else [])]
        for mutant, tests in found.items()
        if tests
    }


def _require_holds(trees: "SimpleQueue[Tree]", options: argparse.Namespace) -> None:
    tree = trees.get()
    verdict = simulate(tree, options.seeds, options.time_limit)
    trees.put(tree)
    if verdict.kind != "survives":
        raise CannotBeMadeError(
            f"the simulation does not hold without any mutant: {described(verdict, options.seeds)}"
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
    parser.add_argument("--tests", action="store_true", help="also the tests, of what survives")
    parser.add_argument("--covering", action="store_true", help="the tests that execute it first")
    parser.add_argument(
        "--noticed", action="store_true", help=f"only by what {PAGE} says notices them"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these mutants only")
    parser.add_argument("--table", action="store_true", help="print tables of Markdown")
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
