"""The answer of `GET /retrieve`, as the resolver validates it before it leaves."""

from typing import Any

from shared.index.searcher import SearchMode
from shared.models.base import Contract
from shared.models.manifest import ModelIdentity


class ResultMetadata(Contract):
    """What is known of the entity that a chunk belongs to."""

    entity: str
    id: str
    title: str
    urls: tuple[str, ...]
    modified: str | None
    source_path: str
    attribution: str | None


class Result(Contract):
    """One chunk; `similarity` is its cosine, None where no vector was compared."""

    id: str
    score: float
    similarity: float | None
    snippet: str
    meta: ResultMetadata


class IndexState(Contract):
    """Which committed index answered."""

    version: int
    shards: int


class RetrieveAnswer(Contract):
    """The whole answer; times are milliseconds."""

    query: str
    k: int
    mode: SearchMode
    filters: dict[str, Any]
    results: tuple[Result, ...]
    model: ModelIdentity
    index: IndexState
    timing_ms: dict[str, float]
