"""What a question asks for, read from its words; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.orchestrator.quotation.words import (
    BE_VERBS,
    Token,
    content_stems,
    is_content,
    proper_names,
    stem,
    tokenise,
)

Kind = Literal["definition", "person", "time", "place", "reason", "quantity", "other"]

_AUXILIARIES = BE_VERBS | frozenset("do does did has have had will would can could".split())
_QUANTITY = re.compile(r"\bhow (?:many|much|old|long|far|tall|often)\b", re.I)


@dataclass(frozen=True)
class Question:
    """A question taken apart.

    `terms` are its content stems in order. `names` holds, for each proper name, the stems any of
    which identifies it; "man" in "Wonder Man" does not. `ordered_terms` is the pair of stems that
    stand in the order of doer, deed, object; None where the wording does not tell.
    """

    kind: Kind
    terms: tuple[str, ...]
    names: tuple[frozenset[str], ...]
    ordered_terms: tuple[str, str] | None


def read_question(text: str) -> Question:
    """Take a question apart; any text is accepted."""
    tokens = tokenise(text)
    terms = tuple(content_stems(text))
    named = [frozenset(content_stems(name)) for name in proper_names(text)]
    kind = _kind(text, tokens, named)
    return Question(kind, terms, tuple(map(_identifying, named)), _ordered_terms(tokens))


_NAME_PARTS_OF_MANY = frozenset(
    map(stem, "man woman boy girl mr mrs ms doctor dr captain king queen lord lady sir".split())
)


def _identifying(name: frozenset[str]) -> frozenset[str]:
    return name - _NAME_PARTS_OF_MANY or name


def _kind(text: str, tokens: Sequence[Token], names: Sequence[frozenset[str]]) -> Kind:
    words = {token.bare for token in tokens}
    if _QUANTITY.search(text):
        return "quantity"
    for word, kind in _KIND_OF_WORD:
        if word in words:
            return kind
    if _is_definition(tokens, names):
        return "definition"
    return "person" if words & {"who", "whom", "whose"} else "other"


_KIND_OF_WORD: tuple[tuple[str, Kind], ...] = (
    ("when", "time"),
    ("year", "time"),
    ("where", "place"),
    ("why", "reason"),
)


def _is_definition(tokens: Sequence[Token], names: Sequence[frozenset[str]]) -> bool:
    """Whether it asks what something is: "Who is Thor?", "what is the Tesseract", "Thor"."""
    content = [token for token in tokens if is_content(token)]
    if not content:
        return False
    before = {token.bare for token in tokens if token.end <= content[0].start}
    asks_what_is = bool(before & {"who", "what"} and before & BE_VERBS) or "about" in before
    # "'s" sticks to the question word and is gone from its bare form.
    contracted = any(t.is_possessive and t.bare in {"who", "what"} for t in tokens[:1])
    is_bare = not before and len(content) == len(tokens)
    named = frozenset().union(*names)
    is_one_thing = {token.stem for token in content} <= named or len(content) == 1
    return is_one_thing and (asks_what_is or contracted or is_bare)


def _ordered_terms(tokens: Sequence[Token]) -> tuple[str, str] | None:
    """Doer before deed before object, whichever two of them the question names.

    "Who created Ultron?" gives (creat, ultron) and "Whom did Ultron create?" (ultron, creat);
    "Who was Ultron created by?" asks for the doer and gives (creat, ultron).
    """
    words = [token.bare for token in tokens]
    content = [token for token in tokens if is_content(token)]
    if not words or words[0] not in {"who", "whom", "which", "what"}:
        return None
    stems = list(dict.fromkeys(token.stem for token in content))
    if len(stems) < 2:
        return None
    first, last = stems[0], stems[-1]
    has_auxiliary = len(words) > 1 and words[1] in _AUXILIARIES
    if has_auxiliary and words[1] in BE_VERBS:
        return (last, first) if words[-1] == "by" else None
    return first, last
