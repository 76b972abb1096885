"""The body of `POST /chat`, and its bounds."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
)

from shared.models.base import (
    DEFAULT_RESULTS,
    MAXIMUM_PASSAGES,
    MAXIMUM_RESULTS,
    Contract,
    CorpusName,
    without_absent,
)
from shared.models.forms import form

MAXIMUM_MESSAGE_CHARACTERS = 4_000
MAXIMUM_BODY_BYTES = 64 * 1024
# An answer may be in the second best passage of a long document.
_DEFAULT_PASSAGES = 2


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _iso_date(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(
            "must be an ISO 8601 date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z"
        ) from None
    return value


SessionId = Annotated[
    str,
    StringConstraints(
        pattern=form(r"^[A-Za-z0-9_-]{8,64}$", "8 to 64 letters, digits, hyphens and underscores")
    ),
]
"""Chosen by the caller or a UUID of ours; every holder of the API key can use the session."""

FilterText = Annotated[str, Field(max_length=200), AfterValidator(_not_blank)]
FilterDate = Annotated[str, Field(max_length=40), AfterValidator(_iso_date)]


class ChatFilters(Contract):
    """Narrows what is retrieved; the same meaning as the `filter.*` parameters of `/retrieve`."""

    model_config = ConfigDict(strict=True)

    entity: FilterText | None = None
    id: FilterText | None = None
    since: FilterDate | None = None
    until: FilterDate | None = None


class ChatRequest(Contract):
    """One turn. Without a `session_id` it opens a session under a new id.

    The answer is made from `k` entities, of each up to `passages` passages.
    """

    model_config = ConfigDict(strict=True)

    message: Annotated[
        str, Field(max_length=MAXIMUM_MESSAGE_CHARACTERS), AfterValidator(_not_blank)
    ]
    session_id: SessionId | None = None
    k: Annotated[int, Field(ge=1, le=MAXIMUM_RESULTS)] = DEFAULT_RESULTS
    passages: Annotated[int, Field(ge=1, le=MAXIMUM_PASSAGES)] = _DEFAULT_PASSAGES
    filters: ChatFilters = ChatFilters()
    corpus: CorpusName | None = None


class ChatCitation(Contract):
    """The chunk that a sentence of the answer is quoted from; `n` is its number in the answer."""

    n: int
    id: str
    title: str
    url: str | None
    snippet: str


class ChatAnswer(Contract):
    """The answer of a turn; `results` are those of `/retrieve`, times are milliseconds.

    `corrected` only where other words stood for some of the question.
    """

    session_id: str
    corrected: dict[str, str] | None = None
    answer: str
    citations: tuple[ChatCitation, ...]
    results: tuple[dict[str, Any], ...]
    mode: str
    attribution: str | None
    timing_ms: dict[str, float]

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_absent(dump(self), "corrected")
