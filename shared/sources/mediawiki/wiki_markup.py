"""Wikitext made ready for its parser: no tags and comments, and no bracket without its partner.

As in MediaWiki (mediawiki.org, "Preprocessor ABNF"), comments and extension tags come first and end
at their first closing tag. The parser tries every opening bracket up to the end of the text, which
takes minutes for a page that opens a few thousand and closes none; what this module leaves is in
pairs. External links become their labels and addresses mere text: the parser is slower still at
those.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Whose content is no text of the page.
_HIDDEN = frozenset(
    "ref references gallery timeline imagemap templatedata graph mapframe maplink score "
    "categorytree inputbox section style script includeonly templatestyles indicator".split()
)
# Whose content is text and nothing else.
_LITERAL = frozenset("nowiki pre syntaxhighlight source math chem ce".split())
_WHOLE = _HIDDEN | _LITERAL
_BLOCKS = frozenset(
    "blockquote br caption center dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p poem tbody td th thead "
    "tr ul".split()
)
_INLINE = frozenset(
    "abbr b bdi bdo big cite code data del dfn em font i ins kbd mark noinclude onlyinclude q rb "
    "rp rt rtc ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
_TOKEN = re.compile(
    r"""
      (?P<comment><!--)
    | <(?P<slash>/?)(?P<tag>[A-Za-z][A-Za-z0-9]*+)(?P<rest>(?:[\s/][^<>]*+)?)>
    | <|\[(?=//)
    | (?P<link>\[(?:(?:[a-z]{3,6}:)?//|mailto:)[^\s\[\]<>"{}|]++(?=[^\[\]\n]*+\]))
    | (?P<scheme>(?:\b(?:mailto|news|tel|sips?|urn|geo|magnet|bitcoin|xmpp)|(?<=[a-z])(?=://)):)
    | (?P<open>\{\{|\[\[|^[ \t:]*+\{\|)
    | (?P<close>\}\}|\]\]|^[ \t]*+\|\}(?!\})|\])
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_PARTNERS = {"}}": "{{", "]]": "[[", "|}": "{|"}
_DEEPEST = 25
# Signs that are meant literally stand as characters that Unicode keeps free of any meaning.
_STAND_INS = {ord(sign): chr(0xFDD0 + number) for number, sign in enumerate("[]{}<>|='*#:;_")}
_SIGNS = {ord(stand_in): sign for sign, stand_in in _STAND_INS.items()}


@dataclass(slots=True)
class _Open:
    """An opening bracket that waits for its partner; `place` is the position of its text."""

    kind: str
    place: int


def prepared(wikitext: str) -> str:
    """Return wikitext without tags and comments, and literal signs as what `restored` undoes."""
    pieces: list[str] = []
    waiting: list[_Open] = []
    for text, kind in _pieces(wikitext.translate(dict.fromkeys(_SIGNS))):
        if kind in _PARTNERS.values():
            waiting.append(_Open(kind, len(pieces)))
            pieces.append(text if len(waiting) <= _DEEPEST else _escaped(text))
        elif kind in _PARTNERS:
            pieces.append(_closed(text, kind, pieces, waiting))
        else:
            pieces.append(text)
    for opened in waiting:
        pieces[opened.place] = _escaped(pieces[opened.place])
    return "".join(pieces)


def restored(text: str) -> str:
    """Return a text with the signs that `prepared` hid from the parser."""
    return text.translate(_SIGNS)


def _closed(text: str, kind: str, pieces: list[str], waiting: list[_Open]) -> str:
    """Return a closing bracket as it is if it has a partner; those opened within have none."""
    depth = next(
        (
            depth
            for depth in range(len(waiting) - 1, max(-1, len(waiting) - 1 - _DEEPEST), -1)
            if waiting[depth].kind == _PARTNERS[kind]
        ),
        None,
    )
    if depth is None:
        return _escaped(text)
    for unclosed in waiting[depth + 1 :]:
        pieces[unclosed.place] = _escaped(pieces[unclosed.place])
    del waiting[depth:]
    return text if depth < _DEEPEST else _escaped(text)


def _pieces(wikitext: str) -> Iterator[tuple[str, str]]:
    """Yield pieces of text; brackets come with their kind, everything else with an empty one."""
    position = 0
    is_in_link = False
    never_closed: set[str] = set()
    while (match := _TOKEN.search(wikitext, position)) is not None:
        yield wikitext[position : match.start()], ""
        position = match.end()
        if match["comment"]:
            end = wikitext.find("-->", position)
            position = len(wikitext) if end < 0 else end + 3
        elif match["tag"]:
            name = match["tag"].lower()
            text, kind, position = _tag(match, name, wikitext, never_closed)
            yield text, kind
        elif match["link"]:
            is_in_link = True
        elif match["close"] and match["close"].startswith("]") and is_in_link:
            # In `[[File:a.png|by [http://b.example c]]]` the first one ends the link within.
            is_in_link = False
            position = match.start() + 1
        elif match["open"] or match["close"]:
            bracket = match["open"] or match["close"]
            yield bracket, bracket.strip(" \t:")
        else:
            yield _escaped(match[0]), ""
    yield wikitext[position:], ""


def _tag(
    match: re.Match[str], name: str, wikitext: str, never_closed: set[str]
) -> tuple[str, str, int]:
    """Return what replaces a tag, the kind of bracket that is, and where it ends."""
    is_opening = not match["slash"] and not match["rest"].endswith("/")
    if is_opening and name in _WHOLE and name not in never_closed:
        closing = re.compile(rf"</{name}\s*+>", re.IGNORECASE).search(wikitext, match.end())
        if closing is not None:
            content = wikitext[match.end() : closing.start()]
            return _escaped(content) if name in _LITERAL else "", "", closing.end()
        never_closed.add(name)
    if name == "table":
        text, kind = ("\n|}\n", "|}") if match["slash"] else ("\n{|\n", "{|")
        return text, kind, match.end()
    if name in _BLOCKS:
        return "\n", "", match.end()
    if name in _INLINE or name in _WHOLE:
        return "", "", match.end()
    return _escaped(match[0]), "", match.end()


def _escaped(text: str) -> str:
    return text.translate(_STAND_INS)
