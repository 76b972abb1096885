"""A JSON text that is asked with JMESPath for its records and for single values."""

import json
import re
from typing import Any

from shared.canonical.raw_json import load_json, value_texts
from shared.models.expressions import evaluate

_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_WHOLE = "@"


class JsonDocument:
    """One JSON text.

    Raises:
        ValueError: the text is no JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._document = load_json(text)

    def value(self, expression: str) -> Any:
        """Return what an expression gives, None where there is nothing.

        Raises:
            ValueError: the expression does not fit the document.
        """
        try:
            return evaluate(expression, self._document)
        except ValueError as error:
            raise ValueError(f"{expression!r} does not fit: {error}") from None

    def record_texts(self, expression: str) -> list[str]:
        """Return the JSON text of each record: a list's elements, or one object by itself.

        Records behind a plain path (`data.results`, `@`) are kept exactly as received; what other
        expressions make is serialised again. A path to null has no records.

        Raises:
            ValueError: there is nothing of that name, or something else than a list or an object.
        """
        found = self.value(expression)
        if found is None:
            if not self._is_null(expression):
                raise ValueError(f"has nothing at {expression!r}, where records were expected")
            return []
        if not isinstance(found, list | dict):
            raise ValueError(f"has neither a list nor an object at {expression!r}")
        path = _plain_path(expression)
        if path is not None:
            return value_texts(self._text, path)
        records = found if isinstance(found, list) else [found]
        return [json.dumps(record) for record in records]

    def _is_null(self, expression: str) -> bool:
        """Whether null is really there; what JMESPath gives for it is no different from nothing."""
        path = _plain_path(expression)
        if path is None:
            return False
        value: object = self._document
        for name in path:
            if not isinstance(value, dict) or name not in value:
                return False
            value = value[name]
        return True


def _plain_path(expression: str) -> list[str] | None:
    text = expression.strip()
    if text == _WHOLE:
        return []
    return text.split(".") if _PLAIN_PATH.fullmatch(text) else None
