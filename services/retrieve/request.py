"""What a caller may ask, with its bounds; answer.py has what comes back."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from services.retrieve.field_filters import FieldCondition
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.correction import IsWord
from shared.index.search.searcher import SearchMode, SearchQuery
from shared.models.base import (
    DEFAULT_RESULTS,
    MAXIMUM_PASSAGES,
    MAXIMUM_RESULTS,
    Contract,
    CorpusName,
)
from shared.models.forms import form

MAXIMUM_QUERY_CHARACTERS = 1000
DEFAULT_MODE: SearchMode = "hybrid"

_MAXIMUM_FILTER_VALUES = 20
_BARE_DATE_LENGTH = len("2024-01-31")


def _require_content(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _as_tuple(value: Any) -> Any:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return value


def _is_bare_date(text: str) -> bool:
    return len(text) == _BARE_DATE_LENGTH and "T" not in text


def _moment(text: str) -> datetime:
    if " " in text and "+" not in text:
        raise ValueError("holds a space; write the + of a zone as %2B in a URL")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "must be an ISO 8601 date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _require_moment(text: str) -> str:
    _moment(text)
    return text


Text = Annotated[str, Field(max_length=400), AfterValidator(_require_content)]
EntityType = Annotated[
    str,
    Field(
        pattern=form(
            r"^[a-z][a-z0-9_]{0,49}$",
            "1 to 50 lower-case letters, digits and underscores, beginning with a letter",
        )
    ),
]
DateText = Annotated[str, Field(max_length=40), AfterValidator(_require_moment)]


class RetrieveFilters(Contract):
    """Narrows a search; every one given must hold.

    `entity` is one of several types. `since` is inclusive; so is `until`, which as a bare date
    means the whole day. Moments without a zone are UTC. `fields` are conditions on metadata
    fields, by name; in a query string and in a payload they stand beside the other filters.
    """

    entity: Annotated[
        tuple[EntityType, ...], BeforeValidator(_as_tuple), Field(max_length=_MAXIMUM_FILTER_VALUES)
    ] = ()
    id: Text | None = None
    since: DateText | None = None
    until: DateText | None = None
    fields: dict[str, FieldCondition] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _since_is_not_after_until(self) -> Self:
        filters = self.search_filters()
        if filters.since and filters.before and filters.since >= filters.before:
            raise ValueError("since must not be after until")
        return self

    def search_filters(self) -> SearchFilters:
        """The same for the index, where the upper bound is exclusive."""
        return SearchFilters(
            entity_types=self.entity,
            source_ids=() if self.id is None else (self.id,),
            since=None if self.since is None else _moment(self.since),
            before=None if self.until is None else _after(self.until),
            fields=tuple(condition.filter(name) for name, condition in self.fields.items()),
        )

    def given(self) -> dict[str, Any]:
        """Only the filters that were given, as the response repeats them."""
        fixed = self.model_dump(
            mode="json", exclude={"fields"}, exclude_none=True, exclude_defaults=True
        )
        return fixed | {name: condition.given() for name, condition in self.fields.items()}


def _after(until: str) -> datetime | None:
    """The first moment that is too late; None when there is none before the end of time."""
    step = timedelta(days=1) if _is_bare_date(until) else timedelta(microseconds=1)
    try:
        return _moment(until) + step
    except OverflowError:
        return None


class RetrieveRequest(Contract):
    """One question. `threshold` is the least cosine of a result; mode lexical has none.

    A result is an entity with its best passage, and up to `passages` of them; without `group` each
    result is one passage, and an entity may come several times.

    `partial`: when a shard is damaged, or a part of an index that several functions search does
    not answer, the results of the others will do.

    `spelling`: a word that the index does not know is split, joined or replaced by a known one.
    """

    q: Annotated[str, Field(max_length=MAXIMUM_QUERY_CHARACTERS), AfterValidator(_require_content)]
    k: Annotated[int, Field(ge=1, le=MAXIMUM_RESULTS)] = DEFAULT_RESULTS
    threshold: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = None
    group: bool = True
    passages: Annotated[int, Field(ge=1, le=MAXIMUM_PASSAGES)] = 1
    mode: SearchMode = DEFAULT_MODE
    corpus: CorpusName | None = None
    partial: bool = False
    spelling: bool = True
    filters: RetrieveFilters = RetrieveFilters()

    def search_query(self, vector: Vectors | None, is_word: IsWord) -> SearchQuery:
        """The search of the index that answers it, with the vector of the text where needed."""
        return SearchQuery(
            text=self.q,
            vector=vector,
            k=self.k,
            by_entity=self.group,
            passages=self.passages,
            mode=self.mode,
            filters=self.filters.search_filters(),
            threshold=self.threshold,
            partial=self.partial,
            spelling=self.spelling,
            is_word=is_word,
        )

    @model_validator(mode="after")
    def _threshold_has_a_meaning(self) -> Self:
        if self.threshold is not None and self.mode == "lexical":
            raise ValueError(
                "threshold is a cosine similarity, which mode lexical has not; "
                "leave it out or use dense or hybrid"
            )
        return self

    @model_validator(mode="after")
    def _passages_have_a_group(self) -> Self:
        if self.passages > 1 and not self.group:
            raise ValueError(
                "passages is how many passages of each entity to return, and group=false returns "
                "passages by themselves; leave one of both out"
            )
        return self


class RecallRequest(Contract):
    """How well the live index recalls: measured on the texts of `samples` random rows of it."""

    corpus: CorpusName | None = None
    samples: Annotated[int, Field(ge=1, le=500)] = 50
    k: Annotated[int, Field(ge=1, le=MAXIMUM_RESULTS)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
