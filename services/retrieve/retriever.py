"""Answers one request: embed, search, describe."""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from services.retrieve.contracts import RetrieveRequest
from services.retrieve.library import IndexLibrary
from services.retrieve.model import DeployedModel
from shared.index.graph import Vectors
from shared.index.searcher import SearchHit, SearchQuery, SearchResult
from shared.models.base import CorpusName
from shared.models.corpus import Corpus
from shared.models.manifest import ModelIdentity
from shared.observability import logger

_SCORE_DECIMALS = 6

ResultT = TypeVar("ResultT")


class Corpora(Protocol):
    """Knows the corpora of the deployment."""

    def get(self, name: str) -> Corpus:
        """Return a corpus; raises NotFoundError when there is none of that name."""
        ...


@dataclass(frozen=True, slots=True)
class Retriever:
    """Answers requests; safe under threads.

    The first call loads the model and opens the shards, side by side. Both show in `timing_ms`,
    as `model` and `shards`, of the calls they happened in.
    """

    corpora: Corpora
    model: DeployedModel
    library: IndexLibrary
    pool: Executor
    default_corpus: CorpusName

    def retrieve(self, request: RetrieveRequest) -> dict[str, Any]:
        """Return the body of the answer.

        Raises:
            NotFoundError: no such corpus, or it has no index.
            DimensionMismatchError: its index is of another model.
            CorruptObjectError, SettingsError: the deployment is damaged.
        """
        started = time.perf_counter()
        timings: dict[str, float] = {}
        corpus = self.corpora.get(request.corpus or self.default_corpus).name
        model = self.model.identity()
        loading = None
        if request.mode != "lexical" and not self.model.is_loaded:
            loading = self.pool.submit(_timed, self.model.encoder)
        searcher, refreshed = self.library.open(corpus, model)
        if refreshed.opened:
            timings["shards"] = refreshed.milliseconds
        if loading is not None:
            _, timings["model"] = loading.result()
        vector, timings["embed"] = _timed(lambda: self._embed(request))
        query = SearchQuery(
            text=request.q,
            vector=vector,
            k=request.k,
            mode=request.mode,
            filters=request.filters.search_filters(),
            threshold=request.threshold,
        )
        result, timings["search"] = _timed(lambda: searcher.search(query, refreshed.snapshot))
        timings["total"] = (time.perf_counter() - started) * 1000.0
        _log(corpus, request, result, timings)
        return _body(request, result, model, timings)

    def _embed(self, request: RetrieveRequest) -> Vectors | None:
        if request.mode == "lexical":
            return None
        return self.model.encoder().encode_query(request.q)


def _timed(work: Callable[[], ResultT]) -> tuple[ResultT, float]:
    """The result and the milliseconds it took."""
    started = time.perf_counter()
    return work(), (time.perf_counter() - started) * 1000.0


def _body(
    request: RetrieveRequest,
    result: SearchResult,
    model: ModelIdentity,
    timings: dict[str, float],
) -> dict[str, Any]:
    manifest = result.snapshot.manifest
    return {
        "query": request.q,
        "k": request.k,
        "mode": request.mode,
        "filters": request.filters.given(),
        "results": [_result(hit) for hit in result.hits],
        "model": model.model_dump(),
        "index": {"version": manifest.version, "shards": len(manifest.shards)},
        "timing_ms": {name: round(value, 2) for name, value in timings.items()},
    }


def _result(hit: SearchHit) -> dict[str, Any]:
    metadata = hit.chunk.metadata
    return {
        "id": hit.chunk.chunk_id,
        "score": round(hit.score, _SCORE_DECIMALS),
        "similarity": hit.similarity,
        "snippet": hit.chunk.text,
        "meta": {
            "entity": metadata.entity_type,
            "id": metadata.source_id,
            "title": metadata.title,
            "urls": list(metadata.urls),
            "modified": metadata.modified,
            "source_path": metadata.source_path,
            "attribution": metadata.attribution,
        },
    }


def _log(
    corpus: str, request: RetrieveRequest, result: SearchResult, timings: dict[str, float]
) -> None:
    # Never the query itself: it may hold anything a person typed.
    logger.info(
        "retrieved",
        extra={
            "corpus": corpus,
            "mode": request.mode,
            "k": request.k,
            "query_characters": len(request.q),
            "results": len(result.hits),
            "index_version": result.snapshot.manifest.version,
            "timing_ms": {name: round(value, 2) for name, value in timings.items()},
        },
    )
