"""The shape of the answer of `GET /retrieve`; `retriever.py` fills it, the resolver checks it."""

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from shared.index.search.searcher import SearchMode
from shared.models.base import Contract, without_absent
from shared.models.manifest import ModelIdentity


class ResultEntity(Contract):
    """The entity that a chunk belongs to, without the fields of its type."""

    entity: str
    id: str
    title: str
    urls: tuple[str, ...]
    modified: str | None
    source_path: str
    attribution: str | None


class ResultPassage(Contract):
    """A further passage of a result's entity."""

    id: str
    similarity: float | None
    snippet: str


class Result(Contract):
    """An entity, or a single passage with `group=false`.

    `id` and `snippet` are those of the best passage, `passages` has the further ones, best first.
    `similarity` is the greatest cosine of a passage of the entity, None where no vector was
    compared.
    """

    id: str
    score: float
    similarity: float | None
    snippet: str
    meta: ResultEntity
    passages: tuple[ResultPassage, ...]


class SearchedGroups(Contract):
    """Into how many groups of shards the index was partitioned, and how many of them answered."""

    searched: int
    of: int


class IndexState(Contract):
    """Which committed index answered.

    `groups` only where there are several, `damaged_shards` only where shards are left out.
    """

    version: int
    shards: int
    groups: SearchedGroups | None = None
    damaged_shards: int | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_absent(dump(self), "groups", "damaged_shards")


class RetrieveAnswer(Contract):
    """The whole answer. `partial` says that a part of the index did not answer.

    `timing_ms` has milliseconds: `embed` the query, `search` until the hits are ranked, of it
    `groups` waiting for other functions (only where there are several groups), `hydrate` reading
    texts, and `total`. The call that loads them also has `model`, and `shards` for fetching and
    opening shards, which happen side by side. `corrected` only where other words stood for some of
    the query.
    """

    query: str
    corrected: dict[str, str] | None = None
    k: int
    mode: SearchMode
    filters: dict[str, Any]
    results: tuple[Result, ...]
    partial: bool
    model: ModelIdentity
    index: IndexState
    timing_ms: dict[str, float]

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_absent(dump(self), "corrected")
