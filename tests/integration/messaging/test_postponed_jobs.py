"""Jobs that have to wait, on a real queue: never lost, never twice, never given up."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.errors import PostponedError
from shared.messaging.publisher import JobPublisher
from shared.messaging.record_stage import StageState
from shared.messaging.redelivery import Redelivery
from shared.messaging.stage import QueueStage
from shared.models.jobs import PageJob
from shared.models.run import RunRecord
from shared.runs.failures import FailureLog
from shared.runs.run_store import RunStore
from tests.integration.run_stores import hold_corpus, no_sweep, run_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

MAXIMUM_RECEIVES = 5
JOB = PageJob(
    corpus="waits",
    run_id="20261123T090000Z-00000001",
    page_id="comics-00001",
    seq=1,
    endpoint="comics",
    query={"offset": "0"},
)


def start_run(runs: RunStore) -> None:
    hold_corpus(runs, JOB.corpus, JOB.run_id)
    runs.planning.start_run(
        RunRecord(
            run_id=JOB.run_id,
            corpus=JOB.corpus,
            mode="incremental",
            status="planning",
            seq=JOB.seq,
            started_at="now",
        )
    )
    runs.joining.add_pages([JOB])
    runs.planning.finish_planning(JOB.run_id, {}, lease_seconds=3600)


@dataclass
class Line:
    """A queue with its dead-letter queue, and a stage that is driven as SQS and Lambda do."""

    sqs: "SQSClient"
    state: StageState
    queue_url: str
    dead_letters_url: str
    seconds: float = 0.0
    is_free: Callable[[], bool] = lambda: False
    done: list[str] = field(default_factory=list)

    def publish(self, copies: int = 1) -> None:
        JobPublisher(self.sqs, self.queue_url, copies).publish([JOB])

    def deliver(self) -> int:
        """Deliver what is visible; delete what succeeded. Returns how many messages there were."""
        messages = self.sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=3600,
            AttributeNames=["ApproximateReceiveCount"],
        ).get("Messages", [])
        records: list[dict[str, Any]] = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:page-jobs",
            }
            for message in messages
        ]
        response = QueueStage("fetch", PageJob, self._handle, self.state).process(
            {"Records": records}, None
        )
        kept = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in kept:
                self.sqs.delete_message(
                    QueueUrl=self.queue_url, ReceiptHandle=record["receiptHandle"]
                )
        return len(records)

    def _handle(self, job: PageJob) -> None:
        if not self.is_free():
            raise PostponedError("the source may be called later", self.seconds)
        self.done.append(job.page_id)
        self.state.runs.ledger.record_stage(job, "fetch", {"raw_records": 1})

    def count(self, url: str) -> int:
        """How many messages a queue holds, hidden or not."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
                      "ApproximateNumberOfMessagesDelayed"]  # fmt: skip
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(value) for value in attributes["Attributes"].values())


@pytest.fixture
def line(
    dynamodb_client: "DynamoDBClient",
    checkpoint_table: str,
    sqs_client: "SQSClient",
    queue_url: str,
) -> Iterator[Line]:
    name = f"dead-letters-{uuid.uuid4().hex[:12]}"
    dead_letters_url = sqs_client.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs_client.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": MAXIMUM_RECEIVES + 1,
    }
    sqs_client.set_queue_attributes(
        QueueUrl=queue_url, Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    state = StageState(
        run_store(dynamodb_client, checkpoint_table, no_sweep),
        FailureLog(dynamodb_client, checkpoint_table),
        MAXIMUM_RECEIVES,
        Redelivery(sqs_client, queue_url, first_delay_seconds=0),
    )
    yield Line(sqs_client, state, queue_url, dead_letters_url)
    sqs_client.delete_queue(QueueUrl=dead_letters_url)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_job_may_wait_for_ever_and_is_done_once(line: Line, copies: int) -> None:
    start_run(line.state.runs)
    line.publish(copies)
    for _ in range(4 * MAXIMUM_RECEIVES):
        assert line.deliver() == copies
        assert line.count(line.queue_url) == copies  # nothing lost, nothing doubled
    assert line.count(line.dead_letters_url) == 0
    progress = line.state.runs.reader.get_run(JOB.run_id)
    assert (progress.pages_failed, progress.pages_gap) == (0, 0)
    line.is_free = lambda: True
    while line.deliver():
        continue
    assert line.count(line.queue_url) == 0
    assert line.done == [JOB.page_id]
    assert line.state.runs.reader.get_run(JOB.run_id).raw_records == 1


def test_a_job_that_waits_is_hidden_for_as_long(line: Line) -> None:
    line.seconds = 3000.0
    line.publish()
    assert line.deliver() == 1
    assert line.deliver() == 0
    assert line.count(line.queue_url) == 1


def test_a_job_that_is_sent_again_is_delayed_and_says_how_often(line: Line) -> None:
    line.publish()
    # Two of its five receives hide the message, the third sends another.
    for _ in range(2):
        assert line.deliver() == 1
    line.seconds = 600.0
    assert line.deliver() == 1
    assert line.deliver() == 0
    assert line.count(line.queue_url) == 1


class Recorder:
    """Stands in for SQS where only the number matters that it is told."""

    def __init__(self) -> None:
        self.hidden: list[int] = []
        self.sent: list[dict[str, Any]] = []

    def change_message_visibility(self, **call: Any) -> None:
        self.hidden.append(call["VisibilityTimeout"])

    def send_message(self, **call: Any) -> None:
        self.sent.append(call)


def test_waits_are_whole_seconds_within_what_the_queue_can() -> None:
    recorder = Recorder()
    redelivery = Redelivery(cast("SQSClient", recorder), "url", first_delay_seconds=10)
    record = SQSRecord({"receiptHandle": "r", "messageId": "m"})
    for seconds in (0.0, 0.2, 7.0, 7.1, 43_200.0, 1e9):
        redelivery.postpone(record, seconds)
    *short, half_a_day, for_ever = recorder.hidden
    assert short == [0, 1, 7, 8]
    # SQS refuses what ends later than 43,200 seconds after the receipt: this worker may have had
    # the message for ten minutes.
    assert 40_000 < half_a_day == for_ever <= 43_200 - 600
    again = JOB
    for seconds in (0.2, 901.0):
        redelivery.send_again(again, seconds)
        again = PageJob.model_validate_json(recorder.sent[-1]["MessageBody"])
    assert [call["DelaySeconds"] for call in recorder.sent] == [1, 900]
    assert again == JOB.model_copy(update={"postponements": 2})


def test_waiting_is_no_failure(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: dict[str, int] = {}

    def add_metric(name: str, _unit: object, value: int) -> None:
        counted[name] = counted.get(name, 0) + value

    monkeypatch.setattr("shared.messaging.record_stage.metrics.add_metric", add_metric)
    line.publish()
    for _ in range(2 * MAXIMUM_RECEIVES):
        line.deliver()
    assert counted == {"Jobs": 10, "FailedJobs": 0, "PostponedJobs": 7}  # three were sent again
    [kept] = line.sqs.receive_message(QueueUrl=line.queue_url)["Messages"]
    assert line.state.failures.reason("fetch", kept["MessageId"]) is None
