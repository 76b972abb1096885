"""The whole line over an AWS in memory: functions called by their queues, people, and the clock."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from shared.index.manifest.generations import is_behind, newest_generation
from shared.index.manifest.manifest_changes import REBUILD_CHANGE, RESTORE_CHANGE
from shared.index.manifest.manifest_format import parse_manifest
from shared.models.manifest import Manifest, ModelIdentity
from shared.storage.keys import index_prefix, manifest_key
from shared.storage.object_store import StoredObject
from tests.simulation.aws.dynamodb import MemoryDynamoDB
from tests.simulation.aws.s3 import MemoryS3
from tests.simulation.aws.sqs import MemorySQS
from tests.simulation.aws.ssm import MemorySSM
from tests.simulation.containers import (
    BUCKET,
    MAXIMUM_RECEIVES,
    MODELS,
    STAGE_FUNCTIONS,
    TABLE,
    Container,
    Process,
    StageFunction,
)
from tests.simulation.faults import FaultPlan
from tests.simulation.scenario import Scenario
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.truth import CORPUS, SourceHistory, Truth, ViolationError
from tests.simulation.wire import Clients

START = datetime(2026, 11, 23, 6, tzinfo=UTC)
MANIFEST_KEYS = {model: manifest_key(CORPUS.name, model) for model in MODELS}
_LOST_DELETE_SHARE = 0.02
_CALL_SHARE = 0.3
_WARM_SHARE = 0.7
_RUN = {"S": "RUN"}
DEAD_LETTER_RETENTION_SECONDS = 14 * 86_400


@dataclass(frozen=True, slots=True)
class MemoryAws:
    """The services; what is done with them directly is no effect of any worker."""

    dynamodb: MemoryDynamoDB
    s3: MemoryS3
    sqs: MemorySQS
    ssm: MemorySSM


class World:
    """One simulation under way.

    `has_news`: a run ended or the manifest was written since this was last set to False.
    """

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self.scenario = scenario
        self.random = Random(f"schedule/{scenario.seed}")
        self.scheduler = Scheduler(self.random, START, scenario.stall_share)
        self.faults = FaultPlan({fault.effect: fault.kind for fault in scenario.faults})
        self.aws = MemoryAws(
            MemoryDynamoDB(self.now),
            MemoryS3(self.now),
            MemorySQS(self.now, self.random),
            MemorySSM(self.now),
        )
        self.aws.dynamodb.add_table(TABLE)
        self.aws.s3.add_bucket(BUCKET)
        self.model = MODELS[0]
        self.truth = Truth(SourceHistory(), START)
        self.paused_until: dict[str, datetime] = {}
        self.broken_until: dict[str, datetime] = {}
        self.full_until: dict[str, datetime] = {}
        self.log: list[str] = []
        self.has_news = False
        self._directory = directory
        self._working: dict[str, list[Task]] = {stage.stage: [] for stage in STAGE_FUNCTIONS}
        self._warm: dict[str, list[_Worker]] = {stage.stage: [] for stage in STAGE_FUNCTIONS}
        self._walls: dict[Task, Callable[[], datetime]] = {}
        self._followers: dict[Task, Callable[[], None]] = {}
        self._parsed: dict[str, tuple[str, Manifest]] = {}
        self._violation: ViolationError | None = None
        self._versions = dict.fromkeys(MANIFEST_KEYS.values(), 0)
        self._was_restored = False
        self._folders = 0
        for function in STAGE_FUNCTIONS:
            self.aws.sqs.add_queue(
                dead_letters_url(function.url), retention_seconds=DEAD_LETTER_RETENTION_SECONDS
            )
            self.aws.sqs.add_queue(
                function.url,
                function.visibility_seconds,
                maximum_receives=MAXIMUM_RECEIVES + 1,
                dead_letter_url=dead_letters_url(function.url),
            )

    def now(self) -> datetime:
        """The time, as AWS keeps it."""
        return self.scheduler.now

    def wall(self) -> datetime:
        """The clock of the worker whose turn it is."""
        task = self.scheduler.current
        return self.now() if task is None else self._walls[task]()

    def is_disk_full(self) -> bool:
        """Whether the worker whose turn it is has no room for a file."""
        task = self.scheduler.current
        return task is not None and self._lasts(self.full_until, task.name)

    @property
    def failures_end_at(self) -> datetime | None:
        """When the last stage works again; None when all do."""
        failures = (self.broken_until, self.full_until, self.paused_until)
        ends = (end for failure in failures for end in failure.values())
        return max((end for end in ends if end > self.now()), default=None)

    def _lasts(self, until: Mapping[str, datetime], stage: str) -> bool:
        return not self.faults.is_off and until.get(stage, START) > self.now()

    def note(self, sentence: str) -> None:
        """Add a line to what is shown of a seed that fails."""
        seconds = (self.now() - START).total_seconds()
        self.log.append(f"{seconds:12.3f} s  effect {self.faults.effects:5d}  {sentence}")

    def container(self, stage: str = "") -> Container:
        """A new worker, with a separate clock; of a stage whose S3 may be out of reach."""
        skew = timedelta(seconds=self.random.choice(self.scenario.skews_seconds))
        self._folders += 1
        folder = self._directory / str(self._folders)

        def is_broken() -> bool:
            return self._lasts(self.broken_until, stage)

        clients = Clients(self.aws, self.scheduler, self.faults, self._observe, is_broken)
        return Container(clients, self.scheduler, skew, folder, self.model)

    def begin(
        self, name: str, container: Container, work: Callable[[], None], timeout_seconds: float
    ) -> Task:
        """Start a worker on something."""
        task = self.scheduler.start(name, work, timeout_seconds)
        self._walls[task] = container.wall
        return task

    def when_ended(self, task: Task, work: Callable[[], None]) -> None:
        """Do something once a worker has ended, in whatever way."""
        self._followers[task] = work

    def turn(self) -> bool:
        """Let one thing happen; False when nothing can before time passes.

        Raises:
            ViolationError: an effect did what must not happen.
        """
        if self._violation is not None:
            raise self._violation
        if not self.scheduler.has_ready or self.random.random() < _CALL_SHARE:
            callable_now = [one for one in STAGE_FUNCTIONS if self._can_call(one)]
            if callable_now:
                self._call(self.random.choice(callable_now))
                return True
            if not self.scheduler.has_ready:
                return False
        task = self.scheduler.step()
        if task.is_ended:
            self._end(task)
        return True

    def next_event(self) -> datetime | None:
        """When something can happen next, should nothing now."""
        moments = [self.scheduler.next_timer]
        for function in STAGE_FUNCTIONS:
            visible_at = self.aws.sqs.next_visible_at(function.url)
            if visible_at is not None and self._has_room(function):
                moments.append(max(visible_at, self.paused_until.get(function.stage, START)))
        return min((moment for moment in moments if moment is not None), default=None)

    def is_at_rest(self) -> bool:
        """Whether no worker works and no queue of a stage holds a message."""
        return (
            not self.scheduler.has_ready
            and self.scheduler.next_timer is None
            and all(self.aws.sqs.next_visible_at(one.url) is None for one in STAGE_FUNCTIONS)
        )

    def dead_letters(self) -> Iterator[str]:
        """Yield the bodies of all dead-letter messages."""
        for function in STAGE_FUNCTIONS:
            for message in self.aws.sqs.messages(dead_letters_url(function.url)):
                yield message.body

    def change_model(self) -> None:
        """Deploy the next model: what works goes on with the former one, what rests is gone."""
        self.model = MODELS[(MODELS.index(self.model) + 1) % len(MODELS)]
        self.truth.model_changed_at = self.now()
        for resting in self._warm.values():
            resting.clear()

    def served(self) -> Manifest | None:
        """The index that readers are answered from; the same object while it is the same."""
        own = self.index(self.model)
        found = [index for model in MODELS if (index := self.index(model)) is not None]
        if not is_behind(own, found):
            return own
        newest = newest_generation(found)
        return next(index for index in found if index.generation == newest)

    def index(self, model: ModelIdentity) -> Manifest | None:
        """What is committed under a model; the same object while it is the same."""
        key = MANIFEST_KEYS[model]
        if not self.has_object(key):
            return None
        found = self.aws.s3.get_object(Bucket=BUCKET, Key=key)
        parsed = self._parsed.get(key)
        if parsed is None or parsed[0] != found["ETag"]:
            parsed = self._parsed[key] = found["ETag"], parsed_manifest(found["Body"].read())
        return parsed[1]

    def has_object(self, key: str) -> bool:
        """Whether the bucket holds an object."""
        return self.aws.s3.has(BUCKET, key)

    def _can_call(self, function: StageFunction) -> bool:
        return (
            self._has_room(function)
            and self.paused_until.get(function.stage, START) <= self.now()
            and self.aws.sqs.waiting(function.url) > 0
        )

    def _has_room(self, function: StageFunction) -> bool:
        return len(self._working[function.stage]) < function.concurrency

    def _call(self, function: StageFunction) -> None:
        """Let a queue call its function, as the event source mapping does."""
        most = self.random.randint(1, min(function.batch_size, 10))
        received = self.aws.sqs.receive_message(
            QueueUrl=function.url,
            MaxNumberOfMessages=most,
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        if not received:
            return
        records = [self.aws.sqs.event_record(message) for message in received]
        worker = self._worker(function)
        context = _Context(self, function.timeout_seconds)

        def work() -> None:
            answer = worker.process({"Records": records}, context)
            kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            for record in records:
                if record["messageId"] not in kept:
                    self._delete(function.url, record["receiptHandle"])

        def rest() -> None:
            if not task.is_killed and worker.container.model == self.model:
                self._warm[function.stage].append(worker)

        task = self.begin(function.stage, worker.container, work, function.timeout_seconds)
        self.when_ended(task, rest)
        self._working[function.stage].append(task)

    def _worker(self, function: StageFunction) -> "_Worker":
        """Return a worker that rests, with all that it remembers, or a new one."""
        warm = self._warm[function.stage]
        if warm and self.random.random() < _WARM_SHARE:
            return warm.pop(self.random.randrange(len(warm)))
        container = self.container(function.stage)
        return _Worker(container, function.build(container))

    def _delete(self, url: str, handle: str) -> None:
        self.scheduler.pause(is_write=True)
        if self.faults.is_off or self.random.random() >= _LOST_DELETE_SHARE:
            self.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)

    def _end(self, task: Task) -> None:
        for working in self._working.values():
            if task in working:
                working.remove(task)
        del self._walls[task]
        if task.is_killed:
            self.note(f"{task.name} is killed")
        elif task.error is not None:
            self.note(f"{task.name} ends with {type(task.error).__name__}: {task.error}")
            if isinstance(task.error, AssertionError):
                raise task.error
        if (follower := self._followers.pop(task, None)) is not None:
            follower()

    def _observe(self, service: str, operation: str, request: Mapping[str, Any]) -> None:
        """Check what must hold at every effect.

        A violation is kept for the next turn: raised here, the code would handle it as a failure.
        """
        if service == "dynamodb":
            self.has_news |= _ends_a_run(operation, request)
        if service != "s3" or self._violation is not None:
            return
        try:
            self._check_effect(operation, request)
        except ViolationError as error:
            self._violation = error

    def _check_effect(self, operation: str, request: Mapping[str, Any]) -> None:
        if operation == "put_object" and request["Key"] in self._versions:
            self.has_news = True
            self._check_commit(request["Key"], parsed_manifest(request["Body"]))
        elif operation == "delete_object":
            self._check_deletion(request["Key"])

    def _check_commit(self, key: str, manifest: Manifest) -> None:
        self.note(f"{manifest.model.id}: version {manifest.version}: {manifest.change}")
        if manifest.version <= self._versions[key]:
            raise ViolationError(f"version {manifest.version} follows {self._versions[key]}")
        self._versions[key] = manifest.version
        self._was_restored |= manifest.change.startswith(RESTORE_CHANGE)
        if self._was_restored and manifest.change.startswith(REBUILD_CHANGE):
            self.truth.rebuilt_at = self.now()
        origins = [shard.origin for shard in manifest.shards]
        if len(set(origins)) < len(origins):
            raise ViolationError(f"an origin stands twice in version {manifest.version}")
        for shard in manifest.shards:
            for file in shard.files:
                if not self.has_object(file.key):
                    raise ViolationError(
                        f"version {manifest.version} names {file.key}, which is gone"
                    )

    def _check_deletion(self, key: str) -> None:
        if key in self._versions:
            self._versions[key] = 0
            return
        model = next((m for m in MODELS if key.startswith(index_prefix(CORPUS.name, m))), None)
        if model is None:
            return
        manifest = self.index(model)
        named = {file.key for shard in manifest.shards for file in shard.files} if manifest else ()
        if key in named:
            raise ViolationError(f"{key} is deleted, though the present version names it")


@dataclass(frozen=True, slots=True)
class _Worker:
    """A container, and the function that was put together in it at its first call."""

    container: Container
    process: Process


@dataclass(frozen=True, slots=True)
class _Context:
    """What Lambda says of an invocation."""

    world: World
    timeout_seconds: int
    function_name: str = "simulated"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:simulated"
    aws_request_id: str = "simulated"

    def get_remaining_time_in_millis(self) -> int:
        """How long the worker may go on."""
        task = self.world.scheduler.current
        assert task is not None
        return int((task.deadline - self.world.now()).total_seconds() * 1000)


def _ends_a_run(operation: str, request: Mapping[str, Any]) -> bool:
    """Whether a call to DynamoDB notes in the record of a run that it ends, or goes on."""
    if operation == "transact_write_items":
        writes = [write for entry in request["TransactItems"] for write in entry.values()]
    else:
        writes = [request]
    return any(
        write.get("Key", {}).get("SK") == _RUN and "ended_at" in write.get("UpdateExpression", "")
        for write in writes
    )


def parsed_manifest(data: bytes) -> Manifest:
    """Read what is committed."""
    return parse_manifest(StoredObject("manifest.json", data, ""), CORPUS.name)


def dead_letters_url(url: str) -> str:
    """Where the dead-letter messages of a queue are."""
    return f"{url}-dead-letters"


def source_key(number: int) -> str:
    """An object of the source."""
    return f"sources/books/{number}.jsonl"


def document() -> str:
    """The corpus as its parameter holds it."""
    return json.dumps(json.loads(CORPUS.model_dump_json(exclude_unset=True)))
