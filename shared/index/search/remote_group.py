"""A group of shards that another process searches: the caller's and that process's side."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter

from shared.errors import (
    DamagedIndexError,
    DimensionMismatchError,
    InvalidInputError,
    PartialFailureError,
    TextTooLongError,
    UltronError,
)
from shared.foreign_json import parse_foreign_json
from shared.index.search.group_messages import (
    GroupRequest,
    GroupScope,
    SampleRequest,
    SearchAnswer,
    SearchRequest,
    SpellingRequest,
    StatisticsRequest,
    sample_answer,
    search_answer,
    spelling_answer,
    statistics_answer,
)
from shared.index.search.shard_group import (
    FoundPassage,
    GroupAnswer,
    GroupQuery,
    Sample,
    ShardGroup,
)
from shared.index.shard.lexical import TermStatistics
from shared.index.shard.suggestions import NOTHING_SUGGESTED, Suggestions, Unknown

AnswerT = TypeVar("AnswerT")

# What is wrong with the search itself stays that, and a damaged shard keeps its name; whatever
# else a group reports is its failure.
_PASSED_ON: Mapping[str, type[UltronError]] = {
    error.code: error
    for error in (InvalidInputError, TextTooLongError, DimensionMismatchError, DamagedIndexError)
}


class InvokesGroups(Protocol):
    """Lets another process answer."""

    def invoke(self, payload: bytes) -> bytes:
        """Send `{"group": request}` and return the answer, JSON both.

        Raises:
            UltronError: there is no answer; says why, and nothing of the payload.
        """
        ...


class RemoteGroup:
    """Implements `ShardGroup` over a process that calls `answer_group_request`."""

    def __init__(self, scope: GroupScope, invoker: InvokesGroups) -> None:
        self._scope = scope
        self._invoker = invoker
        self._found = SearchAnswer(units=(), documents=())

    def statistics(self, terms: Sequence[str], *, by_entity: bool) -> TermStatistics:
        """Ask for the counts."""
        request = StatisticsRequest(scope=self._scope, by_entity=by_entity, terms=tuple(terms))
        return self._ask(request, statistics_answer)

    def suggest(self, unknown: Unknown) -> Suggestions:
        """Ask for suggestions; a process of an earlier release does not know the question."""
        request = SpellingRequest(scope=self._scope, words=unknown.words, joined=unknown.joined)
        try:
            return self._ask(request, spelling_answer)
        except InvalidInputError:
            return NOTHING_SUGGESTED

    def search(self, query: GroupQuery) -> GroupAnswer:
        """Ask for the best units; their passages come with them."""
        self._found = self._ask(SearchRequest.of(self._scope, query), search_answer)
        return self._found.answer()

    def passages(
        self,
        query: GroupQuery,  # noqa: ARG002 - they came with the answer to it
        answer: GroupAnswer,  # noqa: ARG002
        chosen: Sequence[int],
    ) -> list[list[FoundPassage]]:
        """What came with the answer."""
        return [self._found.found_passages(place) for place in chosen]

    def sample(self, count: int, seed: int) -> Sample:
        """Ask for texts."""
        return self._ask(SampleRequest(scope=self._scope, count=count, seed=seed), sample_answer)

    def _ask(self, request: GroupRequest, adapter: TypeAdapter[AnswerT]) -> AnswerT:
        payload = json.dumps({"group": request.model_dump(mode="json")}).encode()
        try:
            document = parse_foreign_json(self._invoker.invoke(payload))
            if isinstance(document, Mapping) and "error" in document:
                raise _reported(document["error"])
            return adapter.validate_python(document)
        except ValueError:  # a ValidationError is a ValueError
            # Neither is repeated: both may quote texts.
            raise PartialFailureError("the group answered something unreadable") from None


def answer_group_request(group: ShardGroup, request: GroupRequest) -> dict[str, Any]:
    """Let `group` answer; the result is ready for JSON."""
    if isinstance(request, StatisticsRequest):
        counts: dict[str, Any] = statistics_answer.dump_python(
            group.statistics(request.terms, by_entity=request.by_entity), mode="json"
        )
        return counts
    if isinstance(request, SpellingRequest):
        suggestions: dict[str, Any] = spelling_answer.dump_python(
            group.suggest(Unknown(request.words, request.joined)),
            mode="json",
        )
        return suggestions
    if isinstance(request, SampleRequest):
        drawn: dict[str, Any] = sample_answer.dump_python(
            group.sample(request.count, request.seed), mode="json"
        )
        return drawn
    query = request.query()
    answer = group.search(query)
    passages = group.passages(query, answer, range(len(answer.units)))
    return SearchAnswer.of(answer, passages).model_dump(mode="json")


def _reported(report: Any) -> UltronError:
    code = report.get("code") if isinstance(report, Mapping) else None
    message = report.get("message") if isinstance(report, Mapping) else None
    error_class = _PASSED_ON.get(str(code))
    if error_class is not None and isinstance(message, str):
        return error_class(message)
    return PartialFailureError(f"the group reported {code}; see the log of its invocation")
