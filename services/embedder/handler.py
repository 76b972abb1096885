"""Lambda entry of the embedder: embed-jobs in, index-jobs out."""

from functools import cache
from typing import Any

from services.embedder.embed_part import Embedder
from services.embedder.settings import EmbedderSettings
from services.embedder.unchanged import UnchangedEntities
from shared.corpora.documents import CorpusRegistry
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.embedding.deployed_models import DeployedModels
from shared.messaging.stage import QueueStage
from shared.models.jobs import EmbedJob
from shared.platform import aws, wiring
from shared.platform.observability import logger, metrics, tracer


@cache
def _stage() -> QueueStage[EmbedJob]:
    settings = EmbedderSettings.load()
    state = wiring.stage_state(settings)
    store = wiring.object_store(settings)
    corpora = CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path)
    models = DeployedModels(lambda: store, settings.models, settings.model_dir)
    unchanged = UnchangedEntities(
        versions=EntityVersions(aws.dynamodb_client(), settings.checkpoint_table),
        runs=state.runs,
    )
    embedder = Embedder(
        store=store,
        model_of=lambda corpus: models.of(corpora.get(corpus)),
        publisher=wiring.next_queue(settings),
        runs=state.runs,
        unchanged=unchanged,
        floor=IndexFloor(aws.dynamodb_client(), settings.checkpoint_table),
    )
    return QueueStage("embedder", EmbedJob, embedder.embed_part, state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Embed the parts of a batch of messages."""
    return _stage().process(event, context)
