"""Queue stages against a real table: a message fails alone, and its last failure can be read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.errors import CorruptObjectError
from shared.messaging.publisher import JobPublisher
from shared.messaging.record_stage import StageState
from shared.messaging.redelivery import Redelivery
from shared.messaging.stage import QueueBatchStage, QueueStage
from shared.models.jobs import DeriveJob, Job, PageJob
from shared.models.run import RunRecord
from shared.runs.failures import FailureLog
from shared.runs.page_marks import StageName
from tests.integration.run_stores import hold_corpus, no_sweep, run_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

MAXIMUM_RECEIVES = 5


@pytest.fixture
def state(
    dynamodb_client: "DynamoDBClient",
    checkpoint_table: str,
    sqs_client: "SQSClient",
    queue_url: str,
) -> StageState:
    return StageState(
        run_store(dynamodb_client, checkpoint_table, no_sweep),
        FailureLog(dynamodb_client, checkpoint_table),
        MAXIMUM_RECEIVES,
        Redelivery(sqs_client, queue_url, first_delay_seconds=0),
    )


def start_run(state: StageState, number: int, pages: int = 3) -> list[DeriveJob]:
    run_id = f"20261123T090000Z-{number:08x}"
    corpus = f"stage-{number}"
    hold_corpus(state.runs, corpus, run_id)
    state.runs.planning.start_run(
        RunRecord(
            run_id=run_id,
            corpus=corpus,
            mode="incremental",
            status="planning",
            seq=1,
            started_at="now",
        )
    )
    jobs = [
        PageJob(corpus=corpus, run_id=run_id, page_id=f"p-{n}", seq=1, endpoint="comics", query={})
        for n in range(pages)
    ]
    state.runs.joining.add_pages(jobs)
    state.runs.planning.finish_planning(run_id, {}, lease_seconds=3600)
    return [
        DeriveJob(
            corpus=corpus,
            run_id=run_id,
            page_id=job.page_id,
            seq=1,
            endpoint="comics",
            raw_key=f"raw/{job.page_id}",
        )
        for job in jobs
    ]


def sqs_event(bodies: Sequence[str], receives: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:derive-jobs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed_ids(response: Mapping[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_a_poison_message_fails_alone(state: StageState) -> None:
    jobs = start_run(state, 1)
    handled: list[str] = []

    def handle(job: DeriveJob) -> None:
        if job.page_id == "p-1":
            raise CorruptObjectError("raw/p-1 is cut short")
        handled.append(job.page_id)

    stage = QueueStage("derive", DeriveJob, handle, state)
    bodies = [jobs[0].model_dump_json(), "no job at all", jobs[1].model_dump_json(), "{}"]
    response = stage.process(sqs_event([*bodies, jobs[2].model_dump_json()]), None)
    assert failed_ids(response) == ["message-1", "message-2", "message-3"]
    assert handled == ["p-0", "p-2"]
    assert state.failures.reason("derive", "message-2") is None
    assert state.runs.reader.get_run(jobs[0].run_id).pages_failed == 0


def test_the_last_failure_is_recorded_and_counted(state: StageState) -> None:
    jobs = start_run(state, 2)

    def handle(job: DeriveJob) -> None:
        raise CorruptObjectError(f"{job.raw_key} is cut short")

    stage = QueueStage("derive", DeriveJob, handle, state)
    event = sqs_event([jobs[0].model_dump_json(), '{"kind": "derive"}'], MAXIMUM_RECEIVES)
    assert failed_ids(stage.process(event, None)) == ["message-0", "message-1"]
    failure = state.failures.reason("derive", "message-0")
    assert failure is not None
    assert failure["code"] == "CORRUPT_OBJECT"
    assert failure["reason"] == "raw/p-0 is cut short"
    assert failure["run_id"] == jobs[0].run_id
    invalid = state.failures.reason("derive", "message-1")
    assert invalid is not None
    assert invalid["code"] == "INVALID_JOB"
    assert "raw_key: Field required" in invalid["reason"]
    assert state.runs.reader.get_run(jobs[0].run_id).pages_failed == 1


def test_a_batch_does_nothing_of_a_run_that_was_cancelled(state: StageState) -> None:
    dropped, kept = start_run(state, 8, pages=2), start_run(state, 9, pages=1)
    state.runs.steering.request_cancel(dropped[0].run_id)
    handled: list[str] = []

    def handle(jobs: Sequence[DeriveJob]) -> dict[int, Exception]:
        handled.extend(job.run_id for job in jobs)
        return {}

    stage = QueueBatchStage("derive", DeriveJob, handle, state)
    bodies = [job.model_dump_json() for job in (*dropped, *kept)]
    assert failed_ids(stage.process(sqs_event(bodies), None)) == []
    assert handled == [kept[0].run_id]


def test_an_unexpected_error_shows_nothing_of_the_data(state: StageState) -> None:
    [job] = start_run(state, 3, pages=1)

    def handle(job: DeriveJob) -> None:
        raise ValueError("private text of a record")

    stage = QueueStage("derive", DeriveJob, handle, state)
    stage.process(sqs_event([job.model_dump_json()], MAXIMUM_RECEIVES), None)
    failure = state.failures.reason("derive", "message-0")
    assert failure is not None
    assert failure["reason"] == "unexpected ValueError"


@pytest.mark.parametrize("receives", [1, MAXIMUM_RECEIVES + 1])
def test_a_recorded_job_is_not_done_again_and_never_fails(state: StageState, receives: int) -> None:
    [job] = start_run(state, 4, pages=1)
    state.runs.ledger.record_stage(job, "derive", {"entities": 1})
    handled: list[DeriveJob] = []
    stage = QueueStage("derive", DeriveJob, handled.append, state)
    assert failed_ids(stage.process(sqs_event([job.model_dump_json()] * 2, receives), None)) == []
    assert handled == []
    assert state.failures.reason("derive", "message-0") is None
    assert state.runs.reader.get_run(job.run_id).pages_failed == 0


def test_a_batch_stage_answers_for_each_message(state: StageState) -> None:
    jobs = start_run(state, 5)
    batches: list[list[str]] = []

    def handle_batch(batch: Sequence[DeriveJob]) -> Mapping[int, Exception]:
        batches.append([job.page_id for job in batch])
        return {1: CorruptObjectError("bad shard")}

    stage = QueueBatchStage("derive", DeriveJob, handle_batch, state)
    bodies = [jobs[0].model_dump_json(), jobs[1].model_dump_json(), "{", jobs[0].model_dump_json()]
    response = stage.process(sqs_event(bodies), None)
    assert batches == [["p-0", "p-1"]]
    assert failed_ids(response) == ["message-1", "message-2"]


def test_a_batch_stage_asks_once_whether_a_job_is_done(
    dynamodb_client: "DynamoDBClient",
    checkpoint_table: str,
    state: StageState,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = run_store(dynamodb_client, checkpoint_table, no_sweep)
    finish_recorded = runs.ledger.finish_recorded
    asked: list[str] = []

    def counted(job: Job, stage: StageName, part: int | None = None) -> bool:
        asked.append(job.page_id)
        return finish_recorded(job, stage, part)

    monkeypatch.setattr(runs.ledger, "finish_recorded", counted)
    jobs = start_run(state, 8)

    def handle_batch(batch: Sequence[DeriveJob]) -> Mapping[int, Exception]:
        for job in batch:
            runs.ledger.record_stage(job, "derive", {"entities": 1})
        return {}

    stage = QueueBatchStage("derive", DeriveJob, handle_batch, replace(state, runs=runs))
    event = sqs_event([job.model_dump_json() for job in jobs])
    assert failed_ids(stage.process(event, None)) == []
    assert len(asked) == len(jobs)
    assert failed_ids(stage.process(event, None)) == []
    assert len(asked) == 2 * len(jobs)
    assert runs.reader.get_run(jobs[0].run_id).entities == len(jobs)


def receive_one(client: "SQSClient", queue_url: str) -> SQSRecord | None:
    messages = client.receive_message(
        QueueUrl=queue_url, VisibilityTimeout=3600, AttributeNames=["ApproximateReceiveCount"]
    ).get("Messages", [])
    if not messages:
        return None
    [message] = messages
    event = sqs_event([message["Body"]], int(message["Attributes"]["ApproximateReceiveCount"]))
    record = event["Records"][0]
    record |= {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"]}
    return SQSRecord(record)


def test_a_failed_message_comes_back_long_before_its_visibility_timeout(
    sqs_client: "SQSClient", queue_url: str, state: StageState
) -> None:
    def handle(job: DeriveJob) -> None:
        raise CorruptObjectError("cut short")

    stage = QueueStage("derive", DeriveJob, handle, state)
    [job] = start_run(state, 7, pages=1)
    sqs_client.send_message(QueueUrl=queue_url, MessageBody=job.model_dump_json())
    for receives in range(1, 4):
        record = receive_one(sqs_client, queue_url)
        assert record is not None, f"hidden for the whole hour after {receives - 1} receives"
        assert record.attributes.approximate_receive_count == str(receives)
        stage.process({"Records": [record.raw_event]}, None)


def test_a_message_given_up_is_in_the_dead_letter_queue_at_once(
    sqs_client: "SQSClient", queue_url: str, state: StageState
) -> None:
    dead_letters = sqs_client.create_queue(QueueName=f"{queue_url.rsplit('/', 1)[1]}-dlq")
    arn = sqs_client.get_queue_attributes(
        QueueUrl=dead_letters["QueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAXIMUM_RECEIVES + 1})
    sqs_client.set_queue_attributes(QueueUrl=queue_url, Attributes={"RedrivePolicy": policy})
    stage = QueueStage("derive", DeriveJob, lambda _: None, state)
    sqs_client.send_message(QueueUrl=queue_url, MessageBody="{}")
    for _ in range(MAXIMUM_RECEIVES + 1):
        record = receive_one(sqs_client, queue_url)
        assert record is not None
        stage.process({"Records": [record.raw_event]}, None)
    assert receive_one(sqs_client, queue_url) is None
    given_up = receive_one(sqs_client, dead_letters["QueueUrl"])
    assert given_up is not None
    assert given_up.body == "{}"
    failure = state.failures.reason("derive", given_up.message_id)
    assert failure is not None
    assert failure["code"] == "INVALID_JOB"  # at the receive after its last, nothing is tried


def test_the_delay_doubles_and_has_an_end() -> None:
    asked: list[int] = []

    class Recorder:
        def change_message_visibility(self, **call: Any) -> None:
            asked.append(call["VisibilityTimeout"])

    redelivery = Redelivery(cast("SQSClient", Recorder()), "url", first_delay_seconds=10)
    record = SQSRecord(sqs_event(["{}"])["Records"][0])
    for receives in (1, 2, 3, 9):
        redelivery.schedule(record, receives)
    assert asked == [10, 20, 40, 900]


def test_the_publisher_sends_every_job_as_often_as_asked(
    sqs_client: "SQSClient", queue_url: str, state: StageState
) -> None:
    jobs = start_run(state, 6, pages=23)
    JobPublisher(sqs_client, queue_url, copies=2).publish(jobs)
    received: list[str] = []
    while messages := sqs_client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        for message in messages:
            received.append(message["Body"])
            sqs_client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(received) == sorted(job.model_dump_json() for job in jobs for _ in range(2))
