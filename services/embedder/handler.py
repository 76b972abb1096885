"""Lambda entry of the embedder: embed-jobs in, index-jobs out."""

from functools import cache
from typing import Any

from services.embedder.embed_part import Embedder
from services.embedder.settings import EmbedderSettings
from shared import wiring
from shared.embedding.encoder import Encoder
from shared.embedding.model_files import load_model_bundle
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.messaging.stage import QueueStage
from shared.models.jobs import EmbedJob
from shared.observability import logger, metrics, tracer


@cache
def _encoder() -> Encoder:
    settings = EmbedderSettings.load()
    store = wiring.object_store(settings)
    return OnnxEncoder(load_model_bundle(store, settings.model_prefix, settings.model_dir))


@cache
def _stage() -> QueueStage[EmbedJob]:
    settings = EmbedderSettings.load()
    state = wiring.stage_state(settings)
    embedder = Embedder(
        store=wiring.object_store(settings),
        encoder=_encoder,
        publisher=wiring.next_queue(settings),
        runs=state.runs,
    )
    return QueueStage("embed", EmbedJob, embedder.embed_part, state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Embed the parts of a batch of messages."""
    return _stage().process(event, context)
