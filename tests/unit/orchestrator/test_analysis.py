import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.analysis import (
    MAXIMUM_SEARCHED_CHARACTERS,
    Turn,
    analyse,
    normalise,
    shorten,
    with_corrected,
)


def turn(query: str, answer: str = "", *titles: str) -> Turn:
    return Turn(message=query, query=query, answer=answer, titles=list(titles))


CREATOR = turn(
    "Who created Ultron?",
    "Hank Pym created Ultron in 1968 as an experiment. [1] Ultron fled. [2]",
    "Hank Pym",
    "Ultron",
)
CREATOR_IN_LOWER_CASE = turn("who created ultron", CREATOR["answer"], *CREATOR["titles"])
DEFINITION = turn("Who is Hank Pym?", "Hank Pym is married to Janet van Dyne. [1]", "Hank Pym")
MAKER = turn("Who made Vision?", "Ultron: Wanting a son, it made the Vision. [1]", "Ultron")
TEAM = turn("Who are the Avengers?", "The Avengers were founded by Thor and Iron Man. [1]")


@pytest.mark.parametrize("message", ["hi", "Hello there!", "GOOD MORNING", "thank you", "bye"])
def test_small_talk_is_a_greeting(message: str) -> None:
    assert analyse(message, []).route == "greeting"


@pytest.mark.parametrize("message", ["hi, who created Ultron?", "good robots", "morning star"])
def test_a_question_that_opens_politely_is_a_question(message: str) -> None:
    assert analyse(message, []).route == "question"


@pytest.mark.parametrize("message", ["???", "\u200b", "…", "Who is he?", "and when was it?", "why"])
def test_a_message_without_subject_is_unclear_at_the_start(message: str) -> None:
    assert analyse(message, []).route == "unclear"


@pytest.mark.parametrize(
    ("previous", "message", "query"),
    [
        (CREATOR, "Who is he?", "Who is Hank Pym?"),
        (CREATOR, "who's he", "who's Hank Pym"),
        (CREATOR, "Who is his wife?", "Who is Hank Pym's wife?"),
        (CREATOR, "When was it destroyed?", "When was Ultron destroyed?"),
        (CREATOR, "and when was it?", "When created Ultron?"),
        (CREATOR, "Why?", "Why created Ultron?"),
        (CREATOR, "What about Vision?", "Who created Vision?"),
        (CREATOR, "And the Vision?", "Who created the Vision?"),
        (CREATOR, "What are its powers?", "What are Ultron's powers?"),
        (CREATOR, "What is this?", "What is Ultron?"),
        (CREATOR, "Who defeated it and who rebuilt it?", "Who defeated Ultron and who rebuilt it?"),
        (CREATOR_IN_LOWER_CASE, "when was it destroyed?", "when was Ultron destroyed?"),
        (CREATOR_IN_LOWER_CASE, "who is he?", "who is Hank Pym?"),
        (DEFINITION, "What did he create?", "What did Hank Pym create?"),
        (MAKER, "Who is he?", "Who is Ultron?"),
        (CREATOR, "And what about the Vision?", "Who created the Vision?"),
        (TEAM, "What about the Defenders?", "Who are the Defenders?"),
        (TEAM, "Who leads them?", "Who leads Avengers?"),
        (TEAM, "Where is their mansion?", "Where is Avengers's mansion?"),
    ],
)
def test_a_follow_up_is_resolved(previous: Turn, message: str, query: str) -> None:
    assert analyse(message, [turn("Who is Doctor Doom?"), previous]).query == query


@pytest.mark.parametrize(
    "message",
    [
        "Who is Thor?",
        "Did Thor lose his hammer?",
        "did thor lose his hammer",
        "Is it true that robots dream?",
        "Which comics show that robot?",
        "And who is Thor?",
    ],
)
def test_a_message_that_stands_alone_is_left_alone(message: str) -> None:
    assert analyse(message, [CREATOR]).query == message


def test_resolved_questions_can_be_followed_up_in_turn() -> None:
    first = analyse("Who is he?", [CREATOR])
    second = turn(first.query, "Hank Pym is a biochemist. [1]", "Hank Pym")
    assert analyse("Where was he born?", [CREATOR, second]).query == "Where was Hank Pym born?"


def test_after_an_answer_of_nothing_the_question_still_has_its_subject() -> None:
    assert analyse("Where is it?", [turn("Who made Galactus?")]).query == "Where made Galactus?"


def test_a_replacement_is_taken_literally() -> None:
    assert analyse(r"What about \g<0> Thor?", [CREATOR]).query == r"Who created \g<0> Thor?"


def test_normalising_composes_and_drops_what_cannot_be_seen() -> None:
    assert normalise(" Mjo\u0308lnir\u200b \x00 is\n\n here\u2028now ") == "Mjölnir is here now"


def test_a_long_message_is_cut_between_words() -> None:
    query = analyse("Ultron " * 500, []).query
    assert len(query) <= MAXIMUM_SEARCHED_CHARACTERS
    assert set(query.split()) == {"Ultron"}


@given(st.text(), st.integers(1, 50))
def test_shortening_keeps_to_its_bound_and_a_prefix(text: str, bound: int) -> None:
    short = shorten(text, bound)
    assert len(short) <= bound
    assert text.startswith(short)


texts = st.text() | st.text(alphabet="Who is he It their Ultron's what about and when? \u0301")
turns = st.builds(
    Turn, message=texts, query=texts, answer=texts, titles=st.lists(texts, max_size=3)
)


@given(texts, st.lists(turns, max_size=2))
def test_any_message_in_any_session_is_analysed(message: str, history: list[Turn]) -> None:
    analysis = analyse(message, history)
    assert len(analysis.query) <= MAXIMUM_SEARCHED_CHARACTERS
    assert bool(analysis.query) == (analysis.route == "question")


@pytest.mark.parametrize(
    ("text", "corrected", "expected"),
    [
        ("Who created Ulton?", {"ulton": "ultron"}, "Who created Ultron?"),
        ("who is spiderman's aunt", {"spiderman": "spider man"}, "who is spider man's aunt"),
        ("Is Spiderman old?", {"spiderman": "spider man"}, "Is Spider Man old?"),
        ("Who fears Dare-Devil?", {"dare devil": "daredevil"}, "Who fears Daredevil?"),
        ("an ant and antman", {"ant": "aunt"}, "an aunt and antman"),
        ("x.y xzy", {"x.y": r"\1 z"}, r"\1 z xzy"),
        ("Ülton", {"ulton": "ultron"}, "Ülton"),
    ],
)
def test_words_that_were_searched_for_take_the_place_of_others(
    text: str, corrected: dict[str, str], expected: str
) -> None:
    assert with_corrected(text, corrected) == expected
