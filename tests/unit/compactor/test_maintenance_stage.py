"""The queue of maintenance: kinds of jobs told apart, a poison message alone, failures recorded."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.errors import CorruptObjectError, InvalidJobError, PostponedError
from shared.messaging.maintenance_stage import (
    MaintenanceStage,
    parse_maintenance_job,
)
from shared.messaging.record_stage import StageState
from shared.messaging.redelivery import Redelivery
from shared.models.maintenance import (
    CompactJob,
    MaintainJob,
    MaintenanceJob,
    RebuildJob,
    SweepJob,
)
from shared.models.manifest import ModelIdentity
from shared.runs.failures import FailureLog, Receives
from tests.unit.run_fakes import run_store_of

MAXIMUM_RECEIVES = 5
RUN = "20261123T060000Z-1a2b3c4d"
JOBS: list[MaintenanceJob] = [
    MaintainJob(corpus="a"),
    SweepJob(corpus="a", run_id=RUN, seq=1),
    RebuildJob(corpus="a", rebuild_id="0" * 16, step=0),
    CompactJob(
        corpus="a",
        model=ModelIdentity(id="m", revision="1", dims=4),
        shard_ids=("0123456789abcdef-0123456789abcdef",),
    ),
]


@dataclass
class Failures:
    recorded: list[tuple[Any, ...]] = field(default_factory=list)

    def record(self, *values: Any) -> None:
        self.recorded.append(values)

    def reason(self, stage: str, message_id: str) -> dict[str, str] | None:
        found = [r for r in self.recorded if r[:2] == (stage, message_id)]
        return {"code": found[0][2], "reason": found[0][3]} if found else None

    def receives(self, stage: str) -> dict[str, Receives]:
        return {}

    def note_begun(self, stage: str, message_id: str, receives: int) -> None: ...

    def note_answered(self, stage: str, message_id: str, receives: int) -> None: ...

    def forget_receives(self, stage: str, message_id: str) -> None: ...


@dataclass
class Runs:
    known: set[str] = field(default_factory=lambda: {RUN})
    given_up: list[tuple[str, str]] = field(default_factory=list)

    def exists(self, run_id: str) -> bool:
        return run_id in self.known

    def give_up_sweep(self, run_id: str, reason: str) -> None:
        self.given_up.append((run_id, reason))


@dataclass
class Visibility:
    scheduled: list[tuple[str, int]] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    postponed: list[str] = field(default_factory=list)
    sent: list[tuple[MaintenanceJob, float]] = field(default_factory=list)

    def send_later(self, job: MaintenanceJob, seconds: float) -> None:
        self.sent.append((job, seconds))

    def postpone(self, record: SQSRecord, seconds: float) -> None:
        self.postponed.append(record.message_id)

    def schedule(self, record: SQSRecord, receives: int) -> None:
        self.scheduled.append((record.message_id, receives))

    def give_up(self, record: SQSRecord) -> None:
        self.given_up.append(record.message_id)


@dataclass
class Worker:
    """A stage whose handler fails with what `errors` holds for a kind of job."""

    errors: dict[str, Exception] = field(default_factory=dict)
    handled: list[MaintenanceJob] = field(default_factory=list)
    failures: Failures = field(default_factory=Failures)
    runs: Runs = field(default_factory=Runs)
    visibility: Visibility = field(default_factory=Visibility)

    def handle(self, job: MaintenanceJob) -> None:
        if error := self.errors.get(job.kind):
            raise error
        self.handled.append(job)

    def run(
        self, bodies: Sequence[str], receives: int = 1, context: "Context | None" = None
    ) -> list[str]:
        state = StageState(
            run_store_of(self.runs),
            cast(FailureLog, self.failures),
            MAXIMUM_RECEIVES,
            cast(Redelivery, self.visibility),
        )
        response = MaintenanceStage("compactor", self.handle, state).process(
            sqs_event(bodies, receives), context
        )
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def sqs_event(bodies: Sequence[str], receives: int) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:compact-jobs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def test_each_kind_of_job_is_told_apart() -> None:
    worker = Worker()
    assert worker.run([job.model_dump_json() for job in JOBS]) == []
    assert worker.handled == JOBS


@pytest.mark.parametrize(
    "body",
    [
        "no job at all",
        "{}",
        "null",
        '{"kind": "embed", "corpus": "a"}',
        '{"kind": "maintain"}',
        '{"kind": "maintain", "corpus": "a", "more": 1}',
        '{"kind": "maintain", "corpus": "../a"}',
        '{"kind": "rebuild", "corpus": "a", "rebuild_id": "../../x", "step": 0}',
        '{"kind": "rebuild", "corpus": "a", "rebuild_id": "00000000", "step": -1}',
        '{"kind": "compact", "corpus": "a", "shard_ids": []}',
    ],
)
def test_a_message_that_is_no_job_is_refused(body: str) -> None:
    with pytest.raises(InvalidJobError, match="no maintenance job"):
        parse_maintenance_job(body)


def test_a_refusal_does_not_repeat_the_message() -> None:
    body = json.dumps({"kind": "maintain", "corpus": "My Secret Value"})
    with pytest.raises(InvalidJobError) as caught:
        parse_maintenance_job(body)
    assert "corpus" in str(caught.value)
    assert "Secret" not in str(caught.value)


def test_a_poison_message_fails_alone_and_comes_back_later() -> None:
    worker = Worker({"sweep": CorruptObjectError("derived/x is cut short")})
    bodies = [job.model_dump_json() for job in JOBS]
    assert worker.run([*bodies, "{}"], receives=3) == ["message-1", "message-4"]
    assert [job.kind for job in worker.handled] == ["maintain", "rebuild", "compact"]
    assert worker.visibility.scheduled == [("message-1", 3), ("message-4", 3)]
    assert worker.failures.recorded == []


def test_the_last_failure_is_recorded_with_its_reason_and_run() -> None:
    worker = Worker({"sweep": CorruptObjectError("derived/x is cut short")})
    worker.run([JOBS[1].model_dump_json(), "{}"], receives=MAXIMUM_RECEIVES)
    first, second = worker.failures.recorded
    assert first == ("compactor", "message-0", "CORRUPT_OBJECT", "derived/x is cut short", RUN)
    assert second[:3] == ("compactor", "message-1", "INVALID_JOB")
    assert second[4] is None
    assert worker.visibility.given_up == ["message-0", "message-1"]
    assert worker.visibility.scheduled == []


def test_the_words_of_a_strange_error_stay_inside() -> None:
    worker = Worker({"maintain": RuntimeError("password=1234")})
    worker.run([JOBS[0].model_dump_json()], receives=MAXIMUM_RECEIVES)
    assert worker.failures.recorded[0][2:4] == ("RuntimeError", "unexpected RuntimeError")


def test_a_run_whose_sweep_is_given_up_is_ended() -> None:
    worker = Worker({"sweep": CorruptObjectError("derived/x is cut short")})
    worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES - 1)
    assert worker.runs.given_up == []
    worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES)
    reason = "the sweep failed: CORRUPT_OBJECT: derived/x is cut short"
    assert worker.runs.given_up == [(RUN, reason)]


def test_a_sweep_of_no_run_is_given_up_all_the_same() -> None:
    worker = Worker({"sweep": CorruptObjectError("derived/x is cut short")})
    worker.runs.known.clear()
    worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES)
    assert worker.runs.given_up == []
    assert worker.visibility.given_up == ["message-0"]


def test_a_sweep_whose_workers_died_ends_its_run() -> None:
    worker = Worker()
    assert worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES + 1) == ["message-0"]
    assert worker.handled == []
    [(run_id, reason)] = worker.runs.given_up
    assert run_id == RUN
    assert reason.startswith(
        "the sweep failed: NO_ANSWER: the worker gave no answer at the last of"
    )
    assert worker.failures.recorded[0][:3] == ("compactor", "message-0", "NO_ANSWER")
    assert worker.visibility.given_up == ["message-0"]


def test_a_sweep_that_failed_is_not_done_at_the_receive_after_its_last() -> None:
    worker = Worker({"sweep": CorruptObjectError("derived/x is cut short")})
    worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES)
    worker.errors.clear()
    worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES + 1)
    assert worker.handled == []
    assert [recorded[2] for recorded in worker.failures.recorded] == ["CORRUPT_OBJECT"]
    assert set(worker.runs.given_up) == {
        (RUN, "the sweep failed: CORRUPT_OBJECT: derived/x is cut short")
    }
    assert worker.visibility.given_up == ["message-0", "message-0"]


class KilledError(BaseException):
    """Stands for the end of the process."""


def test_a_sweep_whose_worker_died_while_it_was_given_up_ends_its_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker({"sweep": CorruptObjectError("derived/x is cut short")})

    def die(*_: str) -> None:
        raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(worker.runs, "give_up_sweep", die)
        worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES)
    assert worker.run([JOBS[1].model_dump_json()], receives=MAXIMUM_RECEIVES + 1) == ["message-0"]
    reason = "the sweep failed: CORRUPT_OBJECT: derived/x is cut short"
    assert worker.runs.given_up == [(RUN, reason)]


def test_a_job_that_has_to_wait_comes_as_a_new_message_and_never_fails() -> None:
    worker = Worker({"rebuild": PostponedError("a run holds the corpus", 60.0)})
    for receives in (1, MAXIMUM_RECEIVES):
        assert worker.run([JOBS[2].model_dump_json()], receives) == []  # the old one is deleted
    assert worker.visibility.sent == [(JOBS[2], 60.0)] * 2
    assert worker.failures.recorded == []


@dataclass
class Context:
    """Of a Lambda invocation that has so much time left."""

    remaining_milliseconds: int

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds


@pytest.mark.parametrize(
    ("remaining", "receives", "begun"), [(0, 1, 1), (60_000, 1, 2), (0, MAXIMUM_RECEIVES, 2)]
)
def test_no_job_is_begun_for_which_no_time_is_left(
    remaining: int, receives: int, begun: int
) -> None:
    worker = Worker()
    bodies = [job.model_dump_json() for job in JOBS[:2]]
    failed = worker.run(bodies, receives, Context(remaining))
    assert len(worker.handled) == begun  # the first always, and one that would not come again
    assert failed == [f"message-{number}" for number in range(begun, 2)]
    assert worker.visibility.postponed == failed
    assert worker.visibility.scheduled == []
    assert worker.visibility.given_up == []
