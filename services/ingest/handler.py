"""Lambda entry of ingest: the schedule or a direct invocation in, page-jobs out."""

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from services.ingest.plan_run import Planner
from services.ingest.request import parse_request
from services.ingest.settings import IngestSettings
from shared import aws, wiring
from shared.corpora import CorpusRegistry
from shared.messaging.publisher import JobPublisher
from shared.observability import logger, metrics, tracer
from shared.sources.http import HttpClient
from shared.sources.registry import SourceTools, make_source
from shared.sources.retry import RetryPolicy
from shared.sources.secrets import SourceSecrets
from shared.state.corpus_state import CorpusState
from shared.state.rate_limits import RateLimits
from shared.state.run_records import utc_now
from shared.storage.s3 import S3ObjectStore


@cache
def _planner() -> Planner:
    settings = IngestSettings.load()
    corpus_state = CorpusState(aws.dynamodb_client(), settings.checkpoint_table)
    secrets = SourceSecrets(aws.secrets_client(), settings.source_secret_prefix)
    tools = SourceTools(
        store=S3ObjectStore(aws.s3_client(), settings.bucket_name),
        marvel_keys=secrets.marvel_keys,
        rates=RateLimits(aws.dynamodb_client(), settings.checkpoint_table),
        http=HttpClient(),
        retry_policy=RetryPolicy(maximum_wait_seconds=settings.maximum_wait_seconds),
    )
    return Planner(
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        make_source=partial(make_source, tools=tools),
        publisher=JobPublisher(aws.sqs_client(), settings.next_queue_url, settings.publish_copies),
        runs=wiring.run_store(settings.checkpoint_table, settings.compact_queue_url),
        state=corpus_state,
        now=utc_now,
        lease_seconds=settings.lease_seconds,
    )


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Start the run that the event asks for; see `IngestRequest` and `RunSummary`."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    request = parse_request(event, context.aws_request_id)
    summary = _planner().plan(request)
    metrics.add_metric("PagesPlanned", MetricUnit.Count, summary.pages_planned or 0)
    logger.info("planned a run", extra={"corpus": request.corpus, **summary.model_dump()})
    return summary.model_dump()
