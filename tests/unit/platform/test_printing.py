"""Foreign text on a terminal: one line, no colour, no other order, and readable."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.printing import columns, fitted, json_text, printable, printable_lines

# What real scripts and emoji cannot do without, of the characters that Unicode calls format.
KEPT_FORMATS = set(
    "\u200c\u200d\u180e\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
    "\U000110bd\U000110cd"
)
HOSTILE = (
    "\x00\x07\x08\t\n\v\f\r\x1b\x1c\x1d\x1e\x1f\x7f\x80\x85\x9b\x9f\u00ad\u061c\u200b\u200e\u200f"
    "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u206a\u3164\ufeff"
    "\ufff9\ufffb\U000e0001\U000e0041\U000e007f\udc00\udfff\ud800"
)
# `st.text()` leaves surrogates out; what came from JSON may hold them.
TEXTS = st.text(
    st.one_of(st.sampled_from(HOSTILE), st.characters(), st.characters(categories=["Cf", "Cs"]))
)


def is_allowed(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cf":
        return character in KEPT_FORMATS
    return category not in {"Cc", "Cs", "Zl", "Zp"} and not (
        "\U000e0000" <= character <= "\U000e0fff" and not "\U000e0100" <= character <= "\U000e01ef"
    )


@given(TEXTS)
def test_whatever_is_printed_is_one_line_without_controls(text: str) -> None:
    shown = printable(text)
    assert all(map(is_allowed, shown))
    assert len(f"{shown}|".splitlines()) == 1
    shown.encode()
    assert printable(shown) == shown
    assert "".join(fitted(shown, 7)) == shown[: len(fitted(shown, 7))]
    assert columns(fitted(shown, 7)) <= 7


@pytest.mark.parametrize("number", range(0x110000 // 0x1000))
def test_every_character_there_is_comes_out_allowed(number: int) -> None:
    block = range(number * 0x1000, (number + 1) * 0x1000)
    wrong = [hex(point) for point in block if not all(map(is_allowed, printable(chr(point))))]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\u001b[31mred\u001b[0m"),
        ("\x9b31m", r"\u009b31m"),
        ("a\r\nb\nc\td\u2028e\x85f", "a b c d e f"),
        ("invoice\u202etxt.exe", r"invoice\u202etxt.exe"),
        ("a\U000e0041b", r"a\U000e0041b"),
        ("\ud83d", r"\ud83d"),
        ("cof\u00adfee \u1797\u17b6\u179f\u17b6\u200b\u1781\u17d2\u1798\u17c2\u179a",
         "coffee \u1797\u17b6\u179f\u17b6\u1781\u17d2\u1798\u17c2\u179a"),
    ],
)  # fmt: skip
def test_what_deceives_is_seen(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with its non-joiner
        "\u0915\u094d\u200d\u0937",  # Devanagari, with a joiner
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",  # a family, a red heart
        "\u845b\U000e0100",  # a Japanese variant
        "Zoe\u0308 \u00a0\u3000 \u05e9\u05dc\u05d5\u05dd",
    ],
)
def test_what_scripts_and_emoji_need_stays(text: str) -> None:
    assert printable(text) == text


def test_line_breaks_of_ours_stay() -> None:
    assert printable_lines("a\nb\x1b[1m\r\nc") == "a\nb\\u001b[1m \nc"


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_json_is_printable_and_means_the_same(document: object) -> None:
    text = json_text(document)
    assert re.fullmatch(r"[\n\x20-\x7e]*", text)
    # A pair of lone surrogates is one character to whoever reads JSON.
    assert json.loads(text) == json.loads(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\u1100\u1161", 2), ("\u0915\u200d", 1), ("ｱ", 1)],
)
def test_columns_are_those_of_a_terminal(text: str, width: int) -> None:
    assert columns(text) == width
