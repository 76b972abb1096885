import json
from typing import TYPE_CHECKING, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.retrieve_client import RetrieveCall, RetrieveFunction, read_answer
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
from tests.unit.orchestrator.scripted import PYM, ULTRON, ScriptedLambda

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

SEARCH = RetrieveCall("Ultron", 5, 2, "hybrid", "demo", {})


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError,
        NotFoundError,
        DimensionMismatchError,
        TextTooLongError,
        OverloadedError,
        PartialFailureError,
        DamagedIndexError,
    ],
)
def test_public_errors_come_through(error: type[UltronError]) -> None:
    report = {"error": {"code": error.code, "message": "said why", "status": error.http_status}}
    with pytest.raises(error, match="said why") as caught:
        read_answer(json.dumps(report).encode())
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "report", [{"code": "INTERNAL", "message": "secret"}, {"code": "NOT_FOUND"}, "secret", None, {}]
)
def test_other_errors_show_nothing(report: object) -> None:
    with pytest.raises(UltronError) as caught:
        read_answer(json.dumps({"error": report}).encode())
    assert not caught.value.is_public
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[" * 2000,
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b'{"results": 1}',
        b'{"results": [{"id": "a"}]}',
        json.dumps({"results": [ULTRON | {"snippet": None}]}).encode(),
    ],
)
def test_an_unusable_answer_is_an_inner_error(body: bytes) -> None:
    with pytest.raises(UltronError) as caught:
        read_answer(body)
    assert not caught.value.is_public


def test_a_crash_of_the_function_shows_no_payload() -> None:
    client = ScriptedLambda({"errorMessage": "Who created Ultron?"}, function_error="Unhandled")
    function = RetrieveFunction(cast("LambdaClient", client), "retrieve")
    with pytest.raises(UltronError, match="retrieve crashed") as caught:
        function.search(SEARCH)
    assert "Ultron" not in str(caught.value)


def test_each_source_is_attributed_once() -> None:
    silent = ULTRON | {"meta": {"title": "x"}}
    retrieved = read_answer(json.dumps({"results": [PYM, silent, ULTRON, PYM]}).encode())
    assert retrieved.attribution == "Data from there.; Data from here."


def test_results_are_passed_on_as_they_came() -> None:
    retrieved = read_answer(json.dumps({"results": [ULTRON | {"similarity": 0.5}]}).encode())
    assert retrieved.results == (ULTRON | {"similarity": 0.5},)
    assert retrieved.passages[0].title == "Ultron"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["results", "error", "code", "message", "id", "meta"]), inner
        )
    ),
    max_leaves=10,
)


@given(json_values)
def test_any_json_is_read_or_refused(document: object) -> None:
    try:
        read_answer(json.dumps(document).encode())
    except UltronError:
        return
    assert isinstance(document, dict)
    assert isinstance(document["results"], list)


@pytest.mark.parametrize(
    ("code", "raised"),
    [("TooManyRequestsException", OverloadedError), ("AccessDeniedException", ClientError)],
)
def test_a_throttled_search_asks_to_come_again(code: str, raised: type[Exception]) -> None:
    class Refusing:
        def invoke(self, **_: object) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Invoke")

    with pytest.raises(raised):
        RetrieveFunction(cast("LambdaClient", Refusing()), "retrieve").search(SEARCH)
