"""Invoking the function itself: answers, and every way to get none."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from services.retrieve.self_invocation import SelfInvocation
from shared.errors import OverloadedError, PartialFailureError, UltronError

PAYLOAD = b'{"group": "swordfish"}'


class Lambda:
    """The part of the client that is used."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.asked: dict[str, Any] = {}

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.asked = request
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def invoke(answer: dict[str, Any] | Exception) -> bytes:
    client = Lambda(answer)
    body = SelfInvocation(client, "retrieve:live").invoke(PAYLOAD)  # type: ignore[arg-type]
    assert client.asked == {"FunctionName": "retrieve:live", "Payload": PAYLOAD}
    return body


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "swordfish"}}, "Invoke")


def test_the_answer_is_returned_as_it_is() -> None:
    assert invoke({"Payload": io.BytesIO(b"{}")}) == b"{}"


@pytest.mark.parametrize(
    ("answer", "error_class", "mention"),
    [
        (client_error("TooManyRequestsException"), OverloadedError, "concurrency is in use"),
        (client_error("AccessDeniedException"), PartialFailureError, "AccessDeniedException"),
        (client_error("RequestTooLargeException"), PartialFailureError, "RequestTooLarge"),
        (ReadTimeoutError(endpoint_url="swordfish"), PartialFailureError, "ReadTimeoutError"),
        (
            {
                "FunctionError": "Unhandled",
                "Payload": io.BytesIO(json.dumps({"errorMessage": "swordfish"}).encode()),
            },
            PartialFailureError,
            r"crashed \(Unhandled\)",
        ),
    ],
)
def test_no_answer_says_why_and_nothing_of_the_query(
    answer: dict[str, Any] | Exception, error_class: type[UltronError], mention: str
) -> None:
    with pytest.raises(error_class, match=mention) as caught:
        invoke(answer)
    assert "swordfish" not in str(caught.value)
