"""Refusals in the API's two error shapes.

The key check in front of the API answers `{"code": "<word>", "message": …}`; the API itself answers
`{"code": <int>, "status": …}`. Messages are those the official API gave.
"""

from http import HTTPStatus
from typing import Final

from examples.marvel.wire import EntityType

_NOUNS: Final[dict[EntityType, str]] = {
    "characters": "character",
    "comics": "comic_issue",
    "series": "series",
    "events": "event",
    "creators": "creator",
    "stories": "story",
}


class RequestRefusedError(Exception):
    """A request that is answered with an error body.

    `body` is the JSON to send, `retry_after_seconds` goes into the `Retry-After` header.
    """

    def __init__(
        self, status: int, body: dict[str, object], retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.retry_after_seconds = retry_after_seconds


def missing_parameter(what: str) -> RequestRefusedError:
    """409: a part of the credentials (`user key`, `hash`, `timestamp`) is absent."""
    body: dict[str, object] = {
        "code": "MissingParameter",
        "message": f"You must provide a {what}.",
    }
    return RequestRefusedError(HTTPStatus.CONFLICT, body)


def invalid_credentials(message: str) -> RequestRefusedError:
    """401: the key or the hash is wrong."""
    body: dict[str, object] = {"code": "InvalidCredentials", "message": message}
    return RequestRefusedError(HTTPStatus.UNAUTHORIZED, body)


def throttled(retry_after_seconds: int | None) -> RequestRefusedError:
    """429: too many calls."""
    body: dict[str, object] = {
        "code": "RequestThrottled",
        "message": "You have exceeded your rate limit.  Please try again later.",
    }
    return RequestRefusedError(HTTPStatus.TOO_MANY_REQUESTS, body, retry_after_seconds)


def unknown_path(path: str) -> RequestRefusedError:
    """404: no such resource type or path."""
    body: dict[str, object] = {"code": "ResourceNotFound", "message": f"{path} does not exist"}
    return RequestRefusedError(HTTPStatus.NOT_FOUND, body)


def method_not_allowed(method: str) -> RequestRefusedError:
    """405: the API is read-only."""
    body: dict[str, object] = {"code": "MethodNotAllowed", "message": f"{method} is not allowed"}
    return RequestRefusedError(HTTPStatus.METHOD_NOT_ALLOWED, body)


def unknown_entity(entity_type: EntityType) -> RequestRefusedError:
    """404: the type exists, the id does not."""
    return status_refusal(HTTPStatus.NOT_FOUND, f"We couldn't find that {_NOUNS[entity_type]}")


def invalid_query(message: str) -> RequestRefusedError:
    """409: a parameter is unknown or out of bounds."""
    return status_refusal(HTTPStatus.CONFLICT, message)


def status_refusal(
    status: int, message: str, retry_after_seconds: int | None = None
) -> RequestRefusedError:
    """Any refusal in the shape with an int `code`."""
    return RequestRefusedError(
        int(status), {"code": int(status), "status": message}, retry_after_seconds
    )
