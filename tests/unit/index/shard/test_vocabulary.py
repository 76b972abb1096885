"""Which known words are near: the cheap tests lose none that comparing every word finds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.index.shard.vocabulary import Near, Vocabulary, distances

# Few letters make near words; the others are outside of ASCII, share a bit, or take four bytes.
LETTERS = "abcé\u03b1\u044f\U00010400"


def edits_between(word: str, other: str) -> int:
    """Optimal string alignment, cell by cell."""
    above: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        before, above, row = above, row, [i]
        for j, known in enumerate(other, 1):
            cell = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != known))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == known:
                cell = min(cell, before[j - 2] + 1)
            row.append(cell)
    return row[-1]


def is_near(word: str, known: str, edits: int) -> bool:
    return edits_between(word, known) <= (edits if word[0] == known[0] else 1)


words = st.text(LETTERS, min_size=1, max_size=10)


@given(
    known=st.lists(st.lists(words, max_size=40), max_size=3),
    word=words,
    edits=st.sampled_from([1, 2]),
)
@example(known=[["abcabc"]], word="bacabc", edits=1)
def test_the_near_words_are_those_of_comparing_every_one(
    known: list[list[str]], word: str, edits: int
) -> None:
    found = Vocabulary("\n".join(some) for some in known).near(word, edits)
    expected = {
        (edits_between(word, one), one)
        for some in known
        for one in some
        if len(one) >= 3 and is_near(word, one, edits)
    }
    assert [(near.distance, near.term) for near in found] == sorted(expected)


@given(word=st.text(LETTERS, min_size=1, max_size=40), others=st.lists(words, max_size=9))
def test_distances_are_those_of_a_table(word: str, others: list[str]) -> None:
    assert distances(word, others) == [edits_between(word, other) for other in others]


@pytest.mark.parametrize("lists", [[], [""], ["", ""], ["\n\n"], ["ab\nx1y\n" + "a" * 64]])
def test_nothing_is_near_where_no_word_can_be(lists: list[str]) -> None:
    vocabulary = Vocabulary(lists)
    for word in ("a", "abc", "x1z", "a" * 63, "a" * 64, ""):
        assert vocabulary.near(word, 2) == []


def test_words_with_digits_are_near_to_none() -> None:
    assert Vocabulary(["x23\nultron7\nultron"]).near("ultran", 2) == [Near("ultron", 1)]
