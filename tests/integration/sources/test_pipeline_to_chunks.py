"""Ingest, fetch and derive with their real handlers on the local AWS and the Marvel gateway."""

import json
import urllib.request
from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest

from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.server import running_gateway
from examples.marvel.wire import ENTITY_TYPES
from scripts.processes.process import BackgroundServer
from services.derive import handler as derive_handler
from services.fetch import handler as fetch_handler
from services.ingest import handler as ingest_handler
from shared.errors import InvalidInputError, NotFoundError
from shared.models.entity import Entity
from shared.models.jobs import DeriveJob, PageJob
from shared.models.run import EndpointCheckpoint
from shared.platform import aws
from shared.platform.observability import metrics
from shared.sources.marvel.edges import ENTITY_TYPES as TYPE_NAMES
from shared.storage import jsonl, keys
from tests.integration.sources.pipeline import Clients, Event, Pipeline

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

_CACHED_CLIENTS = (
    aws.s3_client,
    aws.sqs_client,
    aws.dynamodb_client,
    aws.ssm_client,
    aws.secrets_client,
)


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running_gateway() as url:
        yield url


@pytest.fixture
def clients(
    s3_client: "S3Client",
    sqs_client: "SQSClient",
    dynamodb_client: "DynamoDBClient",
    ssm_client: "SSMClient",
    secrets_client: "SecretsManagerClient",
) -> Clients:
    return Clients(s3_client, sqs_client, dynamodb_client, ssm_client, secrets_client)


@pytest.fixture
def pipeline(
    clients: Clients,
    local_aws: BackgroundServer,
    bucket_name: str,
    checkpoint_table: str,
    monkeypatch: pytest.MonkeyPatch,
    gateway: str,
) -> Iterator[Pipeline]:
    control(gateway, "reset")
    pipeline = Pipeline(clients, bucket_name, checkpoint_table)
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.url)
    monkeypatch.setattr(metrics, "namespace", "test")  # Powertools read the environment long ago
    for make_client in _CACHED_CLIENTS:
        make_client.cache_clear()
    for part, own, following in (
        (ingest_handler._steering, None, "page"),
        (fetch_handler._stage, "page", "derive"),
        (derive_handler._stage, "derive", "chunk"),
    ):
        part.cache_clear()
        with monkeypatch.context() as patch:
            for name, value in pipeline.environment(own, following).items():
                patch.setenv(name, value)
            part()  # what a cold start does: settings and clients are made once
    pipeline.put_corpus("heroes", {"kind": "marvel", "base_url": gateway})
    yield pipeline
    pipeline.close()
    for make_client in _CACHED_CLIENTS:
        make_client.cache_clear()


def control(gateway: str, what: str, *documents: dict[str, Any], method: str = "POST") -> None:
    """Tell the gateway how to behave."""
    request = urllib.request.Request(
        f"{gateway}/_control/{what}", data=json.dumps(documents).encode(), method=method
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def entities(pipeline: Pipeline) -> list[Entity]:
    found: list[Entity] = []
    for listed in pipeline.store.list("derived/heroes/"):
        if "/entities-" in listed.key:
            lines = jsonl.decode_lines(pipeline.store.get(listed.key).data, listed.key)
            found += [Entity.model_validate_json(line) for line in lines]
    return found


def twice(event: Event) -> Event:
    return {"Records": [*event["Records"], *event["Records"]]}


def expected_keys() -> set[str]:
    catalog = demo_catalog()
    return {
        f"{TYPE_NAMES[entity_type]}:{entity['id']}"
        for entity_type in ENTITY_TYPES
        for entity in catalog.all(entity_type)
    }


def test_every_entity_is_derived_once_with_every_message_twice(
    pipeline: Pipeline, gateway: str
) -> None:
    source = {"kind": "marvel", "base_url": gateway, "page_size": 40}
    pipeline.put_corpus("heroes", source)
    answer = pipeline.ingest("heroes", mode="full")
    assert answer["status"] == "running"
    pages = pipeline.take("page")
    assert len(pages["Records"]) == answer["pages_planned"] > len(ENTITY_TYPES)
    assert pipeline.fetch(twice(pages)) == []
    assert pipeline.derive(twice(pipeline.take("derive"))) == []

    expected = expected_keys()
    found = entities(pipeline)
    assert {entity.key for entity in found} == expected
    assert len(found) == len(expected) >= 150
    assert all(entity.attribution for entity in found)
    progress = pipeline.progress(answer)
    assert progress.raw_records == progress.entities == len(expected)
    assert progress.rejects == 0
    assert progress.edges > len(expected)
    pipeline.finish()
    assert pipeline.progress(answer).run.status == "succeeded"


def test_raw_objects_say_where_they_come_from_and_nothing_secret(pipeline: Pipeline) -> None:
    pipeline.ingest("heroes", mode="full")
    pipeline.fetch(pipeline.take("page"))
    listed = list(pipeline.store.list("raw/heroes/"))
    assert listed
    for summary in listed:
        raw = pipeline.store.get(summary.key)
        assert raw.metadata["source"] == "marvel"
        assert set(json.loads(raw.metadata["query"])) == {"orderBy", "limit", "offset"}
        assert raw.metadata["etag"]
        assert "apikey" not in json.dumps(dict(raw.metadata))
    for record in pipeline.take("derive")["Records"]:
        job = DeriveJob.model_validate_json(record["body"])
        assert job.raw_key == keys.raw_key(job)
        assert pipeline.store.get(job.raw_key).metadata["endpoint"] == job.endpoint


def test_a_second_run_over_the_same_data_plans_nothing(pipeline: Pipeline) -> None:
    pipeline.ingest("heroes", "request-1")
    pipeline.run_all()
    pipeline.finish()
    answer = pipeline.ingest("heroes", "request-2")
    assert (answer["status"], answer["pages_planned"]) == ("succeeded", 0)
    assert pipeline.state.lease("heroes") is None
    full = pipeline.ingest("heroes", "request-3", mode="full")
    assert full["pages_planned"] > 0


def test_an_incremental_run_reads_what_changed(pipeline: Pipeline, gateway: str) -> None:
    pipeline.ingest("heroes", "request-1")
    pipeline.run_all()
    pipeline.finish()
    hero = next(iter(demo_catalog().all("characters")))
    change = {"type": "characters", "id": hero["id"], "modified": "2030-01-01T00:00:00-0500"}
    control(gateway, "entities", change, method="PUT")
    answer = pipeline.ingest("heroes", "request-2")
    (record,) = pipeline.take("page")["Records"]
    job = PageJob.model_validate_json(record["body"])
    assert (answer["pages_planned"], job.endpoint) == (1, "characters")
    assert pipeline.fetch({"Records": [record]}) == []
    assert pipeline.derive(pipeline.take("derive")) == []
    assert pipeline.progress(answer).entities >= 1
    changed = [e for e in entities(pipeline) if e.ingest_run_id == answer["run_id"]]
    assert f"character:{hero['id']}" in {entity.key for entity in changed}


def test_a_page_the_source_will_not_give_becomes_a_gap(pipeline: Pipeline, gateway: str) -> None:
    answer = pipeline.ingest("heroes", mode="full")
    control(gateway, "faults", {"match": "^/v1/public/events", "status": 500, "times": 1000})
    pipeline.run_all()
    pipeline.finish()
    progress = pipeline.progress(answer)
    assert progress.run.status == "incomplete"
    assert progress.pages_gap >= 1
    assert progress.pages_done + progress.pages_gap == answer["pages_planned"]
    for listed in pipeline.store.list("raw/_gaps/heroes/"):
        marker = json.loads(pipeline.store.get(listed.key).data)
        assert (marker["endpoint"], marker["code"]) == ("events", "SOURCE_UNAVAILABLE")
        assert "answered 500" in marker["message"]
    # The watermark stays, so that the next run reads the gap again.
    assert pipeline.state.checkpoint("heroes", "comics", since_seq=0) == EndpointCheckpoint()
    control(gateway, "reset")
    assert pipeline.ingest("heroes", "request-2")["status"] == "running"


def test_a_source_that_refuses_gives_the_page_back(pipeline: Pipeline, gateway: str) -> None:
    answer = pipeline.ingest("heroes", mode="full")
    record = pipeline.take("page")["Records"][0]
    control(
        gateway, "faults", {"match": ".", "status": 429, "retry_after_seconds": 300, "times": 1}
    )
    # The first delivery is refused; the second, though the source would answer, has to wait too.
    for receives, failures in (("1", 1), ("3", 0)):
        record["attributes"]["ApproximateReceiveCount"] = receives
        assert len(pipeline.fetch({"Records": [record]})) == failures
    assert pipeline.count("page") == 1  # sent again, and delayed
    progress = pipeline.progress(answer)
    assert (progress.run.status, progress.pages_gap, progress.pages_failed) == ("running", 0, 0)

    job = PageJob.model_validate_json(record["body"])
    record["body"] = job.model_copy(update={"postponements": 50}).model_dump_json()
    assert pipeline.fetch({"Records": [record]}) == []
    assert pipeline.progress(answer).pages_gap == 1
    (listed,) = pipeline.store.list("raw/_gaps/heroes/")
    marker = json.loads(pipeline.store.get(listed.key).data)
    assert marker["code"] == "SOURCE_UNAVAILABLE"
    assert "gave up after waiting 50 times" in marker["message"]


def test_a_source_that_refuses_for_too_long_leaves_gaps(pipeline: Pipeline, gateway: str) -> None:
    answer = pipeline.ingest("heroes", mode="full")
    control(
        gateway, "faults", {"match": ".", "status": 429, "retry_after_seconds": 1000, "times": 1}
    )
    assert pipeline.fetch(pipeline.take("page")) == []
    assert pipeline.progress(answer).pages_gap == answer["pages_planned"]


def test_a_source_on_a_private_host_is_refused(pipeline: Pipeline, gateway: str) -> None:
    hidden = gateway.replace("127.0.0.1", "localhost")
    pipeline.put_corpus("hidden", {"kind": "marvel", "base_url": hidden})
    answer = pipeline.ingest("hidden")
    assert answer["status"] == "failed"
    assert "FORBIDDEN_ADDRESS: localhost is at " in answer["reason"]
    assert "outbound_allowed_hosts" in answer["reason"]


def test_retried_gaps_end_the_run_as_if_there_had_been_none(
    pipeline: Pipeline, gateway: str
) -> None:
    answer = pipeline.ingest("heroes", mode="full")
    control(gateway, "faults", {"match": "^/v1/public/events", "status": 500, "times": 1000})
    pipeline.run_all()
    pipeline.finish()
    gaps = pipeline.runs.reader.gaps(answer["run_id"])
    assert gaps
    assert {gap.endpoint for gap in gaps} == {"events"}
    control(gateway, "reset")
    assert pipeline.steer("retry_gaps", answer["run_id"])["status"] == "running"
    waiting = pipeline.take("page")
    assert len(waiting["Records"]) == len(gaps)
    assert pipeline.fetch(twice(waiting)) == []
    assert pipeline.derive(pipeline.take("derive")) == []
    pipeline.finish()
    progress = pipeline.progress(answer)
    assert (progress.run.status, progress.pages_gap) == ("succeeded", 0)
    assert progress.entities == len(expected_keys())
    assert pipeline.state.checkpoint("heroes", "comics", since_seq=0) != EndpointCheckpoint()


def test_a_cancelled_run_leaves_its_messages_undone(pipeline: Pipeline) -> None:
    answer = pipeline.ingest("heroes", mode="full")
    pages = pipeline.take("page")
    assert pipeline.steer("cancel", answer["run_id"])["status"] == "cancelled"
    assert pipeline.fetch(pages) == []
    assert pipeline.take("derive")["Records"] == []
    progress = pipeline.progress(answer)
    assert progress.pages_cancelled == progress.run.pages_planned == len(pages["Records"])
    assert pipeline.ingest("heroes", "request-2")["status"] == "running"


def test_a_resumed_run_publishes_what_was_not_fetched(pipeline: Pipeline) -> None:
    answer = pipeline.ingest("heroes", mode="full")
    pages = pipeline.take("page")["Records"]  # most of which get lost
    assert pipeline.fetch({"Records": pages[:2]}) == []
    assert pipeline.steer("resume", answer["run_id"])["status"] == "running"
    assert len(pipeline.take("page")["Records"]) == len(pages) - 2


def test_what_cannot_be_steered_says_why(pipeline: Pipeline) -> None:
    with pytest.raises(NotFoundError, match="there is no run"):
        pipeline.steer("cancel", "20261123T060000Z-00000000")
    with pytest.raises(InvalidInputError, match="action: "):
        pipeline.steer("stop", "20261123T060000Z-00000000")


def test_one_live_run_a_corpus_and_one_run_a_request(pipeline: Pipeline) -> None:
    first = pipeline.ingest("heroes", "request-1")
    again = pipeline.ingest("heroes", "request-1")
    assert (again["run_id"], again["pages_planned"]) == (first["run_id"], first["pages_planned"])
    other = pipeline.ingest("heroes", "request-2")
    assert (other["status"], other["run_id"]) == ("busy", first["run_id"])
    assert len(pipeline.take("page")["Records"]) == first["pages_planned"]


def test_a_scheduled_request_delivered_late_again_finds_its_ended_run(pipeline: Pipeline) -> None:
    time = "2026-11-23T06:00:00Z"
    first = pipeline.ingest("heroes", "request-1", time=time)
    pipeline.run_all()
    pipeline.finish()
    again = pipeline.ingest("heroes", "request-1", time=time)
    assert (again["run_id"], again["status"]) == (first["run_id"], "succeeded")
    assert pipeline.take("page")["Records"] == []
    assert pipeline.state.lease("heroes") is None


def test_planning_that_was_cut_off_is_resumed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = ingest_handler._steering().planner
    with monkeypatch.context() as patch:
        patch.setattr(planner.publisher, "_queue_url", pipeline.queues["page"] + "-none")
        with pytest.raises(Exception, match="queue"):
            pipeline.ingest("heroes", "request-1")
    lease = pipeline.state.lease("heroes")
    assert lease is not None
    assert pipeline.runs.reader.get_run(lease.run_id).run.status == "planning"
    answer = pipeline.ingest("heroes", "request-1")
    assert (answer["run_id"], answer["status"]) == (lease.run_id, "running")
    assert len(pipeline.take("page")["Records"]) == answer["pages_planned"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 503}, "SOURCE_UNAVAILABLE"),
        ({"status": 401}, "SOURCE_CREDENTIALS"),
        ({"disconnect": True}, "SOURCE_UNAVAILABLE"),
    ],
)
def test_a_source_that_is_down_fails_the_run_and_frees_the_corpus(
    pipeline: Pipeline, gateway: str, fault: dict[str, Any], code: str
) -> None:
    control(gateway, "faults", {"match": "series", "times": 100, **fault})
    answer = pipeline.ingest("heroes", "request-1")
    assert answer["status"] == "failed"
    assert answer["reason"].startswith(f"planning failed: {code}: ")
    control(gateway, "reset")
    assert pipeline.ingest("heroes", "request-2")["status"] == "running"


def test_a_secret_that_is_missing_or_malformed_fails_the_run(
    pipeline: Pipeline, gateway: str
) -> None:
    pipeline.put_secret("odd", {"public_key": "SECRETVALUE"})
    for name, problem in (("absent", "there is no secret "), ("odd", "is not {")):
        source = {"kind": "marvel", "base_url": gateway, "secret_name": name}
        pipeline.put_corpus(name, source)
        answer = pipeline.ingest(name)
        assert answer["status"] == "failed"
        assert problem in answer["reason"]
        assert "SECRETVALUE" not in answer["reason"]


def test_a_spent_budget_leaves_gaps(pipeline: Pipeline, gateway: str) -> None:
    source = {"kind": "marvel", "base_url": gateway, "page_size": 40, "rate": {"calls_per_day": 7}}
    pipeline.put_corpus("frugal", source)
    answer = pipeline.ingest("frugal", mode="full")  # six probes
    pipeline.run_all()
    progress = pipeline.progress(answer)
    assert progress.pages_gap == answer["pages_planned"] - 1
    reasons = {page.get("reason", "") for page in pipeline.runs.reader.pages(answer["run_id"])}
    assert any(reason.startswith("BUDGET_EXHAUSTED: ") for reason in reasons)


def test_an_unknown_corpus_is_named(pipeline: Pipeline) -> None:
    with pytest.raises(NotFoundError, match="no corpus named 'villains'"):
        pipeline.ingest("villains")


def test_a_jsonl_corpus_goes_the_same_way(pipeline: Pipeline) -> None:
    pipeline.put_corpus("manuals", {"kind": "jsonl", "prefix": "sources/manuals/"})
    good = '{"id": "a", "title": "Kettle", "text": "Boils water.", "url": "https://x.example/a"}'
    pipeline.store.put("sources/manuals/one.jsonl", f"{good}\nnot json\n".encode())
    pipeline.store.put("sources/manuals/two.jsonl", b'{"id": "b", "title": "Lamp"}\n')
    first = pipeline.ingest("manuals", "request-1")
    pipeline.run_all()
    pipeline.finish()
    progress = pipeline.progress(first)
    assert (progress.raw_records, progress.entities, progress.rejects) == (3, 2, 1)
    assert progress.run.status == "succeeded"

    assert pipeline.ingest("manuals", "request-2")["pages_planned"] == 0
    pipeline.store.put("sources/manuals/two.jsonl", b'{"id": "b", "title": "Lantern"}\n')
    second = pipeline.ingest("manuals", "request-3")
    pipeline.run_all()
    pipeline.finish()
    progress = pipeline.progress(second)
    assert progress.run.status == "succeeded"
    assert (progress.pages_done, progress.pages_unchanged, progress.entities) == (2, 1, 1)

    full = pipeline.ingest("manuals", "request-4", mode="full")
    pipeline.run_all()
    assert pipeline.progress(full).entities == 2


def test_an_empty_jsonl_corpus_ends_at_once(pipeline: Pipeline) -> None:
    pipeline.put_corpus("empty", {"kind": "jsonl", "prefix": "sources/empty/"})
    answer = pipeline.ingest("empty")
    assert (answer["status"], answer["pages_planned"]) == ("succeeded", 0)


def test_a_page_derived_again_after_a_fix_keeps_no_old_reject(pipeline: Pipeline) -> None:
    pipeline.put_corpus("manuals", {"kind": "jsonl", "prefix": "sources/manuals/"})
    pipeline.store.put("sources/manuals/one.jsonl", b'{"id": "a", "title": "Kettle"}\n')
    pipeline.ingest("manuals")
    pipeline.fetch(pipeline.take("page"))
    event = pipeline.take("derive")
    job = DeriveJob.model_validate_json(event["Records"][0]["body"])
    # What an attempt of older code had written before it died.
    pipeline.store.put(keys.rejects_key(job), jsonl.encode_lines(["{}"]))
    assert pipeline.derive(event) == []
    rejects = pipeline.store.get(keys.rejects_key(job)).data
    assert list(jsonl.decode_lines(rejects, "rejects")) == []


def test_a_message_that_cannot_be_done_fails_alone(pipeline: Pipeline) -> None:
    pipeline.ingest("heroes", mode="full")
    pipeline.fetch(pipeline.take("page"))
    event = pipeline.take("derive")
    job = DeriveJob.model_validate_json(event["Records"][1]["body"])
    event["Records"][1]["body"] = "{}"
    pipeline.store.delete(job.raw_key)
    failures = pipeline.derive(event)
    assert failures == [{"itemIdentifier": event["Records"][1]["messageId"]}]


@pytest.mark.parametrize("victim", ["store.put", "publisher.publish", "runs.ledger.record_stage"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_at_any_step_changes_nothing(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, victim: str, moment: str
) -> None:
    pipeline.put_corpus("manuals", {"kind": "jsonl", "prefix": "sources/manuals/"})
    pipeline.store.put("sources/manuals/one.jsonl", b'{"id": "a", "title": "Kettle"}\nx\n')
    answer = pipeline.ingest("manuals")
    for queue, deliver, stage in (
        ("page", pipeline.fetch, fetch_handler._stage()),
        ("derive", pipeline.derive, derive_handler._stage()),
    ):
        event = pipeline.take(queue)
        with monkeypatch.context() as patch:
            kill_at(patch, stage, victim, moment)
            assert len(deliver(event)) == len(event["Records"]) > 0
        assert deliver(twice(event)) == []
    chunk_jobs = {record["body"] for record in pipeline.take("chunk")["Records"]}
    assert len(chunk_jobs) == 1
    progress = pipeline.progress(answer)
    assert (progress.raw_records, progress.entities, progress.rejects) == (2, 1, 1)


def kill_at(patch: pytest.MonkeyPatch, stage: Any, victim: str, moment: str) -> None:
    """Make one call of a worker's collaborator die, before or after it did its work."""
    part_name, _, method_name = victim.rpartition(".")
    part = attrgetter(part_name)(stage._handle.__self__)
    method = getattr(part, method_name)

    def die(*arguments: Any, **options: Any) -> None:
        if moment == "after":
            method(*arguments, **options)
        raise RuntimeError("killed")

    patch.setattr(part, method_name, die)
