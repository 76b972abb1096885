"""What a function asks another one that searches a group of shards for it, and the answer.

Numbers stay exact: JSON keeps every digit of a float, and vectors are sent as their bytes.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, TypeAdapter

from shared.errors import CorruptObjectError, InvalidInputError
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.shard_group import FoundRow, GroupAnswer, GroupQuery, Sample
from shared.index.shard.lexical import MAXIMUM_TERMS, TermStatistics
from shared.index.shard.sidecar import StoredChunk
from shared.models.base import Contract, CorpusName
from shared.models.maintenance import ShardId
from shared.models.manifest import ModelIdentity

Terms = Annotated[tuple[str, ...], Field(max_length=MAXIMUM_TERMS)]


class GroupScope(Contract):
    """Which shards of which version of an index."""

    corpus: CorpusName
    model: ModelIdentity
    version: Annotated[int, Field(ge=1)]
    shard_ids: Annotated[tuple[ShardId, ...], Field(min_length=1)]


class StatisticsRequest(Contract):
    """How often the words of a query occur."""

    ask: Literal["statistics"] = "statistics"
    scope: GroupScope
    terms: Terms


class SearchRequest(Contract):
    """The best rows; `vector` is base64 of little-endian float32. See `GroupQuery`."""

    ask: Literal["search"] = "search"
    scope: GroupScope
    depth: Annotated[int, Field(ge=1, le=1000)]
    breadth: Annotated[int, Field(ge=1, le=100_000)]
    vector: str | None
    terms: Terms
    statistics: TermStatistics | None
    filters: SearchFilters
    exact: bool

    @classmethod
    def of(cls, scope: GroupScope, query: GroupQuery) -> Self:
        """Put a query into words."""
        vector = None if query.vector is None else query.vector.astype("<f4").tobytes()
        return cls(
            scope=scope,
            depth=query.depth,
            breadth=query.breadth,
            vector=None if vector is None else base64.b64encode(vector).decode(),
            terms=query.terms,
            statistics=query.statistics,
            filters=query.filters,
            exact=query.exact,
        )

    def query(self) -> GroupQuery:
        """The query again.

        Raises:
            InvalidInputError: the vector is not one of the model's dimensions.
        """
        return GroupQuery(
            depth=self.depth,
            breadth=self.breadth,
            vector=None if self.vector is None else _vector(self.vector, self.scope.model.dims),
            terms=self.terms,
            statistics=self.statistics,
            filters=self.filters,
            exact=self.exact,
        )


class SampleRequest(Contract):
    """The texts of some live rows."""

    ask: Literal["sample"] = "sample"
    scope: GroupScope
    count: Annotated[int, Field(ge=1, le=1000)]
    seed: Annotated[int, Field(ge=0)]


GroupRequest = StatisticsRequest | SearchRequest | SampleRequest
group_request: TypeAdapter[GroupRequest] = TypeAdapter(
    Annotated[GroupRequest, Field(discriminator="ask")]
)


class SearchAnswer(Contract):
    """Rankings as `(chunk id, score, similarity)`, and each document of them once."""

    dense: tuple[tuple[str, float, float | None], ...]
    lexical: tuple[tuple[str, float, float | None], ...]
    documents: tuple[StoredChunk, ...]

    @classmethod
    def of(cls, answer: GroupAnswer, documents: Sequence[StoredChunk]) -> Self:
        """Put an answer into words."""
        return cls(
            dense=tuple((row.chunk_id, row.score, row.similarity) for row in answer.dense),
            lexical=tuple((row.chunk_id, row.score, row.similarity) for row in answer.lexical),
            documents=tuple(documents),
        )

    def answer(self) -> GroupAnswer:
        """The answer again; a row's label is the position of its document."""
        places = {document.chunk_id: place for place, document in enumerate(self.documents)}
        try:
            return GroupAnswer(
                dense=[FoundRow(*row, 0, places[row[0]]) for row in self.dense],
                lexical=[FoundRow(*row, 0, places[row[0]]) for row in self.lexical],
            )
        except KeyError:
            raise CorruptObjectError("a group answered with a row but not with its text") from None


statistics_answer: TypeAdapter[TermStatistics] = TypeAdapter(TermStatistics)
search_answer: TypeAdapter[SearchAnswer] = TypeAdapter(SearchAnswer)
sample_answer: TypeAdapter[Sample] = TypeAdapter(Sample)


def _vector(text: str, dims: int) -> Vectors:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one; characters beyond ASCII raise another
        raise InvalidInputError("vector: is not base64") from None
    if len(data) != dims * 4:
        raise InvalidInputError(f"vector: has {len(data)} bytes; {dims} float32 are needed")
    return np.frombuffer(data, "<f4")
