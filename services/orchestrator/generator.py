"""What every generator of answers takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Passage:
    """A retrieved chunk.

    `score` is comparable within one search only; `similarity` is the cosine to the question, None
    where the search computes none.
    """

    chunk_id: str
    title: str
    url: str | None
    text: str
    score: float
    similarity: float | None = None


@dataclass(frozen=True)
class Citation:
    """The passage behind the mark `[number]` in an answer; numbers count from 1."""

    number: int
    passage: Passage


@dataclass(frozen=True)
class Quotation:
    """A sentence of the answer, exactly as in the passage that `number` cites."""

    text: str
    number: int


@dataclass(frozen=True)
class Draft:
    """An answer; without citations it says that nothing relevant was found."""

    answer: str
    citations: tuple[Citation, ...] = ()
    quotations: tuple[Quotation, ...] = ()


NOTHING_FOUND = Draft("I found nothing relevant to that in the corpus.")


class Generator(Protocol):
    """Turns a question that stands on its own, and passages, into an answer with citations."""

    @property
    def name(self) -> str:
        """What the response's `mode` shows."""
        ...

    def generate(self, question: str, passages: Sequence[Passage]) -> Draft:
        """Answer from the passages alone; `NOTHING_FOUND` when they do not hold an answer."""
        ...
