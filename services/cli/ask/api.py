"""Calls of the deployed API."""

from typing import Any

import urllib3

from services.cli.errors import RefusedError, UnavailableError
from shared.errors import ConflictError, InvalidInputError, NotFoundError, UltronError
from shared.foreign_json import parse_foreign_json

# API Gateway gives up after 29 seconds.
_TIMEOUT = urllib3.Timeout(connect=5, read=35)
_ERROR_OF_STATUS: dict[int, type[UltronError]] = {
    400: InvalidInputError,
    401: RefusedError,
    403: RefusedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidInputError,
    429: UnavailableError,
}


class ApiClient:
    """The API below `base_url`, with the key that its usage plan asks for."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"x-api-key": api_key, "accept": "application/json"}
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def retrieve(self, query: str, parameters: dict[str, str]) -> dict[str, Any]:
        """`GET /retrieve`; `parameters` are further ones, by their names in the query string.

        Raises:
            UltronError: see `read_answer`; UnavailableError when nothing answers.
        """
        return self._call("GET", "/retrieve", fields={"q": query, **parameters})

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        """`POST /chat`.

        Raises:
            UltronError: as `retrieve`.
        """
        return self._call("POST", "/chat", json=body)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = self._pool.request(
                method, self._base_url + path, headers=self._headers, **options
            )
        except urllib3.exceptions.LocationValueError as error:
            raise InvalidInputError(
                f"{self._base_url} is no URL; it begins with http:// or https://"
            ) from error
        except urllib3.exceptions.ReadTimeoutError as error:
            raise UnavailableError(
                f"the API at {self._base_url} took the request and gave no answer within "
                f"{_TIMEOUT.read_timeout:.0f} seconds; it may be overloaded: try again"
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(
                f"the API at {self._base_url} does not answer ({type(error).__name__}); "
                "is it deployed, and is the URL right?"
            ) from error
        return read_answer(response.status, response.data)


def read_answer(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object that the API answered.

    Raises:
        UltronError: the API refused or failed (the subclass says which), with the words of its
            problem document (RFC 9457) or of API Gateway.
    """
    try:
        document = parse_foreign_json(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnavailableError(f"the API answered {status} with something that is no JSON object")
    if 200 <= status < 300:
        return document
    words = document.get("detail") or document.get("message") or "no reason given"
    if status in {401, 403}:
        words = f"{words}: is the API key right?"
    request_id = document.get("request_id")
    suffix = f" (request {request_id})" if request_id else ""
    raise error_of_status(status)(f"the API answered {status}: {words}{suffix}")


def error_of_status(status: object) -> type[UltronError]:
    """The error that an HTTP status stands for."""
    known = _ERROR_OF_STATUS.get(status) if isinstance(status, int) else None
    return known or UnavailableError
