"""Answers by quotation: picks the sentences of the passages that answer a question best.

Needs no model. Each sentence is scored by the question's words it holds (rare ones count more),
by whether it holds the kind of thing asked for, by word order (who did what to whom) and by the
rank of its passage. The weights were set by hand against questions with known answers.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.orchestrator.generator import (
    NOTHING_FOUND,
    Citation,
    Draft,
    Passage,
    Quotation,
)
from services.orchestrator.question import Question, read_question
from services.orchestrator.words import (
    BE_VERBS,
    Token,
    content_stems,
    is_content,
    proper_names,
    tokenise,
)
from shared.text.sentences import split_sentences

MAXIMUM_SENTENCES = 3
MAXIMUM_SENTENCE_CHARACTERS = 600

_COVERAGE_WEIGHT = 0.45
_EXPECTATION_WEIGHT = 0.2
_ORDER_WEIGHT = 0.15
_PASSAGE_WEIGHT = 0.15
_NOVELTY_WEIGHT = 0.05
_TITLE_DISCOUNT = 0.5
_QUESTION_DISCOUNT = 0.5
_TAIL_DISCOUNT = 0.85
_FURTHER_SENTENCE_SHARE = 0.65
_SAME_SENTENCE_OVERLAP = 0.75


@dataclass(frozen=True)
class _Candidate:
    text: str
    passage: Passage
    rank: int
    position: int
    tokens: tuple[Token, ...] = field(repr=False)
    stems: frozenset[str] = field(repr=False)
    title_stems: frozenset[str] = field(repr=False)


class ExtractiveGenerator:
    """Quotes up to three sentences, the best first, each marked with the number of its passage."""

    name = "extractive"

    def generate(self, question: str, passages: Sequence[Passage]) -> Draft:
        """Answer with sentences of the passages, or with `NOTHING_FOUND`."""
        asked = read_question(question)
        candidates = [
            candidate for candidate in _candidates(passages) if _is_on_topic(candidate, asked)
        ]
        return _draft(_choose(asked, _not_reversed(candidates, asked)))


def _candidates(passages: Sequence[Passage]) -> list[_Candidate]:
    found: list[_Candidate] = []
    unique = {passage.chunk_id: passage for passage in passages}
    for rank, passage in enumerate(unique.values()):
        title_stems = frozenset(content_stems(passage.title))
        for position, sentence in enumerate(split_sentences(passage.text)):
            is_fragment = position == 0 and _continues(passage) and sentence[0].islower()
            if is_fragment or len(sentence) > MAXIMUM_SENTENCE_CHARACTERS:
                continue
            tokens = tuple(tokenise(sentence))
            stems = frozenset(token.stem for token in tokens if is_content(token))
            found.append(_Candidate(sentence, passage, rank, position, tokens, stems, title_stems))
    return found


def _continues(passage: Passage) -> bool:
    """Whether the chunk is not its entity's first, so that it may open with part of a sentence."""
    number = passage.chunk_id.rpartition("-")[2]
    return number.isascii() and number.isdigit() and int(number) > 1


def _is_on_topic(candidate: _Candidate, asked: Question) -> bool:
    """Shares a content word, tells more than the question, and is about one of its names."""
    if not candidate.stems & set(asked.terms) or candidate.stems <= set(asked.terms):
        return False
    known = candidate.stems | candidate.title_stems
    return not asked.names or any(name & known for name in asked.names)


def _not_reversed(candidates: Sequence[_Candidate], asked: Question) -> list[_Candidate]:
    """Leave out "Ultron created Vision" where another sentence tells who created Ultron."""
    orders = [_order(candidate, asked) for candidate in candidates]
    if 1.0 not in orders:
        return list(candidates)
    return [c for c, order in zip(candidates, orders, strict=True) if order >= 0]


def _choose(asked: Question, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The best sentence, and those that come near it and say something else."""
    weights = _term_weights(asked, candidates)
    best_passage_score = max((c.passage.score for c in candidates), default=0.0)
    scored = [(_score(c, asked, weights, best_passage_score), c) for c in candidates]
    scored.sort(key=lambda pair: (-pair[0], pair[1].rank, pair[1].position))
    chosen: list[_Candidate] = []
    for score, candidate in scored:
        is_enough = len(chosen) == MAXIMUM_SENTENCES
        if is_enough or score < _FURTHER_SENTENCE_SHARE * scored[0][0]:
            break
        if not any(_says_the_same(candidate, other) for other in chosen):
            chosen.append(candidate)
    return chosen


def _term_weights(asked: Question, candidates: Sequence[_Candidate]) -> dict[str, float]:
    """Inverse sentence frequency; terms that occur nowhere cannot tell sentences apart."""
    counts = Counter(term for c in candidates for term in asked.terms if term in c.stems)
    return {term: 1 + math.log(len(candidates) / count) for term, count in counts.items()}


def _score(
    candidate: _Candidate,
    asked: Question,
    weights: dict[str, float],
    best_passage_score: float,
) -> float:
    ratio = candidate.passage.score / best_passage_score if best_passage_score > 0 else 1.0
    new_words = len(candidate.stems - set(asked.terms))
    score = (
        _COVERAGE_WEIGHT * _coverage(candidate, weights)
        + _EXPECTATION_WEIGHT * _expectation(candidate, asked)
        + _ORDER_WEIGHT * _order(candidate, asked)
        + _PASSAGE_WEIGHT * (max(ratio, 0.0) + 1 / (1 + candidate.rank)) / 2
        + _NOVELTY_WEIGHT * min(new_words / 4, 1.0)
    )
    return score * _discount(candidate)


def _discount(candidate: _Candidate) -> float:
    """Below 1 for what makes a poor quotation: a question, or perhaps the tail of a sentence."""
    if candidate.text.endswith("?"):
        return _QUESTION_DISCOUNT
    return _TAIL_DISCOUNT if candidate.position == 0 and _continues(candidate.passage) else 1.0


def _coverage(candidate: _Candidate, weights: dict[str, float]) -> float:
    """Share of the question's weight the sentence holds; the title counts for half."""
    held = sum(
        weight
        if term in candidate.stems
        else _TITLE_DISCOUNT * weight * (term in candidate.title_stems)
        for term, weight in weights.items()
    )
    return held / sum(weights.values())


def _order(candidate: _Candidate, asked: Question) -> float:
    """1 when doer, deed and object stand as the question has them, -1 when the other way round.

    Passive ("Ultron was created by ...") and genitive ("Ultron's creator") turn them round again.
    """
    if asked.ordered_terms is None:
        return 0.0
    first, second = asked.ordered_terms
    places = {token.stem: index for index, token in reversed(list(enumerate(candidate.tokens)))}
    if first not in places or second not in places:
        return 0.0
    if places[first] < places[second]:
        return 1.0
    following = {token.bare for token in candidate.tokens[places[first] : places[first] + 4]}
    is_genitive = candidate.tokens[places[second]].is_possessive
    return 1.0 if "by" in following or is_genitive else -1.0


_TIME = re.compile(
    r"\b(?:1[5-9]|20)\d\d\b|\b\d{1,2}:\d\d\b|\b(?:January|February|March|April|June|July|August"
    r"|September|October|November|December|century|decade|years?|months?|days? (?:later|after))\b"
)
_PLACE = re.compile(r"\b(?:in|at|on|from|near|inside|under|beneath|aboard|to) (?:the )?[A-Z]")
_REASON = re.compile(r"\b(?:because|since|so that|in order to|due to|after|to [a-z]+)\b", re.I)
_QUANTITY = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|hundreds?"
    r"|thousands?|millions?|several|both|once|twice)\b",
    re.I,
)


def _expectation(candidate: _Candidate, asked: Question) -> float:
    """1 when the sentence holds the kind of thing asked for, else 0."""
    text = candidate.text
    match asked.kind:
        case "time":
            return float(_TIME.search(text) is not None)
        case "place":
            return float(_PLACE.search(text) is not None)
        case "reason":
            return float(_REASON.search(text) is not None)
        case "quantity":
            return float(_QUANTITY.search(text) is not None)
        case "definition":
            return float(_defines(candidate, asked))
        case "person" | "other":
            return float(_names_another(candidate, asked))


def _defines(candidate: _Candidate, asked: Question) -> bool:
    """Whether it opens with the thing asked about, or a pronoun for it, and a form of "to be"."""
    tokens = candidate.tokens
    verb = next((index for index, token in enumerate(tokens[:8]) if token.bare in BE_VERBS), None)
    if verb is None:
        return False
    subject = {token.stem for token in tokens[:verb]}
    is_pronoun = _opens_with_pronoun(candidate) and set(asked.terms) <= candidate.title_stems
    return bool(subject & set(asked.terms)) or is_pronoun


def _names_another(candidate: _Candidate, asked: Question) -> bool:
    """Whether it names someone the question does not; a pronoun stands for the passage's title."""
    names = proper_names(candidate.text)
    if _opens_with_pronoun(candidate):
        names.append(candidate.passage.title)
    return any(not set(content_stems(name)) <= set(asked.terms) for name in names)


_PRONOUNS = frozenset("he she it they his her its their".split())


def _opens_with_pronoun(candidate: _Candidate) -> bool:
    return bool(candidate.tokens) and candidate.tokens[0].bare in _PRONOUNS


def _says_the_same(candidate: _Candidate, other: _Candidate) -> bool:
    """Whether most content words of the shorter sentence are in the other one."""
    shared = len(candidate.stems & other.stems)
    return shared >= _SAME_SENTENCE_OVERLAP * min(len(candidate.stems), len(other.stems))


def _draft(chosen: Sequence[_Candidate]) -> Draft:
    if not chosen:
        return NOTHING_FOUND
    numbers: dict[str, int] = {}
    quotations: list[Quotation] = []
    parts: list[str] = []
    for candidate in chosen:
        number = numbers.setdefault(candidate.passage.chunk_id, len(numbers) + 1)
        quotations.append(Quotation(candidate.text, number))
        parts.append(f"{_lead_in(candidate)}{candidate.text} [{number}]")
    cited = {c.passage.chunk_id: c.passage for c in chosen}
    citations = tuple(Citation(number, cited[chunk]) for chunk, number in numbers.items())
    return Draft(" ".join(parts), citations, tuple(quotations))


def _lead_in(candidate: _Candidate) -> str:
    """Name whom a sentence is about that opens with a pronoun; without it a quotation is blind."""
    title = candidate.passage.title
    return f"{title}: " if title and _opens_with_pronoun(candidate) else ""
