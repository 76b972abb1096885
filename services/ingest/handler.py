"""Lambda entry of ingest: the schedule or a direct invocation in, page-jobs out."""

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from services.ingest.model_change import ModelChange
from services.ingest.plan_run import Planner
from services.ingest.request import (
    IngestRequest,
    RunRequest,
    parse_request,
    parse_run_request,
)
from services.ingest.settings import IngestSettings
from services.ingest.stalled_run import StalledRuns
from services.ingest.steer_run import Steering
from services.ingest.try_corpus import Trial, TryRequest, parse_try_request
from shared.corpora.documents import CorpusRegistry
from shared.corpora.index_floor import IndexFloor
from shared.messaging.publisher import JobPublisher
from shared.platform import aws, wiring
from shared.platform.observability import logger, metrics, tracer
from shared.platform.source_wiring import patient_tools
from shared.sources.registry import make_source
from shared.storage.s3 import S3ObjectStore


@cache
def _steering() -> Steering:
    settings = IngestSettings.load()
    store = S3ObjectStore(aws.s3_client(), settings.bucket_name)
    tools = patient_tools(settings, store)
    table = settings.checkpoint_table
    runs, clock = wiring.run_store(table, settings.compact_queue_url), wiring.table_clock(table)
    planner = Planner(
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        make_source=partial(make_source, tools=tools),
        publisher=JobPublisher(aws.sqs_client(), settings.next_queue_url, settings.publish_copies),
        runs=runs,
        state=wiring.corpus_state(table),
        clock=clock,
        planning_lease_seconds=settings.planning_lease_seconds,
        lease_seconds=settings.lease_seconds,
        models=settings.models,
        needs_full_run=ModelChange(store, settings.models).needs_full_run,
        close_stalled=StalledRuns(aws.sqs_client(), settings.stage_queue_urls, runs, clock).close,
    )
    return Steering(planner, IndexFloor(aws.dynamodb_client(), table))


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do what the event asks for; without an `action` it starts a run."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    match event.get("action", "start"):
        case "start":
            return _start(parse_request(event, context.aws_request_id))
        case "try":
            return _try(parse_try_request(event))
        case _:
            return _steer(parse_run_request(event))


def _start(request: IngestRequest) -> dict[str, Any]:
    summary = _steering().planner.plan(request)
    metrics.add_metric("PagesPlanned", MetricUnit.Count, summary.pages_planned)
    logger.info("planned a run", extra={"corpus": request.corpus, **summary.model_dump()})
    return summary.model_dump()


def _steer(request: RunRequest) -> dict[str, Any]:
    summary = _steering().do(request)
    logger.info("steered a run", extra={"action": request.action, **summary.model_dump()})
    return summary.model_dump()


def _try(request: TryRequest) -> dict[str, Any]:
    planner = _steering().planner
    answer = Trial(planner.corpora, planner.make_source).run(request)
    logger.info("tried a corpus", extra={"corpus": answer.corpus, "records": answer.records})
    return answer.model_dump(mode="json")
