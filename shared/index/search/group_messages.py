"""What a function asks another one that searches a group of shards for it, and the answer.

Numbers stay exact: JSON keeps every digit of a float, and vectors are sent as their bytes.
"""

import base64
import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, TypeAdapter

from shared.errors import CorruptObjectError, InvalidInputError
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.correction import MAXIMUM_CORRECTED, MAXIMUM_JOINED
from shared.index.search.shard_group import FoundPassage, GroupAnswer, GroupQuery, Sample
from shared.index.shard.lexical import TermStatistics
from shared.index.shard.sidecar import StoredChunk
from shared.index.shard.suggestions import Suggestions
from shared.index.shard.tokenizer import MAXIMUM_TERMS
from shared.models.base import MAXIMUM_PASSAGES, Contract, CorpusName
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
    """In how many entities, or rows, the words of a query occur."""

    ask: Literal["statistics"] = "statistics"
    scope: GroupScope
    by_entity: bool
    terms: Terms


class SpellingRequest(Contract):
    """What may stand for words that the whole index does not know. See `Unknown`."""

    ask: Literal["spelling"] = "spelling"
    scope: GroupScope
    words: Annotated[tuple[str, ...], Field(max_length=MAXIMUM_CORRECTED)]
    joined: Annotated[tuple[str, ...], Field(max_length=MAXIMUM_JOINED)]


class SearchRequest(Contract):
    """The best units; `vector` is base64 of little-endian float32. See `GroupQuery`."""

    ask: Literal["search"] = "search"
    scope: GroupScope
    depth: Annotated[int, Field(ge=1, le=1000)]
    least: Annotated[int, Field(ge=1, le=1000)]
    breadth: Annotated[int, Field(ge=1, le=100_000)]
    by_entity: bool
    passages: Annotated[int, Field(ge=1, le=MAXIMUM_PASSAGES)]
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
            least=query.least,
            breadth=query.breadth,
            by_entity=query.by_entity,
            passages=query.passages,
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
            least=self.least,
            breadth=self.breadth,
            by_entity=self.by_entity,
            passages=self.passages,
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


GroupRequest = StatisticsRequest | SpellingRequest | SearchRequest | SampleRequest
group_request: TypeAdapter[GroupRequest] = TypeAdapter(
    Annotated[GroupRequest, Field(discriminator="ask")]
)


class FoundPassageMessage(Contract):
    """A passage of a unit; `document` counts into the documents of the answer."""

    document: Annotated[int, Field(ge=0)]
    similarity: float | None


class FoundUnitMessage(Contract):
    """A unit with its scores and its passages, best first. See `GroupAnswer`."""

    name: str
    similarity: float | None
    words: float | None
    has_all: bool
    passages: tuple[FoundPassageMessage, ...]


class SearchAnswer(Contract):
    """The units of a group, and the documents of their passages."""

    units: tuple[FoundUnitMessage, ...]
    documents: tuple[StoredChunk, ...]

    @classmethod
    def of(cls, answer: GroupAnswer, passages: Sequence[Sequence[FoundPassage]]) -> Self:
        """Put an answer into words, with the passages of all its units."""
        documents: list[StoredChunk] = []
        messages: list[FoundUnitMessage] = []
        count = len(passages)
        for place, (name, of_unit) in enumerate(
            zip(answer.names(np.arange(count)), passages, strict=True)
        ):
            first = len(documents)
            documents.extend(passage.chunk for passage in of_unit)
            shown = tuple(
                FoundPassageMessage(document=document, similarity=passage.similarity)
                for document, passage in enumerate(of_unit, start=first)
            )
            similarity = float(answer.similarities[place])
            messages.append(
                FoundUnitMessage(
                    name=name,
                    similarity=None if math.isnan(similarity) else similarity,
                    words=float(answer.words[place]),
                    has_all=bool(answer.has_all[place]),
                    passages=shown,
                )
            )
        return cls(units=tuple(messages), documents=tuple(documents))

    def answer(self) -> GroupAnswer:
        """The answer again; the number of each unit is its place.

        Raises:
            CorruptObjectError: a passage of one of them did not come.
        """
        places = [passage.document for unit in self.units for passage in unit.passages]
        if max(places, default=-1) >= len(self.documents) or not all(
            unit.passages for unit in self.units
        ):
            raise CorruptObjectError("a group answered with a hit but not with its text")
        units = self.units
        return GroupAnswer(
            similarities=np.array(
                [np.nan if unit.similarity is None else unit.similarity for unit in units],
                dtype=np.float64,
            ),
            words=np.array([unit.words or 0.0 for unit in units], dtype=np.float64),
            has_all=np.array([unit.has_all for unit in units], dtype=np.bool_),
            shards=np.zeros(len(units), dtype=np.intp),
            units=np.arange(len(units)),
            names=lambda some: [units[place].name for place in some.tolist()],
        )

    def found_passages(self, number: int) -> list[FoundPassage]:
        """The passages of one unit."""
        return [
            FoundPassage(self.documents[one.document], one.similarity)
            for one in self.units[number].passages
        ]


statistics_answer: TypeAdapter[TermStatistics] = TypeAdapter(TermStatistics)
spelling_answer: TypeAdapter[Suggestions] = TypeAdapter(Suggestions)
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
