"""Lambda entry of retrieve: `GET /retrieve`, `GET /health`, and direct invocations.

Importing it makes no connection and no thread: an environment may be copied after that.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit

from services.retrieve import snap_start
from services.retrieve.api import answer_directly, build_api, is_direct
from services.retrieve.library import Elsewhere, IndexLibrary, LibrarySettings
from services.retrieve.retriever import Retriever
from services.retrieve.self_invocation import SelfInvocation
from services.retrieve.settings import RetrieveSettings
from shared.corpora.documents import CorpusRegistry
from shared.embedding.deployed_models import DeployedModels
from shared.embedding.onnx_encoder import available_cpus
from shared.platform import aws
from shared.platform.observability import logger, metrics, tracer
from shared.storage.s3 import S3ObjectStore

_THREADS = 16  # most of what they do is waiting for downloads
_WAITING_THREADS = 32  # each waits for another invocation


def _store() -> S3ObjectStore:
    return S3ObjectStore(aws.s3_client(), RetrieveSettings.load().bucket_name)


@cache
def _models() -> DeployedModels:
    settings = RetrieveSettings.load()
    return DeployedModels(_store, settings.models, settings.model_dir)


@cache
def _retriever() -> Retriever:
    settings = RetrieveSettings.load()
    pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="retrieve")
    library = LibrarySettings(
        directory=settings.model_dir / "shards",
        recheck_seconds=settings.manifest_recheck_seconds,
        parallel_tasks=available_cpus(),
        cache_limit_bytes=settings.cache_limit_bytes,
        memory_budget_bytes=settings.memory_budget_bytes,
    )
    return Retriever(
        corpora=CorpusRegistry(aws.ssm_client(), settings.corpora_parameter_path),
        models=_models(),
        library=IndexLibrary(_store(), pool, library, _elsewhere(settings)),
        pool=pool,
        default_corpus=settings.default_corpus,
    )


def _elsewhere(settings: RetrieveSettings) -> Elsewhere | None:
    """This function itself, where it is one."""
    if settings.searching_function is None:
        return None
    invoker = SelfInvocation(aws.lambda_client(), settings.searching_function)
    waiting = ThreadPoolExecutor(max_workers=_WAITING_THREADS, thread_name_prefix="groups")
    return Elsewhere(invoker, waiting)


def _forget() -> None:
    """Drop what other environments must not share: connections, threads, the state of indexes."""
    _retriever.cache_clear()
    aws.forget_clients()


def _health() -> dict[str, Any]:
    settings = RetrieveSettings.load()
    return {
        "status": "ok",
        "version": settings.aws_lambda_function_version,
        "model": settings.model_prefix,
    }


_api = build_api(_retriever, _health)
snap_start.register(load=lambda: _models().default().encoder(), forget=_forget)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an API request or a direct invocation."""
    is_part = "group" in event
    metrics.add_metric("GroupRequests" if is_part else "Requests", MetricUnit.Count, 1)
    if is_direct(event):
        return answer_directly(_retriever, event)
    return _api.resolve(event, context)
