"""Asks the `retrieve` function, by direct invocation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, Field, ValidationError

from services.orchestrator.generator import Passage
from shared.errors import (
    DamagedIndexError,
    DimensionMismatchError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    PartialFailureError,
    TextTooLongError,
    UltronError,
)
from shared.foreign_json import parse_foreign_json

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_PUBLIC_ERRORS: Mapping[str, type[UltronError]] = {
    error.code: error
    for error in (
        InvalidInputError,
        NotFoundError,
        DimensionMismatchError,
        TextTooLongError,
        OverloadedError,
        PartialFailureError,
        DamagedIndexError,
    )
}


@dataclass(frozen=True)
class RetrieveCall:
    """What to retrieve: `k` entities for `query`, each with up to `passages` passages.

    Absent filters are left out of `filters`.
    """

    query: str
    k: int
    passages: int
    mode: str
    corpus: str
    filters: Mapping[str, str]

    def payload(self) -> dict[str, Any]:
        """Return the event that `retrieve` takes."""
        return {
            "retrieve": {
                "q": self.query,
                "k": self.k,
                "passages": self.passages,
                "mode": self.mode,
                "corpus": self.corpus,
                "filters": dict(self.filters),
            }
        }


class _ResultEntity(BaseModel):
    title: str = ""
    urls: list[str] = Field(default_factory=list)
    attribution: str | None = None


class _ResultPassage(BaseModel):
    id: str
    similarity: float | None = None
    snippet: str


class _Result(_ResultPassage):
    score: float
    meta: _ResultEntity
    passages: list[_ResultPassage] = Field(default_factory=list)


class _Answer(BaseModel):
    results: list[_Result]
    corrected: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Retrieved:
    """`results` as `retrieve` gave them, for the response; `passages` the same, for a generator.

    `corrected` says which words were searched for instead of unknown ones.
    """

    results: tuple[Mapping[str, Any], ...] = ()
    passages: tuple[Passage, ...] = ()
    attribution: str | None = None
    corrected: Mapping[str, str] = field(default_factory=dict)


class RetrieveFunction:
    """The `retrieve` Lambda function."""

    def __init__(self, client: "LambdaClient", function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def search(self, search: RetrieveCall) -> Retrieved:
        """Invoke the function and read its answer.

        Raises:
            InvalidInputError, NotFoundError, DimensionMismatchError, TextTooLongError: the
                function refused the search for that reason.
            PartialFailureError: a part of the index did not answer.
            DamagedIndexError: a shard of the index is damaged.
            OverloadedError: there is no room for another search right now.
            UltronError: it failed, or answered what cannot be read.
        """
        try:
            response = self._client.invoke(
                FunctionName=self._function_name, Payload=json.dumps(search.payload()).encode()
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "TooManyRequestsException":
                raise
            raise OverloadedError(
                "the search has no room for another request right now; ask again in a moment"
            ) from None
        body = response["Payload"].read()
        if "FunctionError" in response:
            # The payload of a crash holds a stack trace, which may quote the query.
            raise UltronError(
                f"function {self._function_name} crashed ({response['FunctionError']}); see its log"
            )
        return read_answer(body)


def read_answer(body: bytes) -> Retrieved:
    """Read what `retrieve` answered to a direct invocation.

    Raises:
        UltronError: the error it reports, of the same class where that is public.
    """
    try:
        document = parse_foreign_json(body)
    except ValueError as error:
        raise UltronError("retrieve answered something that is not JSON") from error
    if not isinstance(document, dict):
        raise UltronError("retrieve answered JSON that is not an object")
    if "error" in document:
        raise _reported_error(document["error"])
    try:
        answer = _Answer.model_validate(document)
    except ValidationError as error:
        fields = sorted({".".join(map(str, e["loc"])) for e in error.errors(include_input=False)})
        raise UltronError(f"retrieve answered without usable {', '.join(fields)}") from None
    return Retrieved(
        results=tuple(document["results"]),
        passages=tuple(
            _passage(result, passage)
            for result in answer.results
            for passage in (result, *result.passages)
        ),
        attribution=_attribution(answer),
        corrected=answer.corrected,
    )


def _reported_error(report: object) -> UltronError:
    code = report.get("code") if isinstance(report, dict) else None
    message = report.get("message") if isinstance(report, dict) else None
    error_class = _PUBLIC_ERRORS.get(str(code))
    if error_class is None or not isinstance(message, str):
        return UltronError(f"retrieve reported an error of its own ({code}); see its log")
    return error_class(message)


def _passage(result: _Result, passage: _ResultPassage) -> Passage:
    url = result.meta.urls[0] if result.meta.urls else None
    return Passage(
        chunk_id=passage.id,
        title=result.meta.title,
        url=url,
        text=passage.snippet,
        score=result.score,
        similarity=passage.similarity,
    )


def _attribution(answer: _Answer) -> str | None:
    """Name every source once, in the order of the results."""
    named = (result.meta.attribution for result in answer.results)
    return "; ".join(dict.fromkeys(filter(None, named))) or None
