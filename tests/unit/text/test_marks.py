import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from shared.text.marks import LONGEST_RUN, bounded_marks, normalised

MARKS = "\u0300\u0316\u0f73\uff9e"


def longest_run(text: str) -> int:
    longest = length = 0
    for character in unicodedata.normalize("NFKD", text):
        length = length + 1 if unicodedata.combining(character) else 0
        longest = max(longest, length)
    return longest


@given(st.text(st.sampled_from("a-é…" + MARKS), max_size=200))
def test_no_run_of_marks_is_longer_than_unicode_allows(text: str) -> None:
    # Each of ours becomes two marks at most, and a letter may bring one of its own.
    assert longest_run(bounded_marks(text)) <= 2 * LONGEST_RUN + 1


@given(st.text(max_size=LONGEST_RUN))
def test_a_text_with_few_marks_stays_as_it_is(text: str) -> None:
    assert bounded_marks(text) == text
    assert normalised("NFC", text) == unicodedata.normalize("NFC", text)


def test_what_is_no_mark_stays_however_long() -> None:
    text = "…" * 100 + "👍🏽" * 100 + "ﾞ" * 3
    assert bounded_marks(text) == text
