"""Planning a run, and asking the compactor for its sweep: through the real wiring."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from services.ingest.plan_run import Planner
from services.ingest.request import IngestRequest
from shared.corpora.corpus_state import CorpusState, PlannedRun
from shared.corpora.documents import CorpusRegistry
from shared.embedding.model_prefixes import ModelPrefixes
from shared.messaging.publisher import JobPublisher
from shared.models.maintenance import SweepJob, maintenance_job
from shared.models.run import EndpointCheckpoint, RunMode
from shared.platform import aws, wiring
from shared.runs.run_store import RunStore
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan
from tests.integration.line.indexed_corpus import CORPUS, OneCorpus
from tests.integration.run_stores import corpus_state
from tests.unit.table.given_time import GivenTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SEQ = int(NOW.timestamp() * 1000)
MODEL_PREFIX = "models/m/1/"


class EmptySource:
    """A source that has nothing."""

    def plan(self, _: RunMode, __: CheckpointReader) -> Plan:
        return Plan((EndpointPlan("objects", (), EndpointCheckpoint(last_modified="x")),))

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        raise NotImplementedError


@pytest.fixture
def planner(
    dynamodb_client: "DynamoDBClient",
    sqs_client: "SQSClient",
    checkpoint_table: str,
    queue_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Planner:
    monkeypatch.setattr(aws, "dynamodb_client", lambda: dynamodb_client)
    monkeypatch.setattr(aws, "sqs_client", lambda: sqs_client)
    return Planner(
        corpora=cast(CorpusRegistry, OneCorpus()),
        make_source=lambda _: EmptySource(),
        publisher=JobPublisher(sqs_client, queue_url),
        runs=wiring.run_store(checkpoint_table, queue_url),
        state=corpus_state(dynamodb_client, checkpoint_table),
        clock=GivenTime(lambda: NOW),
        planning_lease_seconds=330,
        lease_seconds=3600,
        models=ModelPrefixes(MODEL_PREFIX),
        needs_full_run=lambda _: False,
        close_stalled=lambda _: False,
    )


def waiting(client: "SQSClient", queue_url: str) -> list[str]:
    received = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return [message["Body"] for message in received.get("Messages", [])]


def test_a_full_run_is_noted_and_asks_for_its_sweep(
    planner: Planner, sqs_client: "SQSClient", queue_url: str
) -> None:
    summary = planner.plan(IngestRequest(corpus=CORPUS, mode="full", request_id="r"))
    assert summary.status == "running"
    assert planner.state.latest_run(CORPUS) == PlannedRun(summary.run_id, SEQ, MODEL_PREFIX)
    (body,) = waiting(sqs_client, queue_url)
    job = SweepJob(corpus=CORPUS, run_id=summary.run_id, seq=SEQ)
    assert maintenance_job.validate_json(body) == job
    assert json.loads(body)["kind"] == "sweep"


def test_an_incremental_run_is_noted_and_asks_for_none(
    planner: Planner, sqs_client: "SQSClient", queue_url: str
) -> None:
    summary = planner.plan(IngestRequest(corpus=CORPUS, request_id="r"))
    assert summary.status == "succeeded"
    assert planner.state.latest_run(CORPUS) == PlannedRun(summary.run_id, SEQ, MODEL_PREFIX)
    assert waiting(sqs_client, queue_url) == []


def test_an_incremental_run_is_made_full_where_the_model_changed(
    planner: Planner, sqs_client: "SQSClient", queue_url: str
) -> None:
    planner = replace(planner, needs_full_run=lambda corpus: corpus.name == CORPUS)
    summary = planner.plan(IngestRequest(corpus=CORPUS, request_id="r"))
    assert planner.runs.reader.get_run(summary.run_id).run.mode == "full"
    assert len(waiting(sqs_client, queue_url)) == 1
    again = planner.plan(IngestRequest(corpus=CORPUS, request_id="r"))
    assert again.run_id == summary.run_id


def test_an_incremental_run_is_made_full_where_the_last_one_was_of_another_model(
    planner: Planner,
) -> None:
    other = replace(planner, models=ModelPrefixes("models/other/1/"))
    modes = []
    for number, moved in enumerate((planner, other, planner, planner)):
        run_id = moved.plan(IngestRequest(corpus=CORPUS, request_id=str(number))).run_id
        run = moved.runs.reader.get_run(run_id).run
        moved.runs.endings.finish_sweep(run_id, 0)
        assert run.model_prefix == moved.models.default
        modes.append(run.mode)
    assert modes == ["incremental", "full", "full", "incremental"]


def test_a_run_of_another_model_that_ends_just_before_the_lease_counts(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(planner, models=ModelPrefixes("models/other/1/"))
    close = CorpusState.close_abandoned_run

    def overtaken(state: CorpusState, corpus: str, run_id: str, runs: RunStore) -> str | None:
        monkeypatch.setattr(CorpusState, "close_abandoned_run", close)
        overtaking = other.plan(IngestRequest(corpus=CORPUS, request_id="overtaking"))
        assert overtaking.status == "succeeded"
        return close(state, corpus, run_id, runs)

    monkeypatch.setattr(CorpusState, "close_abandoned_run", overtaken)
    summary = planner.plan(IngestRequest(corpus=CORPUS, request_id="overtaken"))
    assert planner.runs.reader.get_run(summary.run_id).run.mode == "full"
