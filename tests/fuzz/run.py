"""Fuzzes targets one after the other, each in a separate process.

    .venv-fuzz/bin/python -m tests.fuzz.run [--seconds 10 | --executions 5000] [TARGET ...]

With seconds, a run goes on from the inputs that earlier ones have kept, and tries others each time.
With executions it begins with the inputs of the checkout and makes others with a fixed random seed:
how many and, nearly, which ones does not depend on the machine.

It prints a line for each, reports each failure at the end, and ends with status 1 when there is
one. It imports and instruments the code once, because this takes over a second; the process of each
target begins as a copy of it.
"""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from tests.fuzz.catalogue import NAMES
from tests.fuzz.child import status_of
from tests.fuzz.folders import ROOT, WITHOUT_KEPT, Folders
from tests.fuzz.outcome import Outcome
from tests.fuzz.target import INPUT_TIMEOUT_SECONDS

MEMORY_LIMIT_MEGABYTES = 2048
RANDOM_SEED = 1
# For the seeds, and for going through what earlier runs have kept.
SECONDS_BESIDES = 120
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "LOG_LEVEL": "CRITICAL", "PYTHONHASHSEED": "0"}


@dataclass(frozen=True, slots=True)
class Length:
    """How long a target is fuzzed: for some seconds, or for so many executions in any time."""

    seconds: int
    executions: int | None

    def arguments(self) -> list[str]:
        """The options of `tests.fuzz.one_target` and libFuzzer that say it."""
        if self.executions is None:
            return [f"-max_total_time={self.seconds}"]
        return [WITHOUT_KEPT, f"-runs={self.executions}", f"-seed={RANDOM_SEED}"]

    def timeout_seconds(self) -> int:
        """After how long a process does not end any more."""
        return SECONDS_BESIDES + (self.seconds if self.executions is None else 0)


def fuzz(one_target: Callable[[list[str]], None], name: str, length: Length) -> Outcome:
    """Run one target; whatever it finds, it ends."""
    arguments = [
        name, *length.arguments(), f"-timeout={INPUT_TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_LIMIT_MEGABYTES}", "-print_final_stats=1",
    ]  # fmt: skip
    folders = Folders(name)
    folders.make()
    status = status_of(partial(one_target, arguments), folders.log, length.timeout_seconds())
    return Outcome.of(name, status, _log(name))


def _log(name: str) -> str:
    return Folders(name).log.read_text(encoding="utf-8", errors="replace")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Fuzz parsers of foreign bytes.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    lengths = parser.add_mutually_exclusive_group()
    lengths.add_argument("--seconds", type=int, default=10, help="for each target")
    lengths.add_argument("--executions", type=int, help="for each target, the same each time")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.targets) - set(NAMES)):
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(NAMES)}")
    if not _ENVIRONMENT.items() <= os.environ.items():
        # Python and numpy read these when they start.
        command = [sys.executable, "-m", "tests.fuzz.run", *arguments]
        os.execve(sys.executable, command, {**os.environ, **_ENVIRONMENT})
    os.chdir(ROOT)
    names = given.targets or NAMES
    fuzzer = import_module("tests.fuzz.one_target")  # atheris is in this environment only
    fuzzer.prepare(names)
    # A child would copy each page of memory on which its garbage collector marks an object.
    gc.freeze()
    length = Length(given.seconds, given.executions)
    failed: list[Outcome] = []
    for name in names:
        outcome = fuzz(fuzzer.main, name, length)
        print(outcome.line(), flush=True)
        if outcome.failure is not None:
            failed.append(outcome)
    for outcome in failed:
        print(outcome.report(_log(outcome.target)), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
