"""Lambda entry of retrieve: `GET /retrieve`, `GET /health`, and `{"retrieve": {…}}` directly."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from services.retrieve.api import answer_directly, build_api
from services.retrieve.library import IndexLibrary, LibrarySettings
from services.retrieve.model import DeployedModel
from services.retrieve.retriever import Retriever
from services.retrieve.settings import RetrieveSettings
from shared import aws
from shared.corpora import CorpusRegistry
from shared.embedding.onnx_encoder import available_cpus
from shared.observability import logger, metrics, tracer
from shared.storage.s3 import S3ObjectStore

_THREADS = 16  # most of what they do is waiting for downloads


@cache
def _retriever() -> Retriever:
    settings = RetrieveSettings.load()
    store = S3ObjectStore(aws.s3_client(), settings.bucket_name)
    pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="retrieve")
    library = LibrarySettings(
        directory=settings.model_dir / "shards",
        recheck_seconds=settings.manifest_recheck_seconds,
        parallel_groups=available_cpus(),
    )
    return Retriever(
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        model=DeployedModel(store, settings.model_prefix, settings.model_dir),
        library=IndexLibrary(store, pool, library),
        pool=pool,
        default_corpus=settings.default_corpus,
    )


def _health() -> dict[str, Any]:
    settings = RetrieveSettings.load()
    return {
        "status": "ok",
        "version": settings.aws_lambda_function_version,
        "model": settings.model_prefix,
    }


_api = build_api(_retriever, _health)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an API request or a direct invocation."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    if "retrieve" in event:
        return answer_directly(_retriever, event["retrieve"])
    return _api.resolve(event, context)
