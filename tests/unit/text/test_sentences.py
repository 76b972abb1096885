# ruff: noqa: RUF001 - typographic and full-width signs are what is tested
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.text.sentences import _ABBREVIATIONS, _NUMBER_ABBREVIATIONS, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   \n ", []),
        ("One line without a stop", ["One line without a stop"]),
        ("It woke. It spoke!", ["It woke.", "It spoke!"]),
        ("Dr. Pym built it. He ran.", ["Dr. Pym built it.", "He ran."]),
        ("J. Jonah Jameson shouted. Nobody came.", ["J. Jonah Jameson shouted.", "Nobody came."]),
        ("S.H.I.E.L.D. Agents came. It ended.", ["S.H.I.E.L.D. Agents came.", "It ended."]),
        ("Version 2.5 of it. Done.", ["Version 2.5 of it.", "Done."]),
        ("See No. 5 of it. Done.", ["See No. 5 of it.", "Done."]),
        ("He said no. Then he left.", ["He said no.", "Then he left."]),
        ('"Run!" he cried. They ran.', ['"Run!" he cried.', "They ran."]),
        ("He said “Stop.” They did.", ["He said “Stop.”", "They did."]),
        ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
        ("First\n\nSecond", ["First", "Second"]),
        ("一つ。二つ。", ["一つ。", "二つ。"]),
    ],
)
def test_splits_as_a_reader_would(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


@given(st.text())
def test_loses_nothing_but_white_space(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)


# How it was written first: plain to read, and quadratic. What it gives is what is wanted.
_CLOSERS = "\"'”’)]»"
_CANDIDATE = re.compile(rf"[.!?…]+[{re.escape(_CLOSERS)}]*(?=\s)|[。！？]|\n\s*\n")
_LAST_WORD = re.compile(r"(\S+)$")


def slowly_split(text: str) -> list[str]:
    found: list[str] = []
    start = 0
    for match in _CANDIDATE.finditer(text):
        if slowly_ends(text, start, match):
            found.append(text[start : match.end()].strip())
            start = match.end()
    return [sentence for sentence in (*found, text[start:].strip()) if sentence]


def slowly_ends(text: str, start: int, match: re.Match[str]) -> bool:
    mark = match.group()
    if mark.isspace() or mark in "。！？":
        return True
    following = text[match.end() : match.end() + 40].lstrip()
    if following and following[0].islower():
        return False
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    before = _LAST_WORD.search(text[start : match.start()])
    if before is None:
        return True
    word = before.group(1).lstrip("(\"'“‘[")
    if word.lower() in _NUMBER_ABBREVIATIONS and following[:1].isdigit():
        return False
    return word.lower() not in _ABBREVIATIONS and not re.match(r"^(?:[A-Z]\.)*[A-Z]$", word)


@settings(max_examples=500)
@given(
    st.lists(
        st.sampled_from(
            [*".!?…。！\"'”)]»(“[", " ", "\n", "\t", "\u2028", "\r", "a", "B", "é", "1", "Dr", "no",
             "e.g", "S.H.", "A. B. ", "...", ".\" ", "\n\n", " \n \n", "word", "No. 5"]
        ),
        max_size=40,
    ).map("".join)
    | st.text()
)  # fmt: skip
def test_splits_as_the_plain_way_does(text: str) -> None:
    assert split_sentences(text) == slowly_split(text)
