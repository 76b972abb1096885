"""Bounds how many combining marks follow each other.

Unicode normalisation sorts the marks of a letter by insertion, so it takes quadratic time for a run
of them: a minute for 200,000. It is not only ours: `urlsplit` and others normalise what they get.
No language puts more than a few marks on a letter; Unicode's Stream-Safe Text Format (UAX #15)
allows 30.
"""

import re
import unicodedata
from typing import Literal

LONGEST_RUN = 30

# These include all marks, and few other characters of which so many follow each other. The two
# letters are what Japanese has instead: they become marks where compatibility forms are decomposed.
_PERHAPS_MARKS = re.compile(rf"(?:[^\w\s\x00-\u02ff]|[\uff9e\uff9f]){{{LONGEST_RUN + 1},}}+")


def bounded_marks(text: str) -> str:
    """Return the text without the marks beyond the first 30 of each run."""
    return text if text.isascii() else _PERHAPS_MARKS.sub(_first_marks, text)


def normalised(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """Return a Unicode normal form of the text with its runs of marks bounded; linear."""
    return unicodedata.normalize(form, bounded_marks(text))


def _first_marks(match: re.Match[str]) -> str:
    kept: list[str] = []
    length = 0
    for character in match.group():
        length = length + 1 if _is_mark(character) else 0
        if length <= LONGEST_RUN:
            kept.append(character)
    return "".join(kept)


def _is_mark(character: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0
