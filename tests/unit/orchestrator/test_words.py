import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.quotation.words import (
    content_stems,
    names_in_prose,
    proper_names,
    stem,
    tokenise,
)


@pytest.mark.parametrize(
    "family",
    [
        "create creates created creating creator creators creation built builds makers",
        "avenger avengers avenged avenging",
        "city cities",
        "study studies studied",
        "kill kills killed killer",
        "run runs running",
        "hero heroes",
        "fight fights fought fighter",
        "Mjölnir mjolnir MJOLNIR",
        "died dies death dying die",
        "\ufb01nance \uff26\uff29\uff2e\uff21\uff2e\uff23\uff25 fi\u00adnance finance",
        "Stra\u00dfe STRASSE",
    ],
)
def test_forms_of_a_word_share_a_stem(family: str) -> None:
    assert len({stem(word) for word in family.split()}) == 1


@pytest.mark.parametrize("name", ["thor", "vision", "ultron", "armor", "doom", "loki"])
def test_short_words_and_names_are_not_cut(name: str) -> None:
    assert stem(name) == name


def test_distinct_words_stay_distinct() -> None:
    words = ["thor", "vision", "visor", "armour", "arms", "create", "crate", "hank", "pym"]
    assert len({stem(word) for word in words}) == len(words)


def test_content_words_leave_out_what_only_asks() -> None:
    assert content_stems("Who was it that created Ultron's army, please?") == [
        "creat",
        "ultron",
        "army",
    ]


def test_a_possessive_is_known_and_a_hyphen_parts_words() -> None:
    tokens = tokenise("Ultron's Spider-Man")
    assert [(t.bare, t.is_possessive) for t in tokens] == [
        ("ultron", True),
        ("spider", False),
        ("man", False),
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Hank Pym created Ultron in 1968.", ["Hank Pym", "Ultron"]),
        ("Who leads the Masters of Evil?", ["Masters of Evil"]),
        ("Ultron's maker, J. Jonah Jameson", ["Ultron", "J. Jonah Jameson"]),
        ("Spider-Man met Thor. Thor left.", ["Spider-Man", "Thor"]),
        ("He fell. They left. Robots of doom.", ["Robots"]),
        ("the end of the", []),
        ("Thor's Hammer", ["Thor", "Hammer"]),
    ],
)
def test_proper_names(text: str, names: list[str]) -> None:
    assert proper_names(text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Wanting a son, Hank Pym left. Robots fell.", ["Hank Pym"]),
        ("Ultron fell. They say Ultron rose.", ["Ultron"]),
        ('He said: "Robots!" (Then Thor left.)', ["Thor"]),
        ("Frozen in the North Atlantic", ["North Atlantic"]),
    ],
)
def test_a_capital_that_a_sentence_asks_for_makes_no_name(text: str, names: list[str]) -> None:
    assert names_in_prose(text) == names


@given(st.text())
def test_any_text_is_read_and_tokens_stand_where_they_say(text: str) -> None:
    for token in tokenise(text):
        assert text[token.start : token.end] == token.text
    assert all(name in text for name in proper_names(text))
    assert set(names_in_prose(text)) <= set(proper_names(text))
    content_stems(text)
