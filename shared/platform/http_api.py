"""Errors of the public API as RFC 9457 problem documents, and the checks both functions share."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, ValidationError

from shared.errors import InvalidInputError, TextTooLongError, UltronError
from shared.foreign_json import parse_foreign_json
from shared.models.forms import problem_words

ModelT = TypeVar("ModelT", bound=BaseModel)

JSON_CONTENT_TYPE = "application/json"
PROBLEM_CONTENT_TYPE = "application/problem+json"

_HIDDEN_CODE = "INTERNAL"
_HIDDEN_MESSAGE = "an internal error; quote the request id when you report it"
_NO_STORE = {"Cache-Control": "no-store"}


def error_summary(error: Exception) -> dict[str, Any]:
    """What a caller may know of an error: `code`, `message` and the HTTP `status`.

    Anything that is not a public `UltronError` becomes a bare 500 that shows nothing of the inside.
    """
    if isinstance(error, UltronError) and error.is_public:
        # It may name what the caller sent, and JSON can hold halves of characters, which no answer
        # can.
        message = str(error).encode(errors="backslashreplace").decode()
        return {"code": error.code, "message": message, "status": error.http_status}
    return {
        "code": _HIDDEN_CODE,
        "message": _HIDDEN_MESSAGE,
        "status": HTTPStatus.INTERNAL_SERVER_ERROR.value,
    }


def problem_document(error: Exception, request_id: str) -> dict[str, Any]:
    """The RFC 9457 document of an error, with the extension members `error` and `request_id`.

    `type` is `about:blank`, so `title` is the phrase of the status code (RFC 9457, section 4.2.1).
    """
    summary = error_summary(error)
    return {
        "type": "about:blank",
        "title": HTTPStatus(summary["status"]).phrase,
        "status": summary["status"],
        "detail": summary["message"],
        "error": {"code": summary["code"], "message": summary["message"]},
        "request_id": request_id,
    }


def problem_response(error: Exception, request_id: str) -> Response[str]:
    """The HTTP answer to an error, for a powertools resolver."""
    document = problem_document(error, request_id)
    return Response(
        status_code=document["status"],
        content_type=PROBLEM_CONTENT_TYPE,
        body=json.dumps(document, ensure_ascii=False),
        headers=_NO_STORE,
    )


def json_response(body: Mapping[str, Any], status: int = HTTPStatus.OK.value) -> Response[str]:
    """A JSON answer that no cache keeps."""
    return Response(
        status_code=status,
        content_type=JSON_CONTENT_TYPE,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        headers=_NO_STORE,
    )


def model_response(body: ModelT) -> Response[ModelT]:
    """A 200 answer that no cache keeps; the resolver validates the body and turns it into JSON."""
    return Response(
        status_code=HTTPStatus.OK.value,
        content_type=JSON_CONTENT_TYPE,
        body=body,
        headers=_NO_STORE,
    )


def input_error(
    error: ValidationError, *, prefix: str = "", allowed: Sequence[str] = ()
) -> InvalidInputError | TextTooLongError:
    """Turn a pydantic error into one sentence a caller can act on; never repeats the input's value.

    `prefix` goes before every field name. `allowed` is listed when a name was unknown. A text over
    its length becomes a `TextTooLongError`, because that is the one bound with its own status.
    """
    findings = error.errors(include_url=False, include_context=True, include_input=False)
    too_long = [finding for finding in findings if finding["type"] == "string_too_long"]
    if too_long:
        limit = too_long[0].get("ctx", {}).get("max_length")
        name = _field_name(too_long[0]["loc"], prefix)
        return TextTooLongError(f"{name}: at most {limit:,} characters are accepted")
    sentences = [_sentence(finding, prefix) for finding in findings]
    if allowed and any(finding["type"] == "extra_forbidden" for finding in findings):
        sentences.append(f"allowed are {', '.join(allowed)}")
    return InvalidInputError("; ".join(sentences))


def parse_json_object(body: str | None, *, maximum_bytes: int) -> dict[str, Any]:
    """Read a request body that must be one JSON object.

    Raises:
        InvalidInputError: there is no body, or it is not a JSON object.
        TextTooLongError: it has more than `maximum_bytes` bytes as UTF-8.
    """
    if not body:
        raise InvalidInputError("the request has no body; send a JSON object")
    if len(body) > maximum_bytes or len(body.encode(errors="replace")) > maximum_bytes:
        raise TextTooLongError(f"the body exceeds {maximum_bytes:,} bytes")
    try:
        document = parse_foreign_json(body)
    except ValueError as error:
        raise InvalidInputError("the body is not valid JSON") from error
    if not isinstance(document, dict):
        raise InvalidInputError("the body must be a JSON object")
    return document


def _field_name(location: Sequence[int | str], prefix: str) -> str:
    return prefix + ".".join(str(part) for part in location) if location else "the request"


def _sentence(finding: Mapping[str, Any], prefix: str) -> str:
    name = _field_name(finding["loc"], prefix)
    if finding["type"] == "extra_forbidden":
        return f"{name}: unknown"
    if finding["type"] == "missing":
        return f"{name}: is required"
    message = problem_words(finding).removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}"
