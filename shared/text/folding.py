"""One form for texts that readers take for the same: for the index, queries and chat alike."""

import re
import unicodedata

from shared.text.marks import normalised

# Characters without a shape that stand inside words: soft hyphens, joiners, direction marks and
# the byte order mark (Default_Ignorable_Code_Point of Unicode, those that occur in texts).
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
                        "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]")  # fmt: skip


def folded(text: str) -> str:
    """Return the text in compatibility form and without case, accents kept; linear in its length.

    A ligature of a PDF becomes its letters, full-width letters become plain ones, "Straße" becomes
    "strasse", and invisible characters are removed.
    """
    if text.isascii():
        return text.lower()
    visible = _INVISIBLE.sub("", text)
    return normalised("NFKC", normalised("NFKC", visible).casefold())


def unaccented(text: str) -> str:
    """Return the text as `folded` does, and without the marks of its letters."""
    plain = folded(text)
    if plain.isascii():
        return plain
    return "".join(c for c in normalised("NFKD", plain) if unicodedata.category(c) != "Mn")
