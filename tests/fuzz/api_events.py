"""Requests as API Gateway hands them over: none makes an answer that the API does not document."""

import json
from functools import cache
from typing import Any, NoReturn
from urllib.parse import parse_qs

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from services.orchestrator.handler import build_api as build_chat_api
from services.retrieve.api import build_api as build_retrieve_api
from shared.errors import NotFoundError
from tests.fuzz.target import Target, first_line, text_of


def no_index() -> NoReturn:
    """Stands behind the API: whatever is valid is about an index that is not there."""
    raise NotFoundError("there is no index")


@cache
def chat_api() -> APIGatewayRestResolver:
    return build_chat_api(no_index)


@cache
def retrieve_api() -> APIGatewayRestResolver:
    return build_retrieve_api(no_index, lambda: {"status": "ok"})


def event(method: str, path: str, **fields: Any) -> dict[str, Any]:
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "requestContext": {"requestId": "request-1", "stage": "prod", "path": path},
        "body": None,
        "isBase64Encoded": False,
        **fields,
    }


def resolved(api: APIGatewayRestResolver, asked: dict[str, Any]) -> None:
    response = api.resolve(asked, LambdaContext())
    assert response["statusCode"] in {200, 400, 404, 413}, response["body"]
    assert isinstance(json.loads(response["body"].encode()), dict)


def chat_event(data: bytes) -> None:
    """The first byte says whether the body is in base64."""
    is_base64 = bool(data) and data[0] % 2 == 1
    body = text_of(data[1:])
    resolved(chat_api(), event("POST", "/chat", body=body, isBase64Encoded=is_base64))


def retrieve_event(data: bytes) -> None:
    """The first line is the path, the rest a query string."""
    path, query = first_line(data)
    several = parse_qs(text_of(query), keep_blank_values=True, errors="replace")
    asked = event("GET", path, multiValueQueryStringParameters=several or None)
    resolved(retrieve_api(), asked)


TARGETS = {
    "chat_event": Target(chat_event, is_json=True),
    "retrieve_event": Target(retrieve_event),
}
