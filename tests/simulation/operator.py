"""What people and schedules do to the line, each as a separate worker that may die anywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from services.cli.corpus.administration import CorpusAdministration
from services.cli.corpus.schedules import Schedules
from services.cli.dead_letter.handling import DeadLetterMessages
from services.cli.deployment.published import PublishedDeployment
from services.compactor.request import CorpusTask, DirectRequest, MarkBadTask, RestoreTask
from services.ingest.request import IngestRequest, RunRequest
from shared.corpora.documents import CorpusDocuments
from shared.errors import UltronError
from shared.models.maintenance import MaintainJob
from shared.models.manifest import Manifest
from shared.models.run import RunMode
from shared.runs.run_reader import RunReader
from tests.simulation.containers import (
    BUCKET,
    PARAMETERS,
    STAGE_FUNCTIONS,
    STAGE_QUEUES,
    TABLE,
    Container,
    compactor_tasks,
    queue_url,
    steering,
)
from tests.simulation.scenario import ENTITIES, OBJECTS, Operation
from tests.simulation.scheduler import Task
from tests.simulation.truth import CORPUS, ViolationError, record_line
from tests.simulation.world import World, dead_letters_url, source_key

_COMMAND_SECONDS, _INGEST_SECONDS, _COMPACTOR_SECONDS = 3600.0, 300.0, 900.0
# Asynchronous invocations are tried three times in all.
_ATTEMPTS = 3
_BROKEN_SECONDS = 900.0
_HELD_BY_READERS = timedelta(days=6)


class NoSchedules:
    """The rules of a corpus that has none."""

    def remove(self, _: str) -> None:
        """Delete nothing."""

    def states(self, _: str) -> Mapping[str, str]:
        """Return that there are none."""
        return {}


@dataclass
class Operator:
    """Does the operations of a scenario to a world."""

    world: World
    requests: int = 0
    spoilt: set[int] = field(default_factory=set)
    given_up: list[IngestRequest] = field(default_factory=list)
    _texts: int = 0

    def do(self, operation: Operation) -> None:
        """Begin an operation; those on the source are done at once."""
        self.world.note(f"{operation.kind} {operation.argument}")
        work: Callable[[int], None] = getattr(self, f"_{operation.kind}")
        work(operation.argument)

    def _write(self, argument: int) -> None:
        """Give an entity a text that it never had, of one of several lengths."""
        self._texts += 1
        name = f"{self._texts}" + " again" * (argument % 3)
        self._change(f"b{argument % ENTITIES}", f"This is text {name}. It is short.")

    def _revert(self, argument: int) -> None:
        """Give an entity the text that it had one or two changes ago; it may have had none."""
        entity, depth = f"b{argument % ENTITIES}", 2 + argument // ENTITIES % 2
        changes = self.world.truth.source.changes.get(entity, [])
        if len(changes) >= depth:
            self._change(entity, changes[-depth][1])

    def _delete(self, argument: int) -> None:
        self._change(f"b{argument % ENTITIES}", None)

    def _change(self, entity: str, text: str | None) -> None:
        self.world.truth.source.note(self.world.now(), entity, text)
        self._put_object(int(entity[1:]) % OBJECTS)

    def _spoil(self, argument: int) -> None:
        """Have an object of the source hold a line that is no record, or hold it no longer."""
        self.spoilt ^= {argument % OBJECTS}
        self._put_object(argument % OBJECTS)

    def repair_source(self) -> None:
        """Remove all lines that are no records."""
        for number in sorted(self.spoilt):
            self._spoil(number)

    def _put_object(self, number: int) -> None:
        present = sorted(self.world.truth.source.present().items())
        lines = [record_line(*one) for one in present if int(one[0][1:]) % OBJECTS == number]
        body = "\n".join([*lines, "{"] if number in self.spoilt else lines)
        key = source_key(number)
        self.world.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())

    def _run_full(self, _: int) -> None:
        self.start_run("full")

    def _run_incremental(self, _: int) -> None:
        self.start_run("incremental")

    def start_run(self, mode: RunMode) -> None:
        """Ask for a run, as the schedule does."""
        self.requests += 1
        self._send(
            IngestRequest(
                corpus=CORPUS.name, mode=mode, request_id=str(self.requests), time=self.world.now()
            )
        )

    def send_given_up_requests_again(self) -> bool:
        """Do what `ultron dlq redrive ingest` does; whether there was any.

        Lambda makes a dead-letter message of a request that failed at every attempt.
        """
        given_up, self.given_up = self.given_up, []
        for request in given_up:
            self._send(request)
        return bool(given_up)

    def _send(self, request: IngestRequest) -> None:
        self._ask(
            f"ingest {request.mode}",
            lambda c: steering(c).planner.plan(request),
            _INGEST_SECONDS,
            give_up=lambda: self.given_up.append(request),
        )

    def _cancel(self, argument: int) -> None:
        self._steer("cancel", argument)

    def _retry_gaps(self, argument: int) -> None:
        self._steer("retry_gaps", argument)

    def _resume(self, argument: int) -> None:
        self._steer("resume", argument)

    def _steer(self, action: Any, argument: int) -> None:
        def steer(container: Container) -> object:
            runs = RunReader(container.clients.dynamodb, TABLE).list_runs(CORPUS.name)
            if not runs:
                return None
            run_id = runs[min(argument % 3, len(runs) - 1)].run.run_id
            return steering(container).do(RunRequest(action=action, run_id=run_id))

        self._ask(action, steer, _INGEST_SECONDS)

    def _redrive(self, argument: int) -> None:
        stage = list(STAGE_QUEUES)[argument % len(STAGE_QUEUES)]
        self._ask(f"redrive {stage}", lambda c: self._messages(c).redrive_all(stage))

    def _drop(self, argument: int) -> None:
        stage = list(STAGE_QUEUES)[argument % len(STAGE_QUEUES)]
        self._ask(f"drop {stage}", lambda c: self._messages(c).drop_all(stage))

    def _messages(self, container: Container) -> DeadLetterMessages:
        deployment = SimpleNamespace(
            queue_urls={queue: queue_url(queue) for queue in STAGE_QUEUES.values()},
            dead_letter_queue_urls={
                queue: dead_letters_url(queue_url(queue)) for queue in STAGE_QUEUES.values()
            },
        )
        return DeadLetterMessages(
            container.clients.sqs,
            cast(PublishedDeployment, deployment),
            container.failures,
            container.runs,
            lambda _: None,
        )

    def _restore(self, argument: int) -> None:
        manifest = self.world.index(self.world.model)
        version = 1 if manifest is None else 1 + argument % manifest.version
        task = DirectRequest(restore=RestoreTask(corpus=CORPUS.name, version=version))
        self._ask_compactor(f"restore {version}", task, disturbs=True)

    def _rebuild(self, _: int) -> None:
        task = DirectRequest(rebuild=CorpusTask(corpus=CORPUS.name))
        self._ask_compactor("rebuild", task)

    def _mark_bad(self, argument: int) -> None:
        manifest = self.world.index(self.world.model)
        if manifest is None or not manifest.shards:
            return
        shard = manifest.shards[argument % len(manifest.shards)].shard_id
        task = MarkBadTask(corpus=CORPUS.name, shard=shard, rebuild=argument % 2 == 0)
        self._ask_compactor(f"mark bad {shard}", DirectRequest(mark_bad=task), disturbs=True)

    def _maintain(self, _: int) -> None:
        job = MaintainJob(corpus=CORPUS.name)
        self._ask("maintain", lambda c: c.publisher("compactor").publish([job]))

    def _ask_compactor(self, name: str, task: DirectRequest, *, disturbs: bool = False) -> None:
        def answer(container: Container) -> object:
            return compactor_tasks(container).answer(task)

        self._ask(name, answer, _COMPACTOR_SECONDS, disturbs=disturbs)

    def _remove(self, _: int) -> None:
        self._remove_corpus(delete_index=False)

    def _remove_index(self, _: int) -> None:
        self._remove_corpus(delete_index=True)

    def _remove_corpus(self, *, delete_index: bool) -> None:
        truth = self.world.truth

        def remove(container: Container) -> object:
            truth.removals += delete_index
            truth.is_removal_cut_off |= delete_index
            answer = self._administration(container).remove(CORPUS.name, delete_index=delete_index)
            truth.is_removal_cut_off &= not delete_index
            return answer

        self._ask("remove", remove, disturbs=True)

    def remove_again(self) -> None:
        """Do what whoever began to delete the index and was cut off is told to do."""
        self._remove_corpus(delete_index=True)

    def _add(self, _: int) -> None:
        self.add()

    def add(self) -> None:
        """Add the corpus, if somebody removed it."""

        def create(container: Container) -> None:
            documents = CorpusDocuments(container.clients.ssm, PARAMETERS)
            if documents.find(CORPUS.name) is None:
                documents.create(CORPUS)

        self._ask("add", create)

    def _administration(self, container: Container) -> CorpusAdministration:
        return CorpusAdministration(
            documents=CorpusDocuments(container.clients.ssm, PARAMETERS),
            schedules=cast(Schedules, NoSchedules()),
            state=container.state,
            floor=container.floor,
            runs=container.runs,
            versions=container.versions,
            store=container.store,
            models=(),
        )

    def _read(self, argument: int) -> None:
        """Hold a version for a while, as a reader does, and then still find all of it."""
        manifest = self.world.served()
        if manifest is not None and not self.world.truth.is_removal_cut_off:
            seconds = (1.0, 60.0, 3600.0, _HELD_BY_READERS.total_seconds())[argument % 4]
            begun = self.world.truth.removals

            def hold(container: Container) -> None:
                container.scheduler.sleep(seconds)
                if self.world.truth.removals == begun:
                    self._require_whole(manifest)

            container = self.world.container()
            self.world.begin("reader", container, lambda: hold(container), 2 * seconds + 60.0)

    def _require_whole(self, manifest: Manifest) -> None:
        for shard in manifest.shards:
            for file in shard.files:
                if not self.world.has_object(file.key):
                    raise ViolationError(
                        f"a reader holds version {manifest.version}, and {file.key} is gone"
                    )

    def _pause_stage(self, argument: int) -> None:
        function = STAGE_FUNCTIONS[argument % len(STAGE_FUNCTIONS)]
        seconds = (60, 3600, 8 * 3600, 26 * 3600)[argument % 4]
        until = self.world.now() + timedelta(seconds=seconds)
        self.world.paused_until[function.stage] = until

    def _break_stage(self, argument: int) -> None:
        """Have S3 refuse a stage for so long that its messages become dead-letter messages."""
        function = STAGE_FUNCTIONS[argument % len(STAGE_FUNCTIONS)]
        until = self.world.now() + timedelta(seconds=_BROKEN_SECONDS)
        self.world.broken_until[function.stage] = until

    def _change_model(self, _: int) -> None:
        """Deploy the other model, which every worker has that starts from now on."""
        self.world.change_model()

    def _settle(self, _: int) -> None:
        """Do nothing until what was begun has ended, which the simulation sees to."""

    def _fill_disk(self, argument: int) -> None:
        """Leave the workers of a stage no room for what they download."""
        function = STAGE_FUNCTIONS[argument % len(STAGE_FUNCTIONS)]
        until = self.world.now() + timedelta(seconds=_BROKEN_SECONDS)
        self.world.full_until[function.stage] = until

    def _ask(
        self,
        name: str,
        work: Callable[[Container], object],
        timeout_seconds: float = _COMMAND_SECONDS,
        *,
        disturbs: bool = False,
        give_up: Callable[[], object] = lambda: None,
    ) -> None:
        """Invoke something until it answers, three times at most; then give it up."""
        world = self.world
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            container = world.container()

            def invoke() -> None:
                world.truth.disturbing += disturbs
                try:
                    world.note(f"{name}: {work(container)}")
                except UltronError as error:
                    world.note(f"{name}: {type(error).__name__}: {error}")
                finally:
                    if disturbs:
                        world.truth.disturbing -= 1
                        is_marked = name.startswith("mark bad")
                        world.truth.disturb(world.now(), needs_full_run=is_marked)

            task = world.begin(name, container, invoke, timeout_seconds)
            world.when_ended(task, lambda: follow(task))

        def follow(task: Task) -> None:
            if task.is_killed or task.error is not None:
                (attempt if attempts < _ATTEMPTS else give_up)()

        attempt()
