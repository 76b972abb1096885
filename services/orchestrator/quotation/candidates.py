"""The sentences of retrieved passages, as candidates for an answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.orchestrator.generator import Passage
from services.orchestrator.quotation.question import Question
from services.orchestrator.quotation.words import (
    Token,
    content_stems,
    is_content,
    names_in_prose,
    tokenise,
)
from shared.text.sentences import split_sentences

MAXIMUM_SENTENCE_CHARACTERS = 600

_PRONOUNS = frozenset("he she it they his her its their this these".split())


@dataclass(frozen=True)
class Candidate:
    """A sentence that might be quoted, where it stands and what it is made of."""

    text: str
    passage: Passage
    rank: int
    position: int
    tokens: tuple[Token, ...] = field(repr=False)
    stems: frozenset[str] = field(repr=False)
    title_stems: frozenset[str] = field(repr=False)

    @property
    def names_its_title(self) -> bool:
        """Whether the sentence alone shows the reader what it is about."""
        return not self.title_stems or bool(self.title_stems & self.stems)

    @property
    def points_to_its_title(self) -> bool:
        """Whether it says "he" or "this" before it names anyone."""
        pronoun = next((token for token in self.tokens if token.bare in _PRONOUNS), None)
        if self.names_its_title or pronoun is None:
            return False
        return not names_in_prose(self.text[: pronoun.start])

    @property
    def opens_its_text(self) -> bool:
        """Whether it is the first sentence of its entity, which is then its subject."""
        return self.position == 0 and not _continues(self.passage)

    @property
    def may_be_a_tail(self) -> bool:
        """Whether it may be the end of a sentence that the chunk before it began."""
        return self.position == 0 and _continues(self.passage)

    def is_about(self, asked: Question) -> bool:
        """Whether the passage's title is what the question names."""
        titled = self.title_stems
        is_asked = bool(titled) and titled <= set(asked.terms)
        return is_asked or any(name <= titled for name in asked.names)


def split_candidates(passages: Sequence[Passage]) -> list[Candidate]:
    """Cut passages, best first, into the sentences that can stand alone in an answer."""
    found: list[Candidate] = []
    unique = {passage.chunk_id: passage for passage in passages}
    for rank, passage in enumerate(unique.values()):
        title_stems = frozenset(content_stems(passage.title))
        for position, sentence in enumerate(split_sentences(passage.text)):
            is_fragment = position == 0 and _continues(passage) and sentence[0].islower()
            if is_fragment or len(sentence) > MAXIMUM_SENTENCE_CHARACTERS:
                continue
            tokens = tuple(tokenise(sentence))
            stems = frozenset(token.stem for token in tokens if is_content(token))
            found.append(Candidate(sentence, passage, rank, position, tokens, stems, title_stems))
    return found


def _continues(passage: Passage) -> bool:
    """Whether the chunk is not its entity's first, so that it may open with part of a sentence."""
    number = passage.chunk_id.rpartition("-")[2]
    return number.isdecimal() and number.lstrip("0") not in {"", "1"}
