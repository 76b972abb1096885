"""Lambda entry of the chunker: chunk-jobs in, embed-jobs out."""

from functools import cache
from typing import Any

from services.chunker.chunk_page import Chunker
from services.chunker.settings import ChunkerSettings
from shared.corpora.documents import CorpusRegistry
from shared.messaging.stage import QueueStage
from shared.models.jobs import ChunkJob
from shared.platform import aws, wiring
from shared.platform.observability import logger, metrics, tracer


@cache
def _stage() -> QueueStage[ChunkJob]:
    settings = ChunkerSettings.load()
    state = wiring.stage_state(settings)
    chunker = Chunker(
        store=wiring.object_store(settings),
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        publisher=wiring.next_queue(settings),
        runs=state.runs,
        maximum_chunks_per_part=settings.maximum_chunks_per_part,
    )
    return QueueStage("chunker", ChunkJob, chunker.chunk_page, state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Cut the pages of a batch of messages."""
    return _stage().process(event, context)
