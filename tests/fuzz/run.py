"""Fuzzes targets one after the other, each for some seconds in a separate process.

    .venv-fuzz/bin/python -m tests.fuzz.run [--seconds 10] [TARGET ...]

It prints a line for each and ends with status 1 when one failed.
"""

import argparse
import os
import signal
import subprocess
import sys

from tests.fuzz.catalogue import NAMES
from tests.fuzz.folders import ROOT, Folders
from tests.fuzz.outcome import Outcome
from tests.fuzz.target import INPUT_TIMEOUT_SECONDS

MEMORY_LIMIT_MEGABYTES = 2048
# For the start, and for going through what earlier runs have kept.
SECONDS_BESIDES = 120
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "LOG_LEVEL": "CRITICAL", "PYTHONHASHSEED": "0"}


def fuzz(name: str, seconds: int) -> Outcome:
    """Run one target; whatever it finds, it ends."""
    command = [
        sys.executable, "-m", "tests.fuzz.one_target", name,
        f"-max_total_time={seconds}", f"-timeout={INPUT_TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_LIMIT_MEGABYTES}", "-print_final_stats=1",
    ]  # fmt: skip
    folders = Folders(name)
    folders.make()
    with folders.log.open("wb") as log:
        try:
            status = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, **_ENVIRONMENT},
                timeout=seconds + SECONDS_BESIDES,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            log.write(f"\nSUMMARY: libFuzzer: no end after {seconds} seconds\n".encode())
            status = -signal.SIGKILL
    return Outcome.of(name, status, folders.log.read_text(encoding="utf-8", errors="replace"))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Fuzz parsers of foreign bytes.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.targets) - set(NAMES)):
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(NAMES)}")
    failed = 0
    for name in given.targets or NAMES:
        outcome = fuzz(name, given.seconds)
        print(outcome.line(), flush=True)
        failed += outcome.failure is not None
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
