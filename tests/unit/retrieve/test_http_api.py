"""Problem documents and the shared input checks."""

import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.errors import (
    CorruptObjectError,
    DimensionMismatchError,
    InvalidInputError,
    NotFoundError,
    TextTooLongError,
    UltronError,
)
from shared.platform.http_api import (
    PROBLEM_CONTENT_TYPE,
    error_summary,
    input_error,
    json_response,
    parse_json_object,
    problem_response,
)


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")

    q: Annotated[str, Field(max_length=5)]
    k: Annotated[int, Field(ge=1, le=50)] = 5

    @field_validator("q")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        return value


def _error_of(**values: Any) -> UltronError:
    with pytest.raises(ValidationError) as caught:
        _Query.model_validate(values)
    return input_error(caught.value, prefix="filter.", allowed=("q", "k"))


@pytest.mark.parametrize(
    ("error", "status", "title", "code"),
    [
        (InvalidInputError("k: is wrong"), 400, "Bad Request", "INVALID_INPUT"),
        (NotFoundError("no corpus x"), 404, "Not Found", "NOT_FOUND"),
        (DimensionMismatchError("other model"), 409, "Conflict", "DIMENSION_MISMATCH"),
        (TextTooLongError("q"), 413, None, "TEXT_TOO_LONG"),
    ],
)
def test_public_errors_are_told(
    error: UltronError, status: int, title: str | None, code: str
) -> None:
    response = problem_response(error, "request-1")
    assert response.status_code == status
    assert response.headers["Content-Type"] == PROBLEM_CONTENT_TYPE
    assert response.body is not None
    document = json.loads(response.body)
    assert set(document) == {"type", "title", "status", "detail", "error", "request_id"}
    assert document["status"] == status
    assert document["detail"] == str(error)
    assert document["error"] == {"code": code, "message": str(error)}
    assert document["request_id"] == "request-1"
    if title:
        assert document["title"] == title


def test_half_of_a_character_in_an_error_can_be_sent() -> None:
    response = problem_response(InvalidInputError("filters.\ud800: unknown"), "request-1")
    assert response.body is not None
    assert json.loads(response.body.encode())["detail"] == "filters.\\ud800: unknown"


@pytest.mark.parametrize(
    "error", [CorruptObjectError("indexes/secret-key is cut short"), ValueError("secret-key")]
)
def test_internal_errors_show_nothing(error: Exception) -> None:
    response = problem_response(error, "request-2")
    assert response.status_code == 500
    assert "secret-key" not in str(response.body)
    assert error_summary(error)["code"] == "INTERNAL"


def test_json_response_keeps_unicode() -> None:
    response = json_response({"title": "Ягуар"})
    assert response.status_code == 200
    assert response.body == '{"title":"Ягуар"}'


def test_messages_name_the_field_and_the_bound_but_not_the_value() -> None:
    message = str(_error_of(q="ab", k=51))
    assert message == "filter.k: input should be less than or equal to 50"
    assert str(_error_of(k=1)) == "filter.q: is required"
    assert str(_error_of(q="  ")) == "filter.q: must not be blank"
    assert "hush" not in str(_error_of(q="ab", k="hush"))


def test_unknown_names_come_with_the_allowed_ones() -> None:
    assert str(_error_of(q="ab", page=2)) == "filter.page: unknown; allowed are q, k"


def test_a_long_text_has_a_status_of_its_own() -> None:
    error = _error_of(q="abcdef")
    assert isinstance(error, TextTooLongError)
    assert str(error) == "filter.q: at most 5 characters are accepted"


@pytest.mark.parametrize("body", [None, "", "{", "[1]", '"text"', "[" * 5000, "\ud800"])
def test_bodies_that_are_no_json_object(body: str | None) -> None:
    with pytest.raises(InvalidInputError):
        parse_json_object(body, maximum_bytes=10_000)


def test_body_size_is_counted_in_bytes() -> None:
    body = json.dumps({"m": "é" * 10}, ensure_ascii=False)
    size = len(body.encode())
    assert parse_json_object(body, maximum_bytes=size) == {"m": "é" * 10}
    with pytest.raises(TextTooLongError):
        parse_json_object(body, maximum_bytes=size - 1)


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.integers()), max_size=4))
def test_every_json_object_is_read_back(document: dict[str, Any]) -> None:
    assert parse_json_object(json.dumps(document), maximum_bytes=10**6) == document
