"""Pages with long queries: a run is planned whatever their size, and one too large is a gap."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from shared.messaging.publisher import JobPublisher
from shared.models.jobs import LARGEST_MESSAGE_BYTES, PageJob
from shared.models.run import RunMode
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan, PlannedPage
from tests.integration.line.run_of_pages import CHECKPOINT, Line

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

TOO_LONG = LARGEST_MESSAGE_BYTES


class LongQueries:
    """A source whose pages each name fifty addresses of two thousand characters, or more."""

    def __init__(self, lengths: Mapping[str, int], told: Mapping[str, int] | None = None) -> None:
        self.lengths, self.told = lengths, told or {}

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        return Plan((EndpointPlan("list", _pages(self.lengths), CHECKPOINT),))

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        return FetchedPage(lines=(f'"{query["page"]}"',), next_pages=_pages(self.told))


def _pages(lengths: Mapping[str, int]) -> tuple[PlannedPage, ...]:
    return tuple(
        PlannedPage("list", name, {"page": name, "urls": "u" * length})
        for name, length in lengths.items()
    )


@pytest.fixture
def line(dynamodb_client: "DynamoDBClient", checkpoint_table: str) -> Iterator[Line]:
    yield Line(dynamodb_client, checkpoint_table)


def started(line: Line, source: LongQueries) -> str:
    line.source = source  # type: ignore[assignment]
    return line.start().run_id


def test_a_run_of_pages_with_long_addresses_is_planned_and_sent_and_ends(
    line: Line, sqs_client: "SQSClient", queue_url: str
) -> None:
    run_id = started(line, LongQueries({f"p-{n}": 100_000 for n in range(150)}))
    JobPublisher(sqs_client, queue_url).publish(line.pages.jobs)
    sent = 0
    while messages := sqs_client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        sent += len(messages)
    assert sent == 150
    line.work()
    progress = line.progress(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 150)


def test_a_run_of_pages_with_long_addresses_can_be_cancelled(line: Line) -> None:
    run_id = started(line, LongQueries({f"p-{n}": 100_000 for n in range(150)}))
    assert line.steer("cancel", run_id).status == "cancelled"
    assert line.progress(run_id).pages_cancelled == 150


def test_a_planned_page_that_no_message_carries_is_a_gap_and_planning_goes_on(line: Line) -> None:
    run_id = started(line, LongQueries({"a": 10, "b": TOO_LONG, "c": 10}))
    line.work()
    progress = line.progress(run_id)
    assert (progress.run.status, progress.pages_done, progress.pages_gap) == ("incomplete", 2, 1)
    (gap,) = line.runs.reader.gaps(run_id)
    assert gap.page_id == "b"
    assert gap.reason.startswith("QUERY_TOO_LARGE: page b has a query of 250")
    assert "most of them in 'urls'" in gap.reason


def test_a_page_told_of_that_no_message_carries_is_a_gap_with_a_marker(line: Line) -> None:
    run_id = started(line, LongQueries({"a": 10}, {"b": TOO_LONG, "c": 10}))
    (job,) = line.pages.take()
    assert isinstance(job, PageJob)
    for _ in range(2):  # told again of the same pages, the run adds none
        line.fetcher.fetch(job)
    assert [page.page_id for page in line.pages.take() if isinstance(page, PageJob)][:1] == ["c"]
    progress = line.progress(run_id)
    assert (progress.run.pages_planned, progress.pages_gap) == (3, 1)
    (marker,) = line.store.list("raw/_gaps/")
    kept = json.loads(line.store.get(marker.key).data)
    assert (kept["page_id"], kept["code"], kept["query"]) == ("b", "QUERY_TOO_LARGE", {})
