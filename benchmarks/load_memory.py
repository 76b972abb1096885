"""Whether the memory of a warm handler is flat: a process for each, called ten thousand times."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measured_run import client_maker
from benchmarks.table import Cell, print_table
from benchmarks.warm_handler import HANDLERS, Warming
from scripts.build_model import ensure_model
from scripts.demo.deployment import ROOT
from scripts.demo.stack import LiveStack
from shared.errors import UltronError

# What a handler may grow by after it is warm. Threads and the allocator move it by 0.6 MB at times.
GROWTH_BOUND_BYTES = 2 * 1024 * 1024
WARM_UP_SHARE = 0.1
# What a process takes beside the calls that are measured: as a rule, and at most.
_START_SECONDS = 30
_LONGEST_START_SECONDS = 180
_LAST_LINES = 5
# glibc has a heap for each thread, up to eight a CPU, and gives nothing of their ends back: they
# fill one by one over thousands of calls, which is no leak. In one heap only a leak shows.
_ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}


@dataclass(frozen=True, slots=True)
class WarmMemory:
    """What one process saw: its calls, how long they took, and pairs of calls and bytes held."""

    handler: str
    calls: int
    seconds: float
    readings: tuple[tuple[int, int], ...]
    peak_bytes: int = 0

    @property
    def bytes_a_call(self) -> float:
        """The slope of the line that fits the readings best."""
        if len(self.readings) < 2:
            return 0.0
        calls, held = zip(*self.readings, strict=True)
        return statistics.linear_regression(calls, held).slope

    @property
    def growth_bytes(self) -> float:
        """What the fitted line rises by between the first reading and the last."""
        if len(self.readings) < 2:
            return 0.0
        return self.bytes_a_call * (self.readings[-1][0] - self.readings[0][0])

    def broken_promises(self, warming: Warming) -> list[str]:
        """Say what is wrong with it."""
        broken: list[str] = []
        if self.calls < warming.calls:
            broken.append(
                f"{self.handler}: only {self.calls} of {warming.calls} calls were made within "
                f"{warming.seconds:.0f} s; give it more --deadline-seconds or fewer --calls"
            )
        if self.growth_bytes > GROWTH_BOUND_BYTES:
            broken.append(
                f"{self.handler}: its memory grew by {self.growth_bytes / 1024:.0f} kB over "
                f"{self.readings[-1][0] - self.readings[0][0]} warm calls; "
                f"{GROWTH_BOUND_BYTES // 1024} kB are allowed"
            )
        return broken


def warming_of(calls: int, seconds: float) -> Warming:
    """Let the first tenth of the calls warm the process up."""
    return Warming(calls, int(calls * WARM_UP_SHARE), seconds)


def seconds_of_one(remaining_seconds: float, handlers: int) -> float:
    """How long each of some handlers may be called, when all have to end in time."""
    return max(1.0, remaining_seconds / handlers - _START_SECONDS)


def plan_of(stack: LiveStack) -> dict[str, Any]:
    """What the processes need to know: what Terraform gave the functions and the corpora."""
    client = client_maker(stack.deployment)
    functions = client("lambda")
    environments = {
        name: functions.get_function_configuration(FunctionName=full_name)["Environment"][
            "Variables"
        ]
        for name, full_name in stack.outputs.function_names.items()
    }
    pages = (
        client("ssm")
        .get_paginator("get_parameters_by_path")
        .paginate(Path=environments["retrieve"]["CORPORA_PARAMETER_PATH"], Recursive=True)
    )
    parameters = {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]}
    return {
        "environments": environments,
        "parameters": parameters,
        "model_directory": str(ensure_model(ROOT)),
    }


def measure_handlers(
    plan: Mapping[str, Any],
    folder: Path,
    calls: int,
    deadline: float,
    names: Sequence[str] = HANDLERS,
) -> tuple[list[WarmMemory], list[str]]:
    """Measure one handler after the other; what was seen, and which promises were broken.

    What one does not use of its share of the time until `deadline` is for those after it.
    """
    seen: list[WarmMemory] = []
    broken: list[str] = []
    for number, name in enumerate(names):
        seconds = seconds_of_one(deadline - time.monotonic(), len(names) - number)
        warming = warming_of(calls, seconds)
        found = _measure(plan, folder, name, warming)
        seen.append(found)
        grown = f"{found.growth_bytes / 1024:+.0f} kB"
        print(f"{name}: {found.calls} calls in {found.seconds:.0f} s, {grown}", flush=True)
        broken += found.broken_promises(warming)
    return seen, broken


def _measure(plan: Mapping[str, Any], folder: Path, name: str, warming: Warming) -> WarmMemory:
    plan_path, output_path = folder / f"{name}-plan.json", folder / f"{name}.json"
    plan_path.write_text(json.dumps({**plan, "warming": asdict(warming)}), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "benchmarks.warm_handler",
        name,
        str(plan_path),
        str(output_path),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **_ONE_HEAP},
            stdout=subprocess.DEVNULL,  # the logs and metrics of ten thousand calls
            stderr=subprocess.PIPE,
            text=True,
            timeout=warming.seconds + _LONGEST_START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UltronError(f"the process of {name} did not end in time") from None
    if done.returncode != 0:
        words = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise UltronError(f"the process of {name} failed:\n{words}")
    told = json.loads(output_path.read_text(encoding="utf-8"))
    readings = tuple((int(calls), int(held)) for calls, held in told["readings"])
    return WarmMemory(name, told["calls"], told["seconds"], readings, told["peak_bytes"])


def print_memory(seen: Sequence[WarmMemory]) -> None:
    """Print a line for each handler."""
    rows: list[list[Cell]] = []
    for one in seen:
        first, last = (one.readings[0][1], one.readings[-1][1]) if one.readings else (0, 0)
        rows.append(
            [
                one.handler,
                one.calls,
                one.seconds * 1000 / max(1, one.calls),
                first / 2**20,
                last / 2**20,
                one.peak_bytes / 2**20,
                f"{one.bytes_a_call * 1000 / 1024:+.1f}",
                f"{one.growth_bytes / 1024:+.0f}",
            ]
        )
    columns = (
        "handler", "calls", "ms a call", "MB warm", "MB at the end", "peak MB", "kB/1,000",
        "grown kB",
    )  # fmt: skip
    print_table(columns, rows)
    print(
        f"grown is by the line that fits the readings; {GROWTH_BOUND_BYTES // 1024} kB are allowed"
        " after the first tenth of the calls"
    )
