"""Lambda entry of fetch: page-jobs in, derive-jobs out."""

from functools import cache, partial
from typing import Any

from services.fetch.fetch_page import Fetcher
from services.fetch.settings import FetchSettings
from shared.corpora.documents import CorpusRegistry
from shared.messaging.publisher import JobPublisher
from shared.messaging.stage import QueueStage
from shared.models.jobs import PageJob
from shared.platform import aws, wiring
from shared.platform.observability import logger, metrics, tracer
from shared.platform.source_wiring import postponing_tools
from shared.sources.registry import make_source
from shared.table.table_clock import utc_now


@cache
def _stage() -> QueueStage[PageJob]:
    settings = FetchSettings.load()
    stage_state = wiring.stage_state(settings)
    store = wiring.object_store(settings)
    tools = postponing_tools(settings, store)
    fetcher = Fetcher(
        store=store,
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        make_source=partial(make_source, tools=tools),
        publisher=wiring.next_queue(settings),
        page_queue=JobPublisher(aws.sqs_client(), settings.queue_url),
        runs=stage_state.runs,
        state=wiring.corpus_state(settings.checkpoint_table),
        now=utc_now,
        maximum_postponements=settings.maximum_postponements,
    )
    return QueueStage("fetch", PageJob, fetcher.fetch, stage_state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Fetch the pages of a batch of messages."""
    return _stage().process(event, context)
