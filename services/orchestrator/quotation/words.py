"""Words, stems and proper names of English text; pure, and total over any Unicode string."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from shared.text.folding import folded
from shared.text.marks import normalised

_TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_POSSESSIVE = re.compile(r"['\u2019]s?$")

BE_VERBS = frozenset("is are was were be been being 's".split())

QUESTION_WORDS = frozenset("who whom whose what which when where why how".split())

STOPWORDS = (
    QUESTION_WORDS
    | BE_VERBS
    | frozenset(
        """
        a about above after again against all also am an and any anyone anything as at
        because before below between both but by can could did do does doing done down
        during each else ever every few for from further get gets got had has have having
        he her here hers herself him himself his i if in into it its itself just let ll
        many may me might mine more most much must my myself no nor not now of off on once
        one only or other our ours out over own per please re s same shall she should so
        some someone something still such t than that the their theirs them themselves
        then there these they this those through to too under until up upon us ve very via
        we well were will with would yes yet you your yours tell give show explain
        describe say know list find
        """.split()
    )
)

# Only forms whose stem the suffix rules cannot reach, of verbs that questions are made of.
_IRREGULAR = {
    "built": "build", "made": "make", "led": "lead", "fought": "fight", "wrote": "write",
    "written": "write", "drew": "draw", "drawn": "draw", "began": "begin", "begun": "begin",
    "became": "become", "found": "find", "died": "die", "dies": "die", "dying": "die",
    "death": "die", "born": "birth", "gave": "give", "given": "give", "took": "take",
    "taken": "take", "knew": "know", "known": "know", "stole": "steal", "stolen": "steal",
    "wore": "wear", "worn": "wear", "won": "win", "lost": "lose", "killed": "kill",
    "slew": "slay", "slain": "slay", "brought": "bring", "taught": "teach", "met": "meet",
    "went": "go", "gone": "go", "said": "say", "men": "man", "women": "woman",
    "children": "child",
}  # fmt: skip

# Questions and answers exchange verbs of making more often than any others.
_ALIKE = {"build": "creat", "mak": "creat", "invent": "creat", "construct": "creat"}

# Longest first; the number is the least length of what must remain.
_SUFFIXES = (
    ("ings", 3), ("ions", 4), ("ing", 3), ("ion", 4), ("ers", 3), ("ors", 4), ("ies", 2),
    ("ied", 2), ("er", 3), ("or", 4), ("ed", 3), ("es", 3), ("e", 3), ("s", 3),
)  # fmt: skip


class Token(NamedTuple):
    """A word as written, where it stands, and its stem; `is_possessive` for "Ultron's"."""

    text: str
    start: int
    end: int
    stem: str
    is_possessive: bool

    @property
    def bare(self) -> str:
        """The word folded and without its possessive ending."""
        return fold(_POSSESSIVE.sub("", self.text))


def tokenise(text: str) -> list[Token]:
    """Split into words; "Spider-Man" is two, "Ultron's" is one whose stem is that of "Ultron"."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        written = match.group()
        bare = _POSSESSIVE.sub("", written)
        yield Token(written, match.start(), match.end(), stem(bare), bare != written)


def fold(word: str) -> str:
    """The form that the search compares, so that "Mjölnir" and "mjolnir" are one word."""
    decomposed = normalised("NFKD", folded(word))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def stem(word: str) -> str:
    """Cut the endings of inflection and of the doer: create, created, creates, creator -> creat.

    Far lighter than Porter's algorithm on purpose: names must survive it unmangled.
    """
    folded = fold(word)
    folded = _IRREGULAR.get(folded, folded)
    for suffix, least in _SUFFIXES:
        if folded.endswith(suffix) and len(folded) - len(suffix) >= least:
            root = folded[: -len(suffix)]
            root = _undoubled(root + "y" if suffix in ("ies", "ied") else root)
            return _ALIKE.get(root, root)
    root = _undoubled(folded)
    return _ALIKE.get(root, root)


def _undoubled(root: str) -> str:
    return root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1].isalpha() else root


def is_content(token: Token) -> bool:
    """Whether a word carries meaning of its own."""
    return token.bare not in STOPWORDS


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order, each once."""
    return list(dict.fromkeys(token.stem for token in tokenise(text) if is_content(token)))


_NAME_LINKS = frozenset("of the von van de la".split())
_NAME_GAP = re.compile(r"[ \u00a0]|-|\. ")


def proper_names(text: str) -> list[str]:
    """Runs of capitalised words, as written: "Hank Pym", "Masters of Evil"; each once, in order.

    A sentence's first word counts too unless it is a stopword: names often stand there, and a
    plain noun taken for a name does little harm here.
    """
    return list(_placed_names(text, tokenise(text)))


def names_in_prose(text: str) -> list[str]:
    """Proper names without the lone words that may be capitals only because a sentence begins.

    Such a word still counts when it is also capitalised in another position.
    """
    tokens = tokenise(text)
    words = Counter(token.text for token in tokens)
    return [
        name
        for name, start in _placed_names(text, tokens).items()
        if len(tokenise(name)) > 1 or words[name] > 1 or not _begins_sentence(text, start)
    ]


def _placed_names(text: str, tokens: list[Token]) -> dict[str, int]:
    """Names in order, and where each first stands."""
    names: dict[str, int] = {}
    index = 0
    while index < len(tokens):
        if not _is_name_part(tokens[index]):
            index += 1
            continue
        last = _end_of_name(text, tokens, index)
        start = tokens[index].start
        names.setdefault(_POSSESSIVE.sub("", text[start : tokens[last].end]), start)
        index = last + 1
    return names


def _begins_sentence(text: str, start: int) -> bool:
    """Whether a sentence may begin at `start`; looked at backwards, and so no further than needed.

    Before it come opening quotes, then a gap, then closing quotes, then what ends a sentence.
    """
    start = _before(text, start, "\"'\u201c\u2018(")
    if start == 0:
        return True
    end = start
    while end > 0 and text[end - 1].isspace():
        end -= 1
    if end == start:
        return False
    end = _before(text, end, "\"'\u201d\u2019)")
    return end > 0 and text[end - 1] in ".!?:]"


def _before(text: str, position: int, characters: str) -> int:
    """Where the run of some characters begins that ends at `position`."""
    while position > 0 and text[position - 1] in characters:
        position -= 1
    return position


def _is_name_part(token: Token) -> bool:
    return token.text[0].isupper() and token.bare not in STOPWORDS


def _end_of_name(text: str, tokens: list[Token], first: int) -> int:
    """Index of the last token of the name that begins at `first`."""
    last = probe = first
    while not tokens[probe].is_possessive and probe + 1 < len(tokens):
        gap = text[tokens[probe].end : tokens[probe + 1].start]
        if not _NAME_GAP.fullmatch(gap):
            break
        if gap == ". " and len(tokens[probe].text) > 1:
            break
        probe += 1
        if _is_name_part(tokens[probe]):
            last = probe
        elif tokens[probe].text not in _NAME_LINKS:
            break
    return last
