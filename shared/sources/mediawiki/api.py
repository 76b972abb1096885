"""One query to a wiki's `api.php`, and what its answers have in common.

Written after the documentation of the Action API (mediawiki.org, "API:Main page", "API:Continue",
"API:Etiquette", "Manual:Maxlag parameter").
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from shared.canonical.raw_json import array_element_texts, load_json
from shared.errors import SourceError
from shared.foreign_json import parse_foreign_json
from shared.web.client import SourceClient
from shared.web.http_get import HttpResponse
from shared.web.redaction import redact
from shared.web.redirects import host_path

# The wiki says with status 200 that it has too much to do, and how long to wait.
_BUSY = frozenset({"maxlag", "ratelimited"})
_LONGEST_INFO = 300
# It goes into the metadata of an object, of which S3 keeps two kilobytes.
_LONGEST_LICENCE = 120
_LONGEST_ERROR_BYTES = 20_000
_LONGEST_CONTINUATION = 10_000


class WikiAnswer:
    """An answer without an error.

    Raises:
        SourceError: it is no JSON object, or an error of the API; `where` is host and path.
    """

    def __init__(self, body: bytes, where: str) -> None:
        try:
            self._text = body.decode("utf-8-sig")
            document = load_json(self._text)
        except ValueError as error:
            raise SourceError(
                f"{where} answered no JSON ({str(error)[:100]}); api_url must end in api.php"
            ) from None
        if not isinstance(document, dict):
            raise SourceError(f"{where} answered JSON that is no answer of MediaWiki's API")
        failure = document.get("error")
        if failure is not None:
            raise SourceError(f"{where} answered with {_described(failure)}")
        self._where = where
        self._document = document

    @property
    def pages(self) -> list[dict[str, Any]]:
        """The pages in the answer; none where nothing was found."""
        found = self._query.get("pages", [])
        if not isinstance(found, list) or not all(isinstance(page, dict) for page in found):
            raise SourceError(
                f"{self._where} answered without a list of pages; formatversion=2 is needed, "
                "which MediaWiki has since 1.25"
            )
        return found

    @property
    def page_texts(self) -> list[str]:
        """The JSON text of each page, as received."""
        return array_element_texts(self._text, ("query", "pages")) if self.pages else []

    @property
    def continuation(self) -> dict[str, str]:
        """What to add to the question for what comes next; empty at the end."""
        found = self._document.get("continue", {})
        if not isinstance(found, dict):
            raise SourceError(f"{self._where} answered with a `continue` that is no object")
        said = {str(name): str(value) for name, value in found.items()}
        if len(json.dumps(said)) > _LONGEST_CONTINUATION:  # it goes into a message
            raise SourceError(
                f"{self._where} answered with a `continue` of more than {_LONGEST_CONTINUATION:,} "
                "characters"
            )
        return said

    @property
    def licence(self) -> str | None:
        """Under which licence the wiki's text stands, if it was asked and says so."""
        rights = self._query.get("rightsinfo")
        text = rights.get("text") if isinstance(rights, dict) else None
        return text[:_LONGEST_LICENCE] if isinstance(text, str) and text.strip() else None

    @property
    def _query(self) -> dict[str, Any]:
        found = self._document.get("query", {})
        return found if isinstance(found, dict) else {}


class WikiApi:
    """Asks `api.php`; waits where the wiki lags, as it does for any rate limit."""

    def __init__(self, client: SourceClient, api_url: str, maximum_lag_seconds: int) -> None:
        self._client = client
        self._api_url = api_url
        self._common = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "maxlag": str(maximum_lag_seconds),
        }

    def ask(self, question: Mapping[str, str]) -> WikiAnswer:
        """Return the answer to a query.

        Raises:
            SourceError: the wiki answered with an error, or with something else than JSON; or the
                question cannot be sent.
            SourceUnavailableError, BudgetExhaustedError, PostponedError: as `SourceClient.get`.
        """
        joint = "&" if "?" in self._api_url else "?"
        try:
            query = urlencode({**self._common, **question})
        except UnicodeEncodeError:
            # The wiki says itself how its next answer is asked for, and JSON can hold such a thing.
            raise SourceError(
                f"{host_path(self._api_url)} wants to be asked with half of a character"
            ) from None
        url = f"{self._api_url}{joint}{query}"
        response = self._client.get(url, refuses=is_busy)
        return WikiAnswer(response.body, host_path(self._api_url))


def is_busy(response: HttpResponse) -> bool:
    """Whether an answer says that the wiki has too much to do."""
    named = response.headers.get("mediawiki-api-error")
    if named is not None:
        return named in _BUSY
    if len(response.body) > _LONGEST_ERROR_BYTES:
        return False
    try:
        document = parse_foreign_json(response.body)
    except ValueError:
        return False
    failure = document.get("error") if isinstance(document, dict) else None
    code = failure.get("code") if isinstance(failure, dict) else None
    return isinstance(code, str) and code in _BUSY


def _described(failure: object) -> str:
    parts = failure if isinstance(failure, dict) else {}
    code, info = str(parts.get("code", "unknown")), str(parts.get("info", ""))
    return f"the error {code[:100]}: {redact(info)[:_LONGEST_INFO]}"
