"""Runs inputs through their target without a fuzzer: what failed once fails here, with its trace.

    python -m tests.fuzz.replay TARGET [FILE ...]

Without files it goes through all that a run begins with.
"""

import argparse
import faulthandler
import signal
import sys
from pathlib import Path

from tests.fuzz.catalogue import NAMES, load, seeds
from tests.fuzz.target import INPUT_TIMEOUT_SECONDS


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Run inputs through a fuzz target.")
    parser.add_argument("target", choices=NAMES, metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    target = load(given.target)
    inputs = [path.read_bytes() for path in given.files] or list(seeds(given.target, target))
    faulthandler.enable()
    for data in inputs:
        faulthandler.dump_traceback_later(INPUT_TIMEOUT_SECONDS, exit=True)
        target.check(data)
        faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(f"{given.target}: held, inputs: {len(inputs)}\n")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
