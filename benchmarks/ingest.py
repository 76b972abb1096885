"""Volume test: AWS's API documentation through the whole line, with a rate for each stage.

`make bench-ingest` deploys a stack of its own to a local AWS, uploads the corpus (or its first
`--records`), runs one ingest and watches the run's counters. A stage's rate is what it did after
the first movement of its counter, divided by the time from then to its last: its cold start is left
out, but not the other stages, which run beside it and share this machine's cores.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from scripts import build_botocore_corpus
from scripts.demo.deployment import Deployment
from scripts.demo.stack import LiveStack, live_stack
from services.cli.runs import start_run, watch_run
from shared.models.run import RunProgress
from shared.state.runs import RunStore
from shared.storage.s3 import S3ObjectStore

CORPUS = "botocore"
PREFIX = f"sources/{CORPUS}/"
DEFAULT_RECORDS = 2000
RECORDS_PER_OBJECT = 50
LONGEST_RUN_SECONDS = 3 * 3600
POLL_SECONDS = 0.2
# Stage, the counter that it moves, and what the counter counts.
STAGES = (
    ("fetch", "raw_records", "documents"),
    ("derive", "entities", "documents"),
    ("chunk", "chunks", "chunks"),
    ("embed", "vectors", "chunks"),
    ("index", "shards", "shards"),
)


@dataclass
class Movement:
    """When a counter first and last moved, in seconds since the run was asked for."""

    value: int = 0
    first_value: int = 0
    first_seconds: float = 0.0
    last_seconds: float = 0.0

    @property
    def rate(self) -> float | None:
        """Things a second after the first movement; None when there was no second one."""
        busy_seconds = self.last_seconds - self.first_seconds
        return (self.value - self.first_value) / busy_seconds if busy_seconds > 0 else None

    def see(self, value: int, now_seconds: float) -> None:
        """Take a reading."""
        if value == self.value:
            return
        if self.value == 0:
            self.first_value, self.first_seconds = value, now_seconds
        self.value, self.last_seconds = value, now_seconds


@dataclass
class Watch:
    """Reads a run's counters as they move."""

    begun: float = field(default_factory=time.monotonic)
    movements: dict[str, Movement] = field(
        default_factory=lambda: {counter: Movement() for _, counter, _ in STAGES}
    )

    def see(self, progress: RunProgress) -> None:
        """Take a reading of every counter."""
        now_seconds = time.monotonic() - self.begun
        for counter, movement in self.movements.items():
            movement.see(getattr(progress, counter), now_seconds)


def main() -> int:
    """Deploy, ingest, print the table; the status is 1 when the run did not succeed."""
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="ultron-bench-") as folder:
        corpus = Path(folder) / "corpus"
        _build_corpus(corpus, options.records)
        with live_stack(Path(folder) / "stack", _variables) as stack:
            watch = Watch()
            progress = _ingest(stack, corpus, watch)
            seconds = time.monotonic() - watch.begun
    _print_table(progress, watch, seconds)
    return 0 if progress.run.status == "succeeded" else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--records",
        type=int,
        default=DEFAULT_RECORDS,
        help=f"how many of the corpus's first documents; 0 takes all ({DEFAULT_RECORDS})",
    )
    return parser.parse_args()


def _build_corpus(folder: Path, records: int) -> None:
    arguments = ["--output", str(folder), "--records-per-object", str(RECORDS_PER_OBJECT)]
    if records:
        arguments += ["--limit", str(records)]
    if build_botocore_corpus.main(arguments) != 0:
        raise SystemExit("error: the corpus could not be built; its own message is above")


def _variables(deployment: Deployment) -> dict[str, Any]:  # noqa: ARG001 - live_stack's protocol
    corpus = {
        "source": {"kind": "jsonl", "prefix": PREFIX},
        "mapping": {"entity_type": "operation", "metadata": {"service": "service"}},
    }
    return {"corpora": {CORPUS: corpus}, "default_corpus": CORPUS}


def client_maker(deployment: Deployment) -> Callable[[str], Any]:
    """Return a function that makes boto3 clients of a deployment, by service name."""
    environment = deployment.aws_environment()
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    make: Callable[..., Any] = session.client
    config = Config(s3={"addressing_style": "path"}, read_timeout=300)
    return lambda name: make(name, endpoint_url=deployment.endpoint_url, config=config)


def _ingest(stack: LiveStack, corpus: Path, watch: Watch) -> RunProgress:
    client = client_maker(stack.deployment)
    store = S3ObjectStore(client("s3"), stack.outputs.bucket_name)
    for path in sorted(corpus.iterdir()):
        store.put(f"{PREFIX}{path.name}", path.read_bytes())
    runs = RunStore(client("dynamodb"), stack.outputs.checkpoint_table)
    watch.begun = time.monotonic()
    run_id = start_run(client("lambda"), stack.outputs.function_names["ingest"], CORPUS, "full")
    return watch_run(
        runs,
        run_id,
        watch.see,
        LONGEST_RUN_SECONDS,
        pause=lambda _: time.sleep(POLL_SECONDS),
    )


def _print_table(progress: RunProgress, watch: Watch, seconds: float) -> None:
    print(f"\n{platform.machine()}, {platform.python_implementation()} {platform.python_version()}")
    documents, chunks = progress.entities, progress.vectors
    print(
        f"run {progress.run.status}: {documents} documents, {chunks} chunks, "
        f"{progress.shards} shards in {seconds:.1f} s "
        f"({documents / seconds:.1f} documents/s, {chunks / seconds:.1f} chunks/s)"
    )
    print(f"\n{'stage':8} {'did':>10} {'':10} {'from s':>7} {'to s':>7} {'per s':>9}")
    for stage, counter, unit in STAGES:
        movement = watch.movements[counter]
        rate = "at once" if movement.rate is None else f"{movement.rate:.1f}"
        print(
            f"{stage:8} {movement.value:>10} {unit:10} {movement.first_seconds:7.1f} "
            f"{movement.last_seconds:7.1f} {rate:>9}"
        )


if __name__ == "__main__":
    sys.exit(main())
