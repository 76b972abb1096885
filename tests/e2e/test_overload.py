"""Under overload every answer has a documented form, comes in time, and says to try again."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from shared.models.run import RunProgress
from tests.e2e.stack import Stack, wait_for

pytestmark = pytest.mark.needs_own_process("shared_endpoint")

REQUESTS = 60
# More at once than the plan's burst, so that it is exceeded however slow the machine is.
AT_ONCE = 30
# The flood starts a process for each request at once; on a busy machine each takes a minute.
RECOVERY_SECONDS = 300
# The forms that docs/reference/retrieve.md names: status, content type, error code.
ANSWER = (200, "application/json", None)
THROTTLED = (429, "application/problem+json", "THROTTLED")
REFUSED_BY_LAMBDA = (500, "application/problem+json", "INTERNAL")
TOO_LATE = (504, "application/problem+json", "TIMEOUT")


def flood(stack: Stack) -> Counter[tuple[int, str, str | None]]:
    """How often each form came back; a client that waits longer than the gateway fails the test."""

    def ask(number: int) -> tuple[int, str, str | None]:
        query = urlencode({"q": f"Who created Ultron? {number}"})
        response = stack.http.request(
            "GET",
            f"{stack.api_url}/retrieve?{query}",
            headers={"x-api-key": stack.outputs["api_key"]},
            timeout=40,
        )
        content_type = response.headers.get("content-type", "").split(";")[0]
        body = json.loads(response.data)
        if response.status != 200:
            assert body["error"]["message"] == body["detail"]
            assert "try again" in body["detail"]
            assert body["request_id"]
        return response.status, content_type, body.get("error", {}).get("code")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(ask, range(REQUESTS)))


def wait_until_it_answers(stack: Stack) -> None:
    """Leave the function as later tests want it: cold starts of the flood hold its concurrency."""
    wait_for(
        lambda: stack.retrieve("Who created Ultron?").status == 200 or None,
        "retrieve to answer after the flood",
        RECOVERY_SECONDS,
    )


def test_more_requests_than_the_plan_allows(stack: Stack, marvel_run: RunProgress) -> None:
    forms = flood(stack)
    assert forms[THROTTLED] > 0
    assert set(forms) <= {ANSWER, THROTTLED, REFUSED_BY_LAMBDA, TOO_LATE}
    wait_until_it_answers(stack)


def test_a_function_that_lambda_throttles(stack: Stack, marvel_run: RunProgress) -> None:
    name = stack.outputs["function_names"]["retrieve"]
    former = stack.lambdas.get_function_concurrency(FunctionName=name)
    stack.lambdas.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        assert stack.retrieve("Who created Ultron?").status == 500
        forms = flood(stack)
    finally:
        stack.lambdas.put_function_concurrency(
            FunctionName=name,
            ReservedConcurrentExecutions=former["ReservedConcurrentExecutions"],
        )
    assert forms[REFUSED_BY_LAMBDA] > 0
    assert set(forms) <= {THROTTLED, REFUSED_BY_LAMBDA}
    wait_until_it_answers(stack)
