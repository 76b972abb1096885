"""Lambda entry of derive: derive-jobs in, chunk-jobs out."""

from functools import cache
from typing import Any

from services.derive.derive_job import Deriver
from services.derive.settings import DeriveSettings
from shared.corpora.documents import CorpusRegistry
from shared.messaging.stage import QueueStage
from shared.models.jobs import DeriveJob
from shared.platform import aws, wiring
from shared.platform.observability import logger, metrics, tracer


@cache
def _stage() -> QueueStage[DeriveJob]:
    settings = DeriveSettings.load()
    state = wiring.stage_state(settings)
    deriver = Deriver(
        store=wiring.object_store(settings),
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        publisher=wiring.next_queue(settings),
        runs=state.runs,
    )
    return QueueStage("derive", DeriveJob, deriver.derive, state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Derive the pages of a batch of messages."""
    return _stage().process(event, context)
