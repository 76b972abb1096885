"""The log lines of an API request have the `request_id` that its answer has."""

from typing import Any

import pytest

from services.orchestrator import handler as orchestrator
from services.retrieve import handler as retrieve
from shared.platform.observability import logger
from tests.integration.index.conftest import Invocation


@pytest.mark.parametrize("function", [retrieve, orchestrator], ids=["retrieve", "orchestrator"])
def test_the_request_id_of_the_gateway_is_logged(function: Any) -> None:
    event = {
        "resource": "/nowhere",
        "path": "/nowhere",
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "requestContext": {"requestId": "request-7", "path": "/prod/nowhere"},
    }
    answer = function.handler(event, Invocation())
    assert answer["statusCode"] == 404
    assert '"request_id":"request-7"' in answer["body"].replace(" ", "")
    assert logger.get_correlation_id() == "request-7"
