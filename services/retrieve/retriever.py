"""Answers one request: embed, search, describe."""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from services.retrieve.field_filters import require_known
from services.retrieve.library import IndexLibrary
from services.retrieve.request import RecallRequest, RetrieveRequest
from shared.embedding.deployed_models import DeployedModel, DeployedModels
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.group_messages import GroupRequest
from shared.index.search.recall import RecallPlan, measure_recall
from shared.index.search.remote_group import answer_group_request
from shared.index.search.searcher import Searcher, SearchHit, SearchResult
from shared.index.search.snapshot import Snapshot
from shared.models.base import CorpusName
from shared.models.corpus import Corpus
from shared.platform.observability import logger

_SCORE_DECIMALS = 6

ResultT = TypeVar("ResultT")


class Corpora(Protocol):
    """Finds the corpora of the deployment."""

    def get(self, name: str) -> Corpus:
        """Return a corpus; raises NotFoundError when there is none of that name."""
        ...


@dataclass(frozen=True, slots=True)
class _Opened:
    """An index that is ready to be searched."""

    corpus: str
    model: DeployedModel
    searcher: Searcher
    snapshot: Snapshot

    @property
    def fields(self) -> set[str]:
        """The metadata fields that some shard has."""
        return {field for shard in self.snapshot.manifest.shards for field in shard.fields}


@dataclass(frozen=True, slots=True)
class Retriever:
    """Answers requests; safe under threads.

    The first call loads the model of its corpus and opens the shards, side by side. Both show in
    `timing_ms`, as `model` and `shards`, of the calls they happened in.
    """

    corpora: Corpora
    models: DeployedModels
    library: IndexLibrary
    pool: Executor
    default_corpus: CorpusName

    def retrieve(self, request: RetrieveRequest) -> dict[str, Any]:
        """Return the body of the answer.

        Raises:
            NotFoundError: no such corpus, or it has no index.
            InvalidInputError: a filter names a field that the index has not.
            DimensionMismatchError: its index is of another model.
            PartialFailureError: a part of the index did not answer.
            DamagedIndexError: a shard of it is missing or damaged.
            CorruptObjectError, SettingsError: the deployment is damaged, or lacks the model.
        """
        started = time.perf_counter()
        timings: dict[str, float] = {}
        opened = self._open(request.corpus, timings, needs_model=request.mode != "lexical")
        if request.filters.fields:
            require_known(request.filters.fields, opened.fields)
        # Other functions count words while this one embeds.
        search = opened.searcher.begin(
            request.q,
            request.mode,
            by_entity=request.group,
            partial=request.partial,
            snapshot=opened.snapshot,
        )
        vector, timings["embed"] = _timed(lambda: _embed(request, opened.model))
        # In the lexical mode the model is loaded at the first word that may be misspelt.
        query = request.search_query(vector, lambda word: opened.model.encoder().has_word(word))
        result = search.finish(query)
        timings["search"] = result.milliseconds.search
        if result.groups > 1:
            timings["groups"] = result.milliseconds.groups
        timings["hydrate"] = result.milliseconds.hydrate
        timings["total"] = (time.perf_counter() - started) * 1000.0
        _log(opened.corpus, request, result, timings)
        return _body(request, result, timings)

    def recall(self, request: RecallRequest) -> dict[str, Any]:
        """Compare live answers with exact ones.

        Returns:
            `{corpus, samples, k, recall, recall_worst, version, milliseconds: {live_p50,
            exact_p50}}`; `samples` is fewer than asked for when there are fewer rows, or no time.

        Raises:
            The same as `retrieve`.
        """
        opened = self._open(request.corpus, {}, needs_model=True)
        encoder = opened.model.encoder()
        plan = RecallPlan(samples=request.samples, k=request.k, seed=request.seed)
        found = measure_recall(opened.searcher, opened.snapshot, encoder.encode_query, plan)
        return {
            "corpus": opened.corpus,
            "samples": found.samples,
            "k": request.k,
            "recall": round(found.recall, _SCORE_DECIMALS),
            "recall_worst": round(found.recall_worst, _SCORE_DECIMALS),
            "version": found.version,
            "milliseconds": {
                "live_p50": round(found.live_ms, 2),
                "exact_p50": round(found.exact_ms, 2),
            },
        }

    def answer_group(self, request: GroupRequest) -> dict[str, Any]:
        """Search some shards for the invocation that answers the caller.

        Raises:
            NotFoundError, CorruptObjectError: the shards are not there as that one saw them.
        """
        scope = request.scope
        group, opening = _timed(lambda: self.library.open_group(scope))
        answer, answering = _timed(lambda: answer_group_request(group, request))
        logger.info(
            "answered for a group",
            extra={
                "corpus": scope.corpus,
                "ask": request.ask,
                "index_version": scope.version,
                "shards": len(scope.shard_ids),
                "timing_ms": {"shards": round(opening, 2), "search": round(answering, 2)},
            },
        )
        return answer

    def _open(
        self, corpus_name: str | None, timings: dict[str, float], *, needs_model: bool
    ) -> _Opened:
        """Open the index, and beside it the model."""
        corpus = self.corpora.get(corpus_name or self.default_corpus)
        identity = self.library.serving(
            corpus.name, self.models.identity_of(corpus), self.models.identities
        )
        model = self.models.under(identity)
        loading = None
        if needs_model and not model.is_loaded:
            loading = self.pool.submit(_timed, model.encoder)
        searcher, refreshed = self.library.open(corpus.name, identity)
        if refreshed.opened:
            timings["shards"] = refreshed.milliseconds
        if loading is not None:
            _, timings["model"] = loading.result()
        return _Opened(corpus.name, model, searcher, refreshed.snapshot)


def _embed(request: RetrieveRequest, model: DeployedModel) -> Vectors | None:
    return None if request.mode == "lexical" else model.encoder().encode_query(request.q)


def _timed(work: Callable[[], ResultT]) -> tuple[ResultT, float]:
    """The result and the milliseconds it took."""
    started = time.perf_counter()
    return work(), (time.perf_counter() - started) * 1000.0


def _body(
    request: RetrieveRequest, result: SearchResult, timings: dict[str, float]
) -> dict[str, Any]:
    manifest = result.snapshot.manifest
    index: dict[str, Any] = {"version": manifest.version, "shards": len(manifest.shards)}
    if result.groups > 1:
        index["groups"] = {"searched": result.searched, "of": result.groups}
    if result.snapshot.damage:
        index["damaged_shards"] = len(result.snapshot.damage)
    return {
        "query": request.q,
        **({"corrected": dict(result.corrected)} if result.corrected else {}),
        "k": request.k,
        "mode": request.mode,
        "filters": request.filters.given(),
        "results": [_result(hit) for hit in result.hits],
        "partial": result.searched < result.groups or bool(result.snapshot.damage),
        "model": manifest.model.model_dump(),
        "index": index,
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
        "passages": [
            {
                "id": passage.chunk.chunk_id,
                "similarity": passage.similarity,
                "snippet": passage.chunk.text,
            }
            for passage in hit.passages[1:]
        ],
    }


def _log(
    corpus: str, request: RetrieveRequest, result: SearchResult, timings: dict[str, float]
) -> None:
    manifest = result.snapshot.manifest
    # Never the query itself: it may hold anything a person typed.
    logger.info(
        "retrieved",
        extra={
            "corpus": corpus,
            "mode": request.mode,
            "k": request.k,
            "query_characters": len(request.q),
            "results": len(result.hits),
            "corrected": len(result.corrected),
            "index_version": manifest.version,
            "index_age_seconds": round((datetime.now(UTC) - manifest.committed_at).total_seconds()),
            "groups": result.groups,
            "groups_searched": result.searched,
            "timing_ms": {name: round(value, 2) for name, value in timings.items()},
        },
    )
