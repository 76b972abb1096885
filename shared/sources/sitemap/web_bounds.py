"""Bounds what the libraries read that find a page's text, where they take quadratic time or more.

Their patterns for names of authors and for JSON-LD do so: an attribute of 32,000 brackets takes
half a minute. None of what is cut here is text of the page.
"""

import json
from typing import TYPE_CHECKING, Any

from shared.foreign_json import parse_foreign_json

if TYPE_CHECKING:
    from lxml.html import HtmlElement

LONGEST_ATTRIBUTE = 500
LONGEST_TITLE = 1000
MAXIMUM_METAS = 200
MAXIMUM_LINKED_DATA_CHARACTERS = 100_000
"""Of all scripts of JSON-LD together."""

# Of one that is no JSON, in which the libraries look for names by patterns.
_LONGEST_DAMAGED = 2000
_LONGEST_VALUE = 200
_MAXIMUM_VALUES = 200


def bound(tree: "HtmlElement") -> None:
    """Cut attributes, titles and JSON-LD of a parsed page that are longer than they need to be."""
    metas = linked_data = 0
    for element in list(tree.iter()):
        for name, value in element.items():
            if len(value) > LONGEST_ATTRIBUTE:
                element.set(name, value[:LONGEST_ATTRIBUTE])
        if element.tag == "meta":
            metas += 1
            if metas > MAXIMUM_METAS:
                element.attrib.clear()
        elif element.tag == "title" and element.text:
            element.text = element.text[:LONGEST_TITLE]
        elif element.tag == "script" and str(element.get("type")).endswith("+json"):
            text = element.text or ""
            linked_data += len(text)
            element.text = _linked(text) if linked_data <= MAXIMUM_LINKED_DATA_CHARACTERS else ""


def _linked(text: str) -> str:
    """Return JSON-LD with its first values, each cut where it is long; nothing if it is damaged."""
    try:
        document = parse_foreign_json(text, strict=False)
    except ValueError:
        return text if len(text) <= _LONGEST_DAMAGED else ""
    values = 0

    def first(value: Any) -> Any:
        nonlocal values
        values += 1
        if isinstance(value, dict):
            return {name: first(v) for name, v in value.items() if values < _MAXIMUM_VALUES}
        if isinstance(value, list):
            return [first(item) for item in value if values < _MAXIMUM_VALUES]
        return value[:_LONGEST_VALUE] if isinstance(value, str) else value

    try:
        return json.dumps(first(document))
    except RecursionError:
        return ""
