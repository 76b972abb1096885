"""Fuzzes targets one after the other, each for some seconds in a separate process.

    .venv-fuzz/bin/python -m tests.fuzz.run [--seconds 10] [TARGET ...]

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
from functools import partial
from importlib import import_module

from tests.fuzz.catalogue import NAMES
from tests.fuzz.child import status_of
from tests.fuzz.folders import ROOT, Folders
from tests.fuzz.outcome import Outcome
from tests.fuzz.target import INPUT_TIMEOUT_SECONDS

MEMORY_LIMIT_MEGABYTES = 2048
# For the seeds, and for going through what earlier runs have kept.
SECONDS_BESIDES = 120
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "LOG_LEVEL": "CRITICAL", "PYTHONHASHSEED": "0"}


def fuzz(one_target: Callable[[list[str]], None], name: str, seconds: int) -> Outcome:
    """Run one target; whatever it finds, it ends."""
    arguments = [
        name, f"-max_total_time={seconds}", f"-timeout={INPUT_TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_LIMIT_MEGABYTES}", "-print_final_stats=1",
    ]  # fmt: skip
    folders = Folders(name)
    folders.make()
    status = status_of(partial(one_target, arguments), folders.log, seconds + SECONDS_BESIDES)
    return Outcome.of(name, status, _log(name))


def _log(name: str) -> str:
    return Folders(name).log.read_text(encoding="utf-8", errors="replace")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Fuzz parsers of foreign bytes.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
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
    failed: list[Outcome] = []
    for name in names:
        outcome = fuzz(fuzzer.main, name, given.seconds)
        print(outcome.line(), flush=True)
        if outcome.failure is not None:
            failed.append(outcome)
    for outcome in failed:
        print(outcome.report(_log(outcome.target)), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
