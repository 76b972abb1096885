"""Reads the wrapper around a page of results, and the two shapes of error bodies."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.canonical.raw_json import array_element_texts, load_json
from shared.errors import SourceError
from shared.models.forms import field_problems

_RESULTS = ("data", "results")
_LONGEST_MESSAGE = 200


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")

    total: Annotated[int, Field(ge=0, le=100_000_000)]
    results: list[object]


class _Wrapper(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    etag: str | None = None
    attribution: str | None = Field(default=None, alias="attributionText")
    data: _Data


class _ErrorBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    code: int | str
    status: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A page of results; `lines` hold each result exactly as received."""

    total: int
    lines: tuple[str, ...]
    newest_modified: str | None
    etag: str | None
    attribution: str | None


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body says; the key check's own errors have a word as code."""

    code: int | str
    message: str

    @property
    def is_about_credentials(self) -> bool:
        """Whether the gate in front of the API refused, and not the API itself."""
        return isinstance(self.code, str)


def parse_page(body: bytes) -> ResultPage:
    """Read a 200 answer.

    Raises:
        SourceError: it is no JSON or not of the wrapper's shape; names the field.
    """
    try:
        text = body.decode("utf-8-sig")
        wrapper = _Wrapper.model_validate(load_json(text))
        lines = array_element_texts(text, _RESULTS)
    except ValidationError as error:
        problems = field_problems(error, "body")
        raise SourceError(f"the source's answer has another shape: {problems}") from None
    except ValueError as error:
        raise SourceError(f"the source's answer is no JSON: {error}") from None
    first = wrapper.data.results[0] if wrapper.data.results else None
    modified = first.get("modified") if isinstance(first, dict) else None
    return ResultPage(
        total=wrapper.data.total,
        lines=tuple(lines),
        newest_modified=modified if isinstance(modified, str) else None,
        etag=wrapper.etag,
        attribution=wrapper.attribution[:_LONGEST_MESSAGE] if wrapper.attribution else None,
    )


def parse_error(body: bytes) -> ErrorBody | None:
    """Read an error body of either shape; None when it is neither."""
    try:
        parsed = _ErrorBody.model_validate(load_json(body.decode("utf-8-sig")))
    except ValueError:
        return None
    message = parsed.message or parsed.status or "no message"
    return ErrorBody(parsed.code, message[:_LONGEST_MESSAGE])
