"""A run that no message can move any more does not hold its corpus."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.ingest.stalled_run import QUIET, StalledRuns
from tests.integration.line.run_of_pages import Line

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def queue_urls(sqs_client: "SQSClient") -> Iterator[list[str]]:
    names = [f"line-{number}-{uuid.uuid4().hex[:8]}" for number in range(3)]
    urls = [sqs_client.create_queue(QueueName=name)["QueueUrl"] for name in names]
    yield urls
    for url in urls:
        sqs_client.delete_queue(QueueUrl=url)


@pytest.fixture
def line(
    dynamodb_client: "DynamoDBClient",
    checkpoint_table: str,
    sqs_client: "SQSClient",
    queue_urls: list[str],
) -> Line:
    line = Line(dynamodb_client, checkpoint_table)
    line.source.planned = ["a", "b"]
    stalled = StalledRuns(sqs_client, queue_urls, line.runs, line.planner.clock)
    line.planner = replace(line.planner, close_stalled=stalled.close)
    return line


def test_a_run_without_any_message_makes_room_for_the_next(line: Line) -> None:
    run_id = line.start("first").run_id
    line.now += QUIET - timedelta(seconds=1)
    assert line.start("second").status == "busy"
    line.now += timedelta(seconds=1)
    second = line.start("second")
    assert second.status == "running"
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_failed) == ("failed", 2)
    assert progress.run.reason is not None
    assert progress.run.reason.startswith("it stood still: no queue holds a message")
    lease = line.state.lease(line.corpus)
    assert lease is not None
    assert lease.run_id == second.run_id


@pytest.mark.parametrize("where", ["visible", "hidden", "delayed"])
@pytest.mark.parametrize("number", range(3))
def test_one_message_anywhere_keeps_a_run_alive(
    line: Line, sqs_client: "SQSClient", queue_urls: list[str], where: str, number: int
) -> None:
    run_id = line.start("first").run_id
    delay = 900 if where == "delayed" else 0
    url = queue_urls[number]
    sqs_client.send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=delay)
    if where == "hidden":
        sqs_client.receive_message(QueueUrl=url, VisibilityTimeout=3600)
    line.now += 2 * QUIET
    assert line.start("second").status == "busy"
    assert line.progress(run_id).run.status == "running"


def test_a_run_that_moves_while_it_is_looked_at_is_left_alone(
    line: Line, sqs_client: "SQSClient", queue_urls: list[str]
) -> None:
    run_id = line.start("first").run_id
    line.now += QUIET

    class Moving:
        """The last message is moved on between two looks, as a worker does: it records it."""

        def get_queue_attributes(self, **call: Any) -> Any:
            if call["QueueUrl"] == queue_urls[-1]:
                line.fetch(line.pages.jobs.pop(0))  # type: ignore[arg-type]
            return sqs_client.get_queue_attributes(**call)

    moving: Any = Moving()
    assert not StalledRuns(moving, queue_urls, line.runs, line.planner.clock).close(run_id)
    assert line.progress(run_id).run.status == "running"


def test_a_message_that_moves_on_while_the_queues_are_looked_at_is_seen(
    line: Line, sqs_client: "SQSClient", queue_urls: list[str]
) -> None:
    """It leaves no other trace where its worker had recorded all, and died before the sweep."""
    run_id = line.start("first", mode="full").run_id
    line.work()
    _, index, compact = queue_urls
    sqs_client.send_message(QueueUrl=index, MessageBody="{}")
    line.now += QUIET

    class Moving:
        """The redelivered message is done just before its queue is looked at."""

        def get_queue_attributes(self, **call: Any) -> Any:
            if call["QueueUrl"] == index:
                (message,) = sqs_client.receive_message(QueueUrl=index)["Messages"]
                line.runs.endings.end_run_if_complete(run_id)
                sqs_client.send_message(QueueUrl=compact, MessageBody="{}")
                sqs_client.delete_message(QueueUrl=index, ReceiptHandle=message["ReceiptHandle"])
            return sqs_client.get_queue_attributes(**call)

    moving: Any = Moving()
    assert not StalledRuns(moving, queue_urls, line.runs, line.planner.clock).close(run_id)
    assert line.runs.endings.awaits_sweep(run_id)


def test_a_run_that_waits_for_a_sweep_that_is_gone_ends_incomplete(line: Line) -> None:
    run_id = line.start("first", mode="full").run_id
    line.work()
    assert line.runs.endings.awaits_sweep(run_id)
    line.now += QUIET
    assert line.start("second").status == "running"
    run = line.progress(run_id).run
    assert run.status == "incomplete"
    assert run.reason is not None
    assert run.reason.startswith("it was not swept: no queue holds")
