"""Invoking the deployed functions directly."""

import json
from typing import TYPE_CHECKING, Any

from services.cli.errors import UnavailableError
from shared import errors
from shared.errors import UltronError
from shared.foreign_json import parse_foreign_json

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def invoke(client: "LambdaClient", function_name: str, event: dict[str, Any]) -> dict[str, Any]:
    """What a function answers to an event.

    Raises:
        UltronError: what the function raised, or UnavailableError when its answer is no object.
    """
    answer = client.invoke(FunctionName=function_name, Payload=json.dumps(event).encode())
    payload = answer["Payload"].read()
    if answer.get("FunctionError"):
        raise raised_by_function(payload)
    try:
        document = parse_foreign_json(payload)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnavailableError(f"{function_name} answered with something that is no JSON object")
    return document


def raised_by_function(payload: bytes) -> UltronError:
    """The error that a function's failed invocation tells of: `errorType` and `errorMessage`."""
    try:
        document: Any = parse_foreign_json(payload)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return UnavailableError("the function failed and gave no reason; see its log")
    message = str(document.get("errorMessage") or "no reason given")
    error_type = getattr(errors, str(document.get("errorType")), None)
    if error_type is errors.PostponedError:
        return UnavailableError(f"{message}; ask again later")
    if isinstance(error_type, type) and issubclass(error_type, UltronError):
        return error_type(message)
    return UnavailableError(f"the function failed: {message}")
