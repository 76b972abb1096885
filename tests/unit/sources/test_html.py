"""HTML to text, with the oddities that sources really send."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.html import html_to_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (None, ""),
        ("", ""),
        ("plain", "plain"),
        ("one\r<br>two", "one\ntwo"),
        ("one<br/><br />two", "one\ntwo"),
        ('<p class="Body">A <b>bold</b> word.</p><p>Next.</p>', "A bold word.\nNext."),
        ("<ul> <li>first</li> <li>second</li> </ul>", "first\nsecond"),
        ("Tom &amp; Jerry &#8212; &eacute;&nbsp;x", "Tom & Jerry \u2014 \u00e9 x"),
        ("a < b and c > d", "a < b and c > d"),
        ("I <3 it", "I <3 it"),
        ("put <bucket-name> here", "put <bucket-name> here"),
        ("<p>put <bucketname> here</p>", "put <bucketname> here"),
        ("x <!-- hidden --> y", "x y"),
        ("x <!-- never closed", "x"),
        ("x<script>if (a < b) {}</script>y", "xy"),
        ("x<STYLE>p{}</style >y", "xy"),
        ("x<script>never closed", "x"),
        ("<!DOCTYPE html><html><body>t</body></html>", "t"),
        ('<a href="x>y">link</a>', "link"),
        ("<p id=a class='b' title=\"don't\">x</p>", "x"),
        ("one\ntwo\n\n\nthree", "one\ntwo\nthree"),
        ("<i>one\ntwo</i>", "one two"),
        ("tab\there\u00a0and\u2003there", "tab here and there"),
        ("a\x00b\x1fc\ufeff", "abc"),
        ("&notanentity; &amp &#99999999; &lt;", "&notanentity; &amp &#99999999; <"),
        ("don't <i>stop</i> it's", "don't stop it's"),
        ("<p", "<p"),
    ],
)
def test_text_of_markup(markup: str | None, text: str) -> None:
    assert html_to_text(markup) == text


@given(st.text(alphabet="<>/!-=\"' abpi&;#\r\n\u00a0", max_size=200))
def test_output_is_tidy_and_never_raises(markup: str) -> None:
    text = html_to_text(markup)
    assert text == text.strip()
    assert "\n\n" not in text
    assert "  " not in text
    assert "\r" not in text


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1))
def test_words_survive(word: str) -> None:
    assert html_to_text(f"<p>{word}</p>") == word


@pytest.mark.parametrize("piece", ["<a ", "<a '", '<a "', "<!--", "<!a", "<p ", "&a", "<script"])
def test_hostile_repetition_is_linear(piece: str) -> None:
    began = time.process_time()
    html_to_text(piece * 200_000)
    assert time.process_time() - began < 10  # half a second; a quadratic search takes minutes
