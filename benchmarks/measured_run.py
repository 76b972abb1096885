"""One run of ingest on a local stack, watched: its counters, and the CPU of its workers."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from scripts.demo.deployment import Deployment
from scripts.demo.errors import StackError
from scripts.demo.stack import LiveStack
from scripts.local_aws.workers import cpu_seconds, workers
from scripts.processes.os_processes import becomes_true
from services.cli.run.running import start_run
from shared.models.run import RunProgress
from shared.runs.run_reader import RunReader

LONGEST_RUN_SECONDS = 3 * 3600
LONGEST_MAINTENANCE_SECONDS = 1800
POLL_SECONDS = 0.2
LOCAL_AWS = "the local AWS"
# Stage, the counter that it moves, and what the counter counts.
STAGES = (
    ("fetch", "raw_records", "documents"),
    ("derive", "entities", "documents"),
    ("chunker", "chunks", "chunks"),
    ("embedder", "vectors", "chunks"),
    ("indexer", "shards", "shards"),
)

MakeClient = Callable[[str], Any]


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
class CpuWatch:
    """Adds up the CPU seconds of the local AWS and of its workers, by function.

    A worker that ends between two readings takes what it used since the last one with it.
    """

    server_pid: int
    name_prefix: str
    used: dict[tuple[int, str], float] = field(default_factory=dict)
    before: dict[tuple[int, str], float] = field(default_factory=dict)

    @classmethod
    def of(cls, deployment: Deployment) -> "CpuWatch":
        """Watch the local AWS of a deployment; raises StackError when it has none."""
        pid = deployment.local_aws_pid()
        if pid is None:
            raise StackError("the local AWS of this benchmark is gone")
        return cls(pid, deployment.name_prefix)

    def begin(self) -> None:
        """Count from here on."""
        self.used = {}
        self.read()
        self.before = dict(self.used)

    def read(self) -> None:
        """Take a reading."""
        for worker in workers(self.server_pid):
            name = worker.function_name.removeprefix(f"{self.name_prefix}-")
            self.used[worker.pid, name] = worker.cpu_seconds
        self.used[self.server_pid, LOCAL_AWS] = cpu_seconds(self.server_pid)

    def seconds(self) -> dict[str, float]:
        """CPU seconds since `begin`, by function."""
        total: dict[str, float] = {}
        for key, used in self.used.items():
            total[key[1]] = total.get(key[1], 0.0) + used - self.before.get(key, 0.0)
        return total


@dataclass(frozen=True)
class MeasuredRun:
    """A run that ended, its seconds from the request to its end, and where they went."""

    progress: RunProgress
    seconds: float
    movements: Mapping[str, Movement]
    cpu_seconds: Mapping[str, float]

    @property
    def documents_per_second(self) -> float:
        """Documents by the whole run's time."""
        return self.progress.entities / self.seconds

    @property
    def chunks_per_second(self) -> float:
        """Chunks by the whole run's time."""
        return self.progress.vectors / self.seconds


def client_maker(deployment: Deployment) -> MakeClient:
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


def measure_run(stack: LiveStack, corpus: str, cpu: CpuWatch) -> MeasuredRun:
    """Ingest a corpus in full while nothing else is done, and let its maintenance end after it.

    Raises:
        UltronError: the run could not be started.
        StackError: the run, or the maintenance after it, has not ended in time.
    """
    client = client_maker(stack.deployment)
    runs = RunReader(client("dynamodb"), stack.outputs.checkpoint_table)
    movements = {counter: Movement() for _, counter, _ in STAGES}
    cpu.begin()
    begun = time.monotonic()

    run_id = start_run(client("lambda"), stack.outputs.function_names["ingest"], corpus, "full")

    def is_ended() -> bool:
        progress = runs.get_run(run_id)
        now_seconds = time.monotonic() - begun
        for counter, movement in movements.items():
            movement.see(getattr(progress, counter), now_seconds)
        cpu.read()
        return progress.is_ended

    if not becomes_true(is_ended, LONGEST_RUN_SECONDS, POLL_SECONDS):
        raise StackError(f"run {run_id} has not ended within {LONGEST_RUN_SECONDS} s")
    seconds = time.monotonic() - begun
    measured = MeasuredRun(runs.get_run(run_id), seconds, movements, cpu.seconds())
    wait_for_maintenance(client("sqs"), stack.outputs.queue_urls["compact-jobs"])
    return measured


def wait_for_maintenance(
    sqs: Any, queue_url: str, timeout_seconds: float = LONGEST_MAINTENANCE_SECONDS
) -> None:
    """Wait until no maintenance is left that the next run would be measured beside.

    Raises:
        StackError: there is some left when the time is over.
    """
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_idle() -> bool:
        found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return set(found.values()) == {"0"}

    if not becomes_true(is_idle, timeout_seconds, POLL_SECONDS):
        raise StackError(f"maintenance has not ended within {timeout_seconds:g} s")
