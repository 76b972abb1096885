"""Query analysis: tidy a message, tell small talk from questions, resolve what it leaves unsaid.

Pure. It works on surface words alone, so it can be wrong; then the message is searched as it is or
with one name too many, and the answer still quotes only what was found.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from services.orchestrator.quotation.words import (
    BE_VERBS,
    QUESTION_WORDS,
    Token,
    fold,
    is_content,
    names_in_prose,
    proper_names,
    tokenise,
)
from shared.text.marks import normalised

MAXIMUM_SEARCHED_CHARACTERS = 1_000
"""What is searched of a message, at most what retrieve takes; encoders read some 200 words."""

Route = Literal["question", "greeting", "unclear"]


class Turn(TypedDict):
    """One finished turn of a session, as the checkpoint keeps it: plain values only.

    `query` is the message with its references resolved; `titles` are those of the cited passages.
    """

    message: str
    query: str
    answer: str
    titles: list[str]


@dataclass(frozen=True)
class Analysis:
    """`query` stands on its own; it is empty unless `route` is `question`."""

    route: Route
    query: str = ""


_GREETING_WORDS = frozenset(
    """hi hello hey hiya howdy greetings good morning afternoon evening day there thanks thank you
    so very much bye goodbye cheers ok okay great cool nice welcome all everyone""".split()
)
_GREETING_OPENERS = frozenset(
    "hi hello hey hiya howdy greetings good thanks thank bye goodbye cheers ok okay".split()
)

_PERSON = frozenset("he him his himself she her hers herself".split())
_THING = frozenset("it its itself this that these those".split())
_GROUP = frozenset("they them their theirs themselves".split())
_POSSESSIVES = frozenset("his her hers its their theirs".split())
_DEMONSTRATIVES = frozenset("this that these those".split())
_CONNECTIVES = frozenset("and but so also then or".split())
_ADVERBIAL = frozenset("when where why how".split())
_EXPLETIVE_COMPLEMENTS = frozenset("true possible likely known clear certain correct".split())


def analyse(message: str, turns: Sequence[Turn]) -> Analysis:
    """Route a message, and for a question give the query that stands on its own.

    `turns` are the session's earlier turns, oldest first; only the last one is referred to.
    """
    text = normalise(message)
    tokens = tokenise(text)
    if not tokens:
        return Analysis("unclear")
    if _is_greeting(tokens):
        return Analysis("greeting")
    query = resolve(text, turns[-1]) if turns else text
    if not any(is_content(token) for token in tokenise(query)):
        return Analysis("unclear")
    return Analysis("question", shorten(query, MAXIMUM_SEARCHED_CHARACTERS))


def normalise(message: str) -> str:
    """Compose accents (NFC), drop control and invisible characters, make each gap one space."""
    composed = normalised("NFC", message)
    visible = (" " if c.isspace() else c for c in composed if c.isspace() or not _is_invisible(c))
    return " ".join("".join(visible).split())


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}


def shorten(text: str, maximum_characters: int) -> str:
    """Cut at the last space that fits, or inside a word longer than the bound."""
    if len(text) <= maximum_characters:
        return text
    cut = text[: maximum_characters + 1].rpartition(" ")[0]
    return cut or text[:maximum_characters]


def with_corrected(text: str, corrected: Mapping[str, str]) -> str:
    """Put the words that were searched for in the place of others, as names where those are."""
    for words, instead in corrected.items():
        parts = r"\W+".join(map(re.escape, words.split()))
        pattern = re.compile(rf"(?<!\w){parts}(?!\w)", re.I)
        if match := pattern.search(text):
            known = instead.title() if match.group()[0].isupper() else instead
            text = pattern.sub(known.replace("\\", r"\\"), text)
    return text


def _is_greeting(tokens: Sequence[Token]) -> bool:
    words = [token.bare for token in tokens]
    return words[0] in _GREETING_OPENERS and all(word in _GREETING_WORDS for word in words)


def resolve(text: str, previous: Turn) -> str:
    """Put the previous turn's subject where `text` only points to it; else give `text` back."""
    swapped = _swap_subject(text, previous)
    if swapped:
        return swapped
    tokens = tokenise(text)
    references = _references(tokens)
    if _is_elliptic(tokens, references):
        return _complete(tokens, previous)
    return _substitute(text, references, tokens, previous) if references else text


_SWAP = re.compile(r"(?:and |but |so )?(?:what|how) about (?P<new>.+)|and (?P<bare>.+)", re.I)


def _swap_subject(text: str, previous: Turn) -> str | None:
    """Resolve "What about Vision?" after "Who created Ultron?" to "Who created Vision?"."""
    match = _SWAP.fullmatch(text.rstrip("?!. "))
    if not match:
        return None
    new = match.group("new") or match.group("bare")
    subjects = _subjects(previous)
    tokens = tokenise(new)
    is_phrase = all(token.bare not in QUESTION_WORDS | BE_VERBS for token in tokens)
    refers = any(token.bare in _PERSON | _THING | _GROUP for token in tokens)
    if not subjects or not is_phrase or refers or not any(map(is_content, tokens)):
        return None
    # One article is enough: "the Avengers" may be swapped for "the Defenders".
    article = "(?:the )?" if tokens[0].bare == "the" else ""
    pattern = article + re.escape(subjects[0])
    return re.sub(pattern, lambda _: new, previous["query"], count=1, flags=re.I)


def _references(tokens: Sequence[Token]) -> list[int]:
    """Indexes of pronouns whose referent is not in the message itself."""
    found: list[int] = []
    content_before = 0
    for index, token in enumerate(tokens):
        word = token.bare
        if is_content(token):
            content_before += 1
            # A name, or enough words to hold one in lower case, is what a later pronoun means.
            if (token.text[0].isupper() and index > 0) or content_before > 1:
                break
        elif _is_reference(word, index, tokens):
            found.append(index)
    return found


def _is_reference(word: str, index: int, tokens: Sequence[Token]) -> bool:
    if word in _DEMONSTRATIVES:
        # In other positions they are articles or conjunctions: "that robot", "the robot that fell".
        return index == len(tokens) - 1
    if word == "it" and index + 1 < len(tokens):
        return tokens[index + 1].bare not in _EXPLETIVE_COMPLEMENTS
    return word in _PERSON | _THING | _GROUP


def _is_elliptic(tokens: Sequence[Token], references: Sequence[int]) -> bool:
    """Whether only the question word is new: "And when?", "when was it?", "why?"."""
    words = [token.bare for token in tokens]
    if any(map(is_content, tokens)) or any(words[index] in _PERSON for index in references):
        return False
    return any(word in _ADVERBIAL for word in words)


def _complete(tokens: Sequence[Token], previous: Turn) -> str:
    """Carry what the previous question was about over to a new question word."""
    word = next(token.bare for token in tokens if token.bare in _ADVERBIAL)
    rest = tokenise(previous["query"])
    while rest and rest[0].bare in QUESTION_WORDS | _CONNECTIVES | {"else"}:
        rest = rest[1:]
    tail = previous["query"][rest[0].start :].rstrip("?!. ") if rest else ""
    return f"{word.capitalize()} {tail}?"


def _substitute(
    text: str, references: Sequence[int], tokens: Sequence[Token], previous: Turn
) -> str:
    pieces: list[str] = []
    position = 0
    for index in references:
        token = tokens[index]
        referent = _referent(token.bare, previous)
        if referent is None:
            continue
        ending = "'s" if _is_possessive(index, tokens) or token.is_possessive else ""
        pieces += [text[position : token.start], referent + ending]
        position = token.end
    return "".join(pieces) + text[position:]


def _is_possessive(index: int, tokens: Sequence[Token]) -> bool:
    word = tokens[index].bare
    if word == "her":  # "her brother" against "who fought her"
        return index + 1 < len(tokens) and is_content(tokens[index + 1])
    return word in _POSSESSIVES


def _referent(pronoun: str, previous: Turn) -> str | None:
    """The name a pronoun stands for.

    After a question that asked for someone, a person is whom the answer named first; otherwise it
    is whom the question was about. Things and groups are what the question was about.
    """
    subjects = _subjects(previous)
    asked = {fold(name) for name in proper_names(previous["query"])} | set(map(fold, subjects))
    told = {*names_in_prose(previous["answer"]), *previous["titles"]}
    named = [name for name in proper_names(previous["answer"]) if name in told]
    answered = [name for name in named if not _overlaps(name, asked)]
    person_asked = pronoun in _PERSON and _asks_for_someone(previous["query"], subjects)
    ordered = answered + subjects if person_asked else subjects + answered
    return ordered[0] if ordered else None


def _overlaps(name: str, asked: set[str]) -> bool:
    folded = fold(name)
    return any(folded in other or other in folded for other in asked)


def _subjects(previous: Turn) -> list[str]:
    """Names in the previous question; if it was typed in lower case, cited titles it mentions."""
    names = proper_names(previous["query"])
    if names:
        return names
    words = {token.stem for token in tokenise(previous["query"])}
    return [
        title
        for title in dict.fromkeys(previous["titles"])
        if (stems := {token.stem for token in tokenise(title)}) and stems <= words
    ]


def _asks_for_someone(query: str, subjects: Sequence[str]) -> bool:
    """Whether a question wants a name it lacks: "Who created Ultron?", not "Who is Thor?"."""
    tokens = tokenise(query)
    if not tokens or tokens[0].bare not in {"who", "whom", "whose", "which", "what"}:
        return False
    named = {token.stem for subject in subjects for token in tokenise(subject)}
    return any(is_content(token) and token.stem not in named for token in tokens)
