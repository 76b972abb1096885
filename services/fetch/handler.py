"""Lambda entry of fetch: page-jobs in, derive-jobs out."""

from functools import cache, partial
from typing import Any

from services.fetch.fetch_page import Fetcher
from services.fetch.settings import FetchSettings
from shared import aws, wiring
from shared.corpora import CorpusRegistry
from shared.messaging.stage import QueueStage
from shared.models.jobs import PageJob
from shared.observability import logger, metrics, tracer
from shared.sources.http import HttpClient
from shared.sources.registry import SourceTools, make_source
from shared.sources.retry import RetryPolicy
from shared.sources.secrets import SourceSecrets
from shared.state.corpus_state import CorpusState
from shared.state.rate_limits import RateLimits
from shared.state.run_records import utc_now


@cache
def _stage() -> QueueStage[PageJob]:
    settings = FetchSettings.load()
    stage_state = wiring.stage_state(settings)
    corpus_state = CorpusState(aws.dynamodb_client(), settings.checkpoint_table)
    store = wiring.object_store(settings)
    secrets = SourceSecrets(aws.secrets_client(), settings.source_secret_prefix)
    tools = SourceTools(
        store=store,
        marvel_keys=secrets.marvel_keys,
        rates=RateLimits(aws.dynamodb_client(), settings.checkpoint_table),
        http=HttpClient(),
        retry_policy=RetryPolicy(maximum_wait_seconds=settings.maximum_wait_seconds),
    )
    fetcher = Fetcher(
        store=store,
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        make_source=partial(make_source, tools=tools),
        publisher=wiring.next_queue(settings),
        runs=stage_state.runs,
        state=corpus_state,
        now=utc_now,
    )
    return QueueStage("fetch", PageJob, fetcher.fetch, stage_state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Fetch the pages of a batch of messages."""
    return _stage().process(event, context)
