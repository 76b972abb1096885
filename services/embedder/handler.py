"""Lambda entry of the embedder: embed-jobs in, index-jobs out."""

from functools import cache
from typing import Any

from services.embedder.embed_part import Embedder
from services.embedder.settings import EmbedderSettings
from services.embedder.unchanged import UnchangedEntities
from shared import aws, wiring
from shared.embedding.encoder import Encoder
from shared.embedding.model_files import load_model_bundle, read_model_identity
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.messaging.stage import QueueStage
from shared.models.jobs import EmbedJob
from shared.models.manifest import ModelIdentity
from shared.observability import logger, metrics, tracer
from shared.state.corpus_state import CorpusState
from shared.state.entity_versions import EntityVersions


@cache
def _encoder() -> Encoder:
    settings = EmbedderSettings.load()
    store = wiring.object_store(settings)
    return OnnxEncoder(load_model_bundle(store, settings.model_prefix, settings.model_dir))


@cache
def _model() -> ModelIdentity:
    settings = EmbedderSettings.load()
    return read_model_identity(wiring.object_store(settings), settings.model_prefix)


@cache
def _stage() -> QueueStage[EmbedJob]:
    settings = EmbedderSettings.load()
    state = wiring.stage_state(settings)
    client = aws.dynamodb_client()
    unchanged = UnchangedEntities(
        versions=EntityVersions(client, settings.checkpoint_table),
        runs=state.runs,
        state=CorpusState(client, settings.checkpoint_table),
    )
    embedder = Embedder(
        store=wiring.object_store(settings),
        model=_model,
        encoder=_encoder,
        publisher=wiring.next_queue(settings),
        runs=state.runs,
        unchanged=unchanged,
    )
    return QueueStage("embed", EmbedJob, embedder.embed_part, state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Embed the parts of a batch of messages."""
    return _stage().process(event, context)
