"""What the conformance suite needs of a source: a small dataset served in the source's own form.

To bring a source in, write a `Site` (sites/*.py), name it in sites/all_sites.py, and every fault
that it is able to show is tried on it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tests.integration.sources.scripted_server import Request

Ability = Literal[
    "changing_totals",  # `records` may change while a run reads; later pages show it
    "duplicates",  # `records` may hold a record twice, on different pages
    "empty_pages",  # `has_empty_page`: a page in the middle holds no record
    "loops",  # `is_looping`: what should be the last page leads back to the first
]


@dataclass(frozen=True)
class Answer:
    """One answer of a site.

    `pieces` are sent one after the other, each as its own packet. With `is_stalling` the answer
    stops there, and the connection stays open until the client has had enough of it.
    """

    pieces: tuple[bytes, ...] = (b"",)
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    is_stalling: bool = False
    announced_bytes: int | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class Site(ABC):
    """Records 1, 2, 3, … in pages of `page_size`.

    `records` is what the site has now; a test may change it. The text of a record holds its
    `marker`, and nothing else that the site serves does.
    """

    name: ClassVar[str]
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    is_chained: ClassVar[bool]
    """Whether a page tells of the next: then a page that cannot be read hides those behind it."""

    gap_codes: ClassVar[dict[str, str]] = {
        "wrong_form": "SOURCE",
        "redirect": "FORBIDDEN_ADDRESS",
    }
    """With which code a page becomes a gap that is no such page, or that is redirected inside."""

    mapping: ClassVar[dict[str, Any] | None] = None
    """The corpus's mapping, for sources whose records have no shape of their own."""

    page_size: ClassVar[int] = 2
    reads_growth: ClassVar[bool] = True
    """Whether a run reads what was added behind the last page while it was reading."""

    def __init__(self) -> None:
        self.records: list[int] = [1, 2, 3, 4, 5]
        self.has_empty_page = False
        self.is_looping = False

    @abstractmethod
    def source(self, url: str) -> dict[str, Any]:
        """The `source` of the corpus document, for a site at `url` (`http://host:port`)."""

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """What the site says while nothing is wrong with it."""

    @abstractmethod
    def entity_key(self, record: int) -> str:
        """The key of the entity that a record becomes."""

    @staticmethod
    def marker(record: int) -> str:
        """A word that only the text of one record holds."""
        return f"marker{record}marker"

    def entity_keys(self) -> set[str]:
        """The keys of all that the site has now."""
        return {self.entity_key(record) for record in self.records}

    def unread_without_page_of(self, record: int) -> set[str]:
        """The entities that stay unread while the page that holds `record` cannot be read."""
        start = self.records.index(record) // self.page_size * self.page_size
        end = None if self.is_chained else start + self.page_size
        return {self.entity_key(unread) for unread in self.records[start:end]}

    def page(self, number: int) -> list[int]:
        """The records of a page, counted from 0; none behind the last."""
        return self.records[number * self.page_size : (number + 1) * self.page_size]

    @property
    def page_count(self) -> int:
        """How many pages the records fill."""
        return -(-len(self.records) // self.page_size)


Effect = Callable[[Answer], Answer]


@dataclass
class Fault:
    """Turns good answers into bad ones: the first `times` (None: all) that `matches` picks out."""

    effect: Effect
    matches: Callable[[Request, Answer], bool]
    times: int | None = 1

    def is_due(self, request: Request, answer: Answer) -> bool:
        """Whether it spoils this answer."""
        return self.times != 0 and self.matches(request, answer)

    def apply(self, answer: Answer) -> Answer:
        """Return what is sent instead of the good answer."""
        if self.times is not None:
            self.times -= 1
        return self.effect(answer)


def on_page_of(record: int) -> Callable[[Request, Answer], bool]:
    """Pick out the answers that hold the text of a record."""
    marker = Site.marker(record).encode()
    return lambda _request, answer: marker in answer.body
