"""Answers by quotation: picks the sentences of the passages that answer a question best.

Needs no model. Each sentence is scored by the question's words it holds (rare ones count more),
by whether it holds the kind of thing asked for, by word order (who did what to whom) and by the
rank of its passage. The weights were set by hand against questions with known answers.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

from services.orchestrator.generator import (
    NOTHING_FOUND,
    Citation,
    Draft,
    Passage,
    Quotation,
)
from services.orchestrator.quotation.candidates import Candidate, split_candidates
from services.orchestrator.quotation.question import Question, read_question
from services.orchestrator.quotation.words import (
    BE_VERBS,
    content_stems,
    is_content,
    names_in_prose,
)

MAXIMUM_SENTENCES = 3

_COVERAGE_WEIGHT = 0.45
_EXPECTATION_WEIGHT = 0.2
_ORDER_WEIGHT = 0.15
_PASSAGE_WEIGHT = 0.15
_NOVELTY_WEIGHT = 0.05
_TITLE_DISCOUNT = 0.6
_OPENING_SHARE = 0.8
_PRONOUN_SHARE = 0.6
_QUESTION_DISCOUNT = 0.5
_TAIL_DISCOUNT = 0.85
_FURTHER_SENTENCE_SHARE = 0.7
_SAME_SENTENCE_OVERLAP = 0.75


class ExtractiveGenerator:
    """Quotes up to three sentences, the best first, each marked with the number of its passage."""

    name = "extractive"

    def generate(self, question: str, passages: Sequence[Passage]) -> Draft:
        """Answer with sentences of the passages, or with `NOTHING_FOUND`."""
        asked = read_question(question)
        candidates = [
            candidate for candidate in split_candidates(passages) if _is_on_topic(candidate, asked)
        ]
        told = _with_its_numbers(_not_reversed(candidates, asked), asked)
        return _draft(_choose(asked, told))


def _is_on_topic(candidate: Candidate, asked: Question) -> bool:
    """Whether it is about what was asked, and tells more than the question and the title do."""
    terms = set(asked.terms)
    if candidate.stems <= terms or candidate.stems <= candidate.title_stems:
        return False
    if not candidate.stems & terms and not candidate.is_about(asked):
        return False
    known = candidate.stems | candidate.title_stems
    return not asked.names or any(name & known for name in asked.names)


def _not_reversed(candidates: Sequence[Candidate], asked: Question) -> list[Candidate]:
    """Leave out "Ultron created Vision" where another sentence tells who created Ultron."""
    orders = [_order(candidate, asked) for candidate in candidates]
    if 1.0 not in orders:
        return list(candidates)
    return [c for c, order in zip(candidates, orders, strict=True) if order >= 0]


def _with_its_numbers(candidates: Sequence[Candidate], asked: Question) -> list[Candidate]:
    """Keep to "issue 54" where some sentence or title has the 54 that was asked about."""
    numbers = {term for term in asked.terms if term.isdecimal()}
    exact = [c for c in candidates if numbers <= c.stems | c.title_stems]
    return exact or list(candidates)


def _choose(asked: Question, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best sentence, and those that come near it and say something else."""
    weights = _term_weights(asked, candidates)
    best_passage_score = max((c.passage.score for c in candidates), default=0.0)
    scored = [(_score(c, asked, weights, best_passage_score), c) for c in candidates]
    scored.sort(key=lambda pair: (-pair[0], pair[1].rank, pair[1].position))
    chosen: list[Candidate] = []
    for score, candidate in scored:
        is_enough = len(chosen) == MAXIMUM_SENTENCES
        if is_enough or score < _FURTHER_SENTENCE_SHARE * scored[0][0]:
            break
        if not any(_says_the_same(candidate, other) for other in chosen):
            chosen.append(candidate)
    return chosen


def _term_weights(asked: Question, candidates: Sequence[Candidate]) -> dict[str, float]:
    """Inverse sentence frequency; terms that occur nowhere cannot tell sentences apart."""
    counts = Counter(
        term for c in candidates for term in asked.terms if term in c.stems | c.title_stems
    )
    return {term: 1 + math.log(len(candidates) / count) for term, count in counts.items()}


def _score(
    candidate: Candidate,
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


def _discount(candidate: Candidate) -> float:
    """Below 1 for what makes a poor quotation: a question, or perhaps the tail of a sentence."""
    if candidate.text.endswith("?"):
        return _QUESTION_DISCOUNT
    return _TAIL_DISCOUNT if candidate.may_be_a_tail else 1.0


def _coverage(candidate: Candidate, weights: dict[str, float]) -> float:
    """Share of the question's weight the sentence holds.

    What only the title holds counts in full when the title is the sentence's subject, else in part.
    """
    is_subject = candidate.points_to_its_title or candidate.opens_its_text
    titled = 1.0 if is_subject else _TITLE_DISCOUNT
    held = sum(
        weight if term in candidate.stems else titled * weight * (term in candidate.title_stems)
        for term, weight in weights.items()
    )
    return held / sum(weights.values())


def _order(candidate: Candidate, asked: Question) -> float:
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


def _expectation(candidate: Candidate, asked: Question) -> float:
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
            return _definition(candidate, asked)
        case "person" | "other":
            return float(_names_another(candidate, asked))


def _definition(candidate: Candidate, asked: Question) -> float:
    """1 for "<thing asked about> is ...", less for the first sentence of the thing's own text."""
    terms = set(asked.terms)
    says_is = any(token.bare in BE_VERBS for token in candidate.tokens[1:6])
    first = next((token.stem for token in candidate.tokens if is_content(token)), None)
    if says_is and first in terms:
        return 1.0
    if says_is and candidate.points_to_its_title and candidate.is_about(asked):
        return _PRONOUN_SHARE
    if not candidate.opens_its_text or not candidate.is_about(asked):
        return 0.0
    return _OPENING_SHARE * len(terms & candidate.title_stems) / len(candidate.title_stems)


def _names_another(candidate: Candidate, asked: Question) -> bool:
    """Whether it, or its title in its place, names someone the question does not."""
    names = names_in_prose(candidate.text)
    if not candidate.names_its_title:
        names.append(candidate.passage.title)
    return any(not set(content_stems(name)) <= set(asked.terms) for name in names)


def _says_the_same(candidate: Candidate, other: Candidate) -> bool:
    """Whether most content words of the shorter sentence are in the other one."""
    shared = len(candidate.stems & other.stems)
    return shared >= _SAME_SENTENCE_OVERLAP * min(len(candidate.stems), len(other.stems))


def _draft(chosen: Sequence[Candidate]) -> Draft:
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


def _lead_in(candidate: Candidate) -> str:
    """Add the subject to a sentence that does not name it; alone its meaning would be unclear."""
    return "" if candidate.names_its_title else f"{candidate.passage.title}: "
