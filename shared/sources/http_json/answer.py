"""One answer of a JSON API: its records, and what it says of the others."""

from http import HTTPStatus
from typing import Any

from shared.errors import SourceError
from shared.sources.json_document import JsonDocument
from shared.web.http_get import HttpResponse
from shared.web.redirects import host_path

LONGEST_CURSOR = 4000
_LARGEST_TOTAL = 1_000_000_000
_LONGEST_ETAG = 200


class Answer:
    """An accepted answer.

    Raises:
        SourceError: it is no JSON, or its records are not where `items` says; names both.
    """

    def __init__(self, response: HttpResponse, items: str) -> None:
        self._place = host_path(response.url)
        self.url = response.url
        self.headers = response.headers
        # Any other accepted status is a way of saying that there is nothing.
        self._is_empty = response.status != HTTPStatus.OK
        self._document = JsonDocument("null")
        self.lines: tuple[str, ...] = ()
        if self._is_empty:
            return
        try:
            self._document = JsonDocument(response.body.decode("utf-8-sig"))
        except ValueError as error:
            raise self._wrong(f"is no JSON: {error}") from None
        try:
            self.lines = tuple(self._document.record_texts(items))
        except ValueError as error:
            raise self._wrong(f"{error}; check `items`") from None

    def total(self, expression: str) -> int:
        """Return how many records the source says it has."""
        value = 0 if self._is_empty else self._value(expression)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value[:20])
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(f"has no whole number at {expression!r}; check `total`")
        if not 0 <= value <= _LARGEST_TOTAL:
            raise self._wrong(f"has a total below 0 or above {_LARGEST_TOTAL:,}; check `total`")
        return value

    def cursor(self, expression: str) -> str | None:
        """Return the cursor of the next page; None, null and the empty text end the pages."""
        value = self._value(expression)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(f"has a cursor at {expression!r} that is neither text nor number")
        if len(str(value)) > LONGEST_CURSOR:
            raise self._wrong(f"has a cursor of more than {LONGEST_CURSOR} characters")
        return self._encodable(str(value), expression)

    def next_target(self, expression: str) -> str | None:
        """Return the address of the next page as it is written; None, null and "" end them."""
        value = self._value(expression)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self._wrong(f"has a next address at {expression!r} that is no text")
        return self._encodable(value, expression)

    @property
    def etag(self) -> str | None:
        """The answer's etag, if it can be sent back as a header."""
        etag = self.headers.get("etag", "")
        is_sendable = etag.isascii() and etag.isprintable() and 0 < len(etag) <= _LONGEST_ETAG
        return etag if is_sendable else None

    def _encodable(self, text: str, expression: str) -> str:
        """Return a text; JSON can hold halves of characters, which no request can carry."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._wrong(f"has half of a character at {expression!r}") from None
        return text

    def _value(self, expression: str) -> Any:
        try:
            return self._document.value(expression)
        except ValueError as error:
            raise self._wrong(str(error)) from None

    def _wrong(self, problem: str) -> SourceError:
        return SourceError(f"the answer of {self._place} {problem}")
