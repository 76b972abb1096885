"""Makes untrusted text safe for a terminal; pure.

What is printed in one line stays in one line, has the colour of its surroundings and reads in the
order in which it stands. The rule, by Unicode's own classes:

- a line break, a tab and every other control that is white space becomes one space;
- U+00AD and U+200B go: soft hyphens and the word breaks of Khmer or Thai only say where a line may
  end;
- other controls, bidirectional controls, tags, lone surrogates and other characters that a terminal
  shows as nothing are escaped (`\\u202e`), so that they can be seen;
- all else stays, also what real scripts and emoji cannot do without: joiners (U+200C, U+200D),
  variation selectors, combining marks, Hangul's conjoining fillers, Mongolian's vowel separator,
  Arabic's number signs.
"""

import json
import re
import unicodedata
from typing import Any

_WHITE_SPACE = "\t\n\v\f\r\x85\u2028\u2029"
_WORD_BREAKS = "\u00ad\u200b"
_ESCAPED = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
    "\u061c\u17b4\u17b5\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    "\ud800-\udfff"
)
_UNPRINTABLE = re.compile(f"\r\n|[{_WHITE_SPACE}{_WORD_BREAKS}{_ESCAPED}]")
_ZERO_WIDTH = frozenset({"Mn", "Me"})
_ZERO_WIDTH_FORMATS = "\u200c\u200d\u180e"


def printable(text: str) -> str:
    """The text as one line that a terminal shows as it stands."""
    return _UNPRINTABLE.sub(_replacement, text)


def printable_lines(text: str) -> str:
    """The same for a text whose line breaks are ours; each line stays one."""
    return "\n".join(map(printable, text.split("\n")))


def json_text(document: Any) -> str:
    """A JSON document of printable ASCII alone; what it means is unchanged."""
    return json.dumps(document, indent=2, ensure_ascii=True)


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    return sum(map(_columns_of, text))


def fitted(text: str, most_columns: int) -> str:
    """The beginning of a printable text that takes no more columns than these."""
    taken = 0
    for position, character in enumerate(text):
        taken += _columns_of(character)
        if taken > most_columns:
            return text[:position]
    return text


def _replacement(found: "re.Match[str]") -> str:
    text = found.group()
    if text[0] in _WHITE_SPACE:
        return " "
    if text in _WORD_BREAKS:
        return ""
    number = ord(text)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _columns_of(character: str) -> int:
    if character.isascii():
        return 1
    is_conjoining = "\u1160" <= character <= "\u11ff"  # drawn into the letter before
    if is_conjoining or character in _ZERO_WIDTH_FORMATS:
        return 0
    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
