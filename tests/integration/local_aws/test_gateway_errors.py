"""What the local API Gateway answers when a function cannot: as AWS does, in the form set for it.

AWS answers 500 when Lambda refuses an invocation (a throttle), 502 when the function fails, 504
when it takes longer than the integration may; each through the gateway response of the API.
"""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.processes.process import BackgroundServer

FUNCTION = """
import json, os, time
def handler(event, context):
    asked = event["queryStringParameters"] or {}
    if "crash" in asked:
        os._exit(3)
    if "fail" in asked:
        raise ValueError("an inside that no caller may see")
    time.sleep(float(asked.get("sleep", 0)))
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "done"}
"""
TEMPLATE = json.dumps({"detail": "set here", "request_id": "$context.requestId"})
PROBLEM = {"gatewayresponse.header.Content-Type": "'application/problem+json'"}

Call = Callable[[str], urllib3.BaseHTTPResponse]


@pytest.fixture(scope="module")
def function(aws_client: Callable[[str], Any]) -> str:
    """Name of the function behind the API."""
    client, name = aws_client("lambda"), "behind-the-gateway"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("behind.py", FUNCTION)
    client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=f"arn:aws:iam::{ACCOUNT_ID}:role/any",
        Handler="behind.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=20,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return name


@pytest.fixture(scope="module")
def call(aws_client: Callable[[str], Any], local_aws: BackgroundServer, function: str) -> Call:
    """Calls a deployed API by the name of its route and a query: `/patient?sleep=1`."""
    gateway = aws_client("apigateway")
    api = gateway.create_rest_api(name="errors")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    target = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{function}"
    for route, limit_milliseconds in (("patient", 29_000), ("hasty", 500)):
        resource = gateway.create_resource(restApiId=api, parentId=root, pathPart=route)["id"]
        place = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        gateway.put_method(**place, authorizationType="NONE")
        gateway.put_integration(
            **place,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{target}/invocations",
            timeoutInMillis=limit_milliseconds,
        )
    for kind, status in (("DEFAULT_5XX", {}), ("INTEGRATION_TIMEOUT", {"statusCode": "504"})):
        gateway.put_gateway_response(
            restApiId=api,
            responseType=kind,
            responseParameters=PROBLEM,
            responseTemplates={"application/json": TEMPLATE},
            **status,
        )
    gateway.create_deployment(restApiId=api, stageName="prod")
    http = urllib3.PoolManager(retries=False, timeout=30)
    return lambda path: http.request("GET", f"{local_aws.url}/_aws/execute-api/{api}/prod{path}")


def assert_problem(response: urllib3.BaseHTTPResponse, status: int) -> None:
    """The API's own form, with nothing of the inside."""
    assert (response.status, response.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), response.data
    assert response.json()["detail"] == "set here"
    assert response.json()["request_id"]


def test_an_answer_in_time_is_the_functions_own(call: Call) -> None:
    response = call("/patient")
    assert (response.status, response.data) == (200, b"done")


@pytest.mark.parametrize("trouble", ["fail", "crash"])
def test_a_function_that_fails_is_a_bad_gateway(call: Call, trouble: str) -> None:
    assert_problem(call(f"/patient?{trouble}=1"), 502)
    assert call("/patient").status == 200


def test_a_function_that_takes_too_long_is_a_timeout(call: Call) -> None:
    assert call("/patient").status == 200  # a warm one, so that only its sleep is slow
    assert_problem(call("/hasty?sleep=5"), 504)


def test_an_invocation_that_lambda_refuses_is_an_internal_error(
    call: Call, function: str, aws_client: Callable[[str], Any]
) -> None:
    client = aws_client("lambda")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName=function)
        assert_problem(call("/patient"), 500)
    finally:
        client.delete_function_concurrency(FunctionName=function)
    assert call("/patient").status == 200
