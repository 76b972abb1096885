"""The pages of several answers to one query, each put together again."""

import json
from collections.abc import Mapping
from typing import Any

from shared.errors import SourceError
from shared.sources.mediawiki.api import WikiAnswer


class CollectedPages:
    """What continued answers say of each page, by page id; `characters` is their length."""

    def __init__(self) -> None:
        self.characters = 0
        self._texts: dict[int, list[str]] = {}
        self._pages: dict[int, dict[str, Any]] = {}

    def add(self, answer: WikiAnswer) -> None:
        """Take in an answer.

        Raises:
            SourceError: a page in it has no page id.
        """
        for page, text in zip(answer.pages, answer.page_texts, strict=True):
            page_id = page.get("pageid")
            if isinstance(page_id, bool) or not isinstance(page_id, int):
                raise SourceError("the wiki answered with a page that has no page id")
            self.characters += len(text)
            self._texts.setdefault(page_id, []).append(text)
            known = self._pages.get(page_id, {})
            self._pages[page_id] = _merged(known, page)

    def having(self, name: str) -> frozenset[int]:
        """The ids of the pages that have a property, and of those that are gone."""
        return frozenset(
            page_id
            for page_id, page in self._pages.items()
            if name in page or is_without_content(page)
        )

    def lines(self, only: frozenset[int] | None = None) -> tuple[str, ...]:
        """The JSON of each page that is there: as received where it came in one piece."""
        return tuple(
            # In ASCII, as a text of JSON can hold halves of characters, which no file can.
            texts[0] if len(texts) == 1 else json.dumps(self._pages[page_id])
            for page_id, texts in self._texts.items()
            if not is_without_content(self._pages[page_id]) and (only is None or page_id in only)
        )


def is_without_content(page: Mapping[str, Any]) -> bool:
    """Whether an answer says that a page was deleted, or redirects to another page."""
    return bool(page.get("missing") or page.get("invalid") or page.get("redirect"))


def _merged(known: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(known)
    for name, value in new.items():
        before = merged.get(name)
        if isinstance(before, list) and isinstance(value, list):
            merged[name] = [*before, *(item for item in value if item not in before)]
        else:
            merged[name] = value
    return merged
