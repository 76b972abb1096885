import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.sentences import split_sentences


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
