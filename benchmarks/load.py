"""A load run on a separate stack, on a local AWS: the API over HTTP, and warm handlers' memory.

Through the door: `GET /retrieve` by 1, 4 and 16 clients with the usage plan's limit lifted, then
with it a flood, of which the plan must refuse a part with 429, every refusal in the documented
form, and after which ordinary requests must succeed. Memory: each handler in a separate process,
with its real environment, over services in memory, called ten thousand times; what it holds must
stay flat once it is warm. The status is 1 when one of these promises is broken; times are only
reported. The whole run ends by --deadline-seconds.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

from benchmarks.load_door import DoorFigures, measure_door, print_door
from benchmarks.load_memory import WarmMemory, measure_handlers, plan_of, print_memory
from benchmarks.measured_run import CpuWatch, measure_run
from benchmarks.table import print_machine
from benchmarks.warm_handler import HANDLERS, NOTES_CORPUS, NOTES_PREFIX, SOURCE_CORPUS
from scripts.build_support import BuildError
from scripts.demo.deployment import Deployment
from scripts.demo.errors import StackError
from scripts.demo.stack import LiveStack, live_stack
from scripts.demo.variables import PAGE_SIZE
from scripts.processes.errors import LocalProcessError
from scripts.terraform_tooling import TerraformError
from shared.errors import UltronError
from shared.platform.command_line import complain, run_command

DEFAULT_SECONDS = 20.0
DEFAULT_CALLS = 10_000
DEFAULT_DEADLINE_SECONDS = 3600
# What is left of the time for the removal of the stack.
_REMOVAL_SECONDS = 120
DOOR, MEMORY = "door", "memory"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the status is 1 when something failed or a promise is broken."""
    options = parse(arguments)
    ends_at = time.monotonic() + options.deadline_seconds
    print(f"this ends within {options.deadline_seconds} s", flush=True)
    try:
        with (
            _deadline(options.deadline_seconds),
            tempfile.TemporaryDirectory(prefix="ultron-load-") as name,
            live_stack(Path(name) / "stack", _variables) as stack,
        ):
            broken = _measure(stack, Path(name), options, ends_at - _REMOVAL_SECONDS)
    except (UltronError, BuildError, StackError, LocalProcessError, TerraformError) as error:
        complain(error)
        return 1
    for promise in broken:
        complain(promise, "broken promise")
    return 1 if broken else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the options of the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds",
        type=_positive(float),
        default=DEFAULT_SECONDS,
        help=f"how long each number of clients asks ({DEFAULT_SECONDS:g})",
    )
    parser.add_argument(
        "--calls",
        type=_positive(int),
        default=DEFAULT_CALLS,
        help=f"calls of each handler ({DEFAULT_CALLS})",
    )
    parser.add_argument(
        "--handlers", nargs="+", choices=HANDLERS, default=HANDLERS, help="which handlers (all)"
    )
    parser.add_argument("--only", choices=(DOOR, MEMORY), help="one of the two parts")
    parser.add_argument(
        "--deadline-seconds",
        type=_positive(int),
        default=DEFAULT_DEADLINE_SECONDS,
        help=f"when the run is given up ({DEFAULT_DEADLINE_SECONDS})",
    )
    return parser.parse_args(arguments)


def _positive(number: type[int] | type[float]) -> Any:
    def read(text: str) -> float:
        value = number(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is no positive number")
        return value

    return read


@contextmanager
def _deadline(seconds: int) -> Iterator[None]:
    """Raise StackError in the block when the time is over, so that its stack is stopped."""

    def give_up(*_: object) -> Never:
        raise StackError(f"the run has not ended within {seconds} s and is given up")

    former = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def _variables(deployment: Deployment) -> dict[str, Any]:
    """A corpus from the local gateway and one of the bucket; only the usage plan limits calls."""
    source = {"kind": "marvel", "base_url": deployment.source_url, "page_size": PAGE_SIZE}
    notes = {"kind": "jsonl", "prefix": NOTES_PREFIX}
    return {
        "corpora": {
            SOURCE_CORPUS: {"source": source},
            NOTES_CORPUS: {"source": notes, "mapping": {"entity_type": "note"}},
        },
        "default_corpus": SOURCE_CORPUS,
        # Of all callers together, which on AWS is not reached by one key either.
        "api_throttle": {"stage_rate_per_second": 10_000, "stage_burst": 10_000},
    }


def _measure(
    stack: LiveStack, folder: Path, options: argparse.Namespace, ends_at: float
) -> list[str]:
    """Do what was asked for, and print it; which promises are broken."""
    door: DoorFigures | None = None
    memory: list[WarmMemory] = []
    broken: list[str] = []
    if options.only != MEMORY:
        run = measure_run(stack, SOURCE_CORPUS, CpuWatch.of(stack.deployment))
        if run.progress.run.status != "succeeded":
            raise UltronError(f"the ingest before the load {run.progress.run.status}")
        door = measure_door(stack, options.seconds)
        broken += door.broken_promises()
    if options.only != DOOR:
        memory, grown = measure_handlers(
            plan_of(stack), folder, options.calls, ends_at, options.handlers
        )
        broken += grown
    _print(door, memory)
    return broken


def _print(door: DoorFigures | None, memory: Sequence[WarmMemory]) -> None:
    print()
    print_machine("onnxruntime", "hnswlib", "ministack")
    if door is not None:
        print()
        print_door(door)
    if memory:
        print()
        print_memory(memory)


if __name__ == "__main__":
    sys.exit(run_command(main))
