"""Workers that really die: what they were at ends, and takes nothing along with it."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from scripts.processes.process import BackgroundServer
from shared.corpora.corpus_state import CorpusState
from shared.messaging.publisher import JobPublisher
from shared.messaging.record_stage import StageState
from shared.models.jobs import DeriveJob, PageJob
from shared.models.run import RunRecord
from shared.table.table_clock import utc_now
from tests.integration.messaging.dying_worker import MAXIMUM_RECEIVES, Worker
from tests.unit.table.given_time import GivenTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

CORPUS = "deaths"
RUN_ID = "20261123T090000Z-0000dead"


@dataclass
class Line:
    """A queue of a stage, driven as SQS and Lambda do, whose workers may die."""

    sqs: "SQSClient"
    corpus_state: CorpusState
    dead_letters_url: str
    worker: Worker
    state: StageState

    @property
    def queue_url(self) -> str:
        return self.worker.queue_url

    def let(self, deadly: set[str], failing: set[str]) -> None:
        """Say which pages kill their workers, and which fail."""
        self.worker = replace(self.worker, deadly=frozenset(deadly), failing=frozenset(failing))

    def start_run(self, pages: int) -> None:
        self.corpus_state.acquire_lease(CORPUS, RUN_ID, 3600)
        self.state.runs.planning.start_run(
            RunRecord(
                run_id=RUN_ID, corpus=CORPUS, mode="incremental", status="planning", seq=1,
                started_at="now",
            )
        )  # fmt: skip
        planned = [
            PageJob(corpus=CORPUS, run_id=RUN_ID, page_id=f"p-{n}", seq=1, endpoint="c", query={})
            for n in range(pages)
        ]
        self.state.runs.joining.add_pages(planned)
        self.state.runs.planning.finish_planning(RUN_ID, {}, lease_seconds=3600)
        jobs = [
            DeriveJob(
                corpus=CORPUS, run_id=RUN_ID, page_id=page.page_id, seq=1, endpoint="c", raw_key="r"
            )
            for page in planned
        ]
        JobPublisher(self.sqs, self.queue_url).publish(jobs)

    def deliver(self) -> int:
        """Deliver what is there to one worker; what it does not answer for comes back at once."""
        messages = self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=3600,
            AttributeNames=["ApproximateReceiveCount"],
        ).get("Messages", [])  # fmt: skip
        records: list[dict[str, Any]] = [
            {
                "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"], "attributes": message["Attributes"],
                "messageAttributes": {}, "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:derive-jobs",
            }
            for message in messages
        ]  # fmt: skip
        if not records:
            return 0
        answer = self.worker.process(records)
        for record in records:
            receipt = record["receiptHandle"]
            if answer is None:  # its visibility timeout passes
                self.sqs.change_message_visibility(
                    QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0
                )
            elif record["messageId"] not in answer:
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=receipt)
        return len(records)

    def run_dry(self) -> int:
        """Deliver until nothing comes; return how often something did."""
        deliveries = 0
        while self.deliver():
            deliveries += 1
        return deliveries

    def dead_letters(self) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(QueueUrl=self.dead_letters_url, MaxNumberOfMessages=10)
        return [
            {"id": message["MessageId"], **json.loads(message["Body"])}
            for message in found.get("Messages", [])
        ]


@pytest.fixture(params=[False, True], ids=["one by one", "batch"])
def line(
    request: pytest.FixtureRequest,
    local_aws: BackgroundServer,
    dynamodb_client: "DynamoDBClient",
    checkpoint_table: str,
    sqs_client: "SQSClient",
    queue_url: str,
) -> Iterator[Line]:
    name = f"dead-letters-{uuid.uuid4().hex[:12]}"
    dead_letters_url = sqs_client.create_queue(QueueName=name)["QueueUrl"]
    found = sqs_client.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": found["Attributes"]["QueueArn"],
        "maxReceiveCount": MAXIMUM_RECEIVES + 1,
    }
    sqs_client.set_queue_attributes(
        QueueUrl=queue_url, Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    worker = Worker(local_aws.url, checkpoint_table, queue_url, request.param)
    corpus_state = CorpusState(dynamodb_client, checkpoint_table, GivenTime(utc_now))
    yield Line(sqs_client, corpus_state, dead_letters_url, worker, worker.state())
    sqs_client.delete_queue(QueueUrl=dead_letters_url)


def test_a_job_that_kills_its_workers_ends_its_page_and_its_run(line: Line) -> None:
    line.let(deadly={"p-0"}, failing=set())
    line.start_run(pages=1)
    runs = line.state.runs
    for _ in range(MAXIMUM_RECEIVES):
        assert line.deliver() == 1
    assert runs.reader.get_run(RUN_ID).run.status == "running"
    assert line.deliver() == 1  # without any work, or this worker would have died, too
    assert line.deliver() == 0
    progress = runs.reader.get_run(RUN_ID)
    assert (progress.run.status, progress.pages_failed) == ("incomplete", 1)
    assert line.corpus_state.lease(CORPUS) is None
    [page] = runs.reader.pages(RUN_ID)
    [message] = line.dead_letters()
    recorded = line.state.failures.reason("derive", message.pop("id"))
    assert recorded is not None
    assert recorded["code"] == "NO_ANSWER"
    assert recorded["reason"].startswith("the worker gave no answer at the last of 5 receives")
    assert page["reason"] == f"derive: NO_ANSWER: {recorded['reason']}"
    # Sent again after the fix, it has the same result as if it had never failed.
    line.let(deadly=set(), failing=set())
    line.sqs.send_message(QueueUrl=line.queue_url, MessageBody=json.dumps(message))
    assert line.run_dry() == 1
    progress = runs.reader.get_run(RUN_ID)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 1)


@pytest.mark.parametrize("deadly", [{"p-0"}, {"p-1", "p-5"}])
def test_a_job_that_kills_its_workers_takes_no_other_along(line: Line, deadly: set[str]) -> None:
    line.let(deadly, failing={"p-4"})
    line.start_run(pages=8)
    line.run_dry()
    pages = {
        page["SK"].removeprefix("PAGE#"): page for page in line.state.runs.reader.pages(RUN_ID)
    }
    failed = {page_id for page_id, page in pages.items() if page["outcome"] == "failed"}
    assert failed == {*deadly, "p-4"}
    progress = line.state.runs.reader.get_run(RUN_ID)
    assert (progress.run.status, progress.pages_done) == ("incomplete", 8 - len(failed))
    messages = {message["page_id"]: message["id"] for message in line.dead_letters()}
    recorded = line.state.failures.reasons("derive", messages.values())
    codes = {page_id: recorded[message]["code"] for page_id, message in messages.items()}
    assert codes == dict.fromkeys(deadly, "NO_ANSWER") | {"p-4": "CORRUPT_OBJECT"}
    assert line.state.failures.receives("derive") == {}


def test_what_fails_in_the_usual_way_is_worked_on_five_times(line: Line) -> None:
    line.let(deadly=set(), failing={"p-0", "p-1"})
    line.start_run(pages=2)
    assert line.run_dry() == MAXIMUM_RECEIVES + 1
    assert line.state.runs.reader.get_run(RUN_ID).pages_failed == 2
    assert len(line.dead_letters()) == 2
