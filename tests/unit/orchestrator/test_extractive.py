import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.generator import NOTHING_FOUND, Draft, Passage
from services.orchestrator.quotation.extractive import MAXIMUM_SENTENCES, ExtractiveGenerator

ULTRON = Passage(
    "character:1-001",
    "Ultron",
    "https://example.test/ultron",
    "Ultron attacked the Avengers on its first day. Ultron is a robot of living metal. "
    "Hank Pym created Ultron in 1968 in his laboratory in New Jersey. "
    "Ultron created the Vision because it wanted a son.",
    0.71,
)
PYM = Passage(
    "character:2-001",
    "Hank Pym",
    None,
    "Hank Pym is a biochemist who founded the Avengers with four others. "
    "He built Ultron as a helper. He is married to Janet van Dyne.",
    0.64,
)
EVENT = Passage(
    "event:3-001", "Age of Ultron", None, "Ultron attacked the Avengers again. Cities fell.", 0.6
)
CORPUS = [EVENT, ULTRON, PYM]


def passage(title: str, text: str) -> Passage:
    return Passage(f"{title}-001", title, None, text, 0.5)


def answer(question: str, *passages: Passage) -> Draft:
    return ExtractiveGenerator().generate(question, passages or CORPUS)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Who created Ultron?", "Hank Pym created Ultron in 1968"),
        ("who created ultron", "Hank Pym created Ultron in 1968"),
        ("Who made Ultron?", "Hank Pym created Ultron in 1968"),
        ("Who was Ultron created by?", "Hank Pym created Ultron in 1968"),
        ("Who is the creator of Ultron?", "Hank Pym created Ultron in 1968"),
        ("When was Ultron created?", "Hank Pym created Ultron in 1968"),
        ("Where was Ultron created?", "Hank Pym created Ultron in 1968"),
        ("Who created the Vision?", "Ultron created the Vision"),
        ("Whom did Ultron create?", "Ultron created the Vision"),
        ("Why did Ultron create the Vision?", "Ultron created the Vision because"),
        ("What is Ultron?", "Ultron is a robot of living metal."),
        ("Tell me about Ultron", "Ultron is a robot of living metal."),
        ("Ultron", "Ultron is a robot of living metal."),
        ("Who is Hank Pym?", "Hank Pym is a biochemist"),
        ("What's Ultron?", "Ultron is a robot of living metal."),
        ("Whom did Ultron attack?", "Ultron attacked the Avengers"),
    ],
)
def test_the_first_sentence_answers(question: str, sentence: str) -> None:
    assert answer(question).quotations[0].text.startswith(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Ultron was created by Hank Pym.",
        "Ultron's creator was Hank Pym.",
        "The creator of Ultron is Hank Pym.",
        "Ultron is a robot built by Hank Pym.",
    ],
)
def test_who_did_it_is_told_from_whom_it_was_done_to(sentence: str) -> None:
    passage = Passage("a:1-001", "Robots", None, f"Ultron created the Vision. {sentence}", 0.5)
    draft = answer("Who created Ultron?", passage)
    assert [quotation.text for quotation in draft.quotations] == [sentence]


def test_a_sentence_that_does_not_name_its_subject_is_led_in_by_the_title() -> None:
    draft = answer("Who built Ultron?", PYM)
    assert draft.answer.startswith("Hank Pym: He built Ultron as a helper. [1]")


def test_what_is_said_of_a_titled_subject_counts_without_its_name() -> None:
    text = "Wanda Maximoff throws hexes that bend probability. She lives in New York."
    draft = answer("Where does the Scarlet Witch live?", passage("Scarlet Witch", text))
    assert draft.answer.startswith("Scarlet Witch: She lives in New York. [1]")


def test_the_opening_of_its_own_text_says_what_a_thing_is() -> None:
    draft = answer(
        "Who is the Scarlet Witch?",
        passage("Comics", "The Scarlet Witch left the team. The Scarlet Witch fell."),
        passage("Scarlet Witch", "Wanda Maximoff throws hexes. In the end she fell asleep."),
    )
    assert draft.quotations[0].text == "Wanda Maximoff throws hexes."


@pytest.mark.parametrize("number", ["54", "55"])
def test_a_number_asked_about_is_kept_to(number: str) -> None:
    draft = answer(
        f"What happens in Avengers #{number}?",
        passage("Avengers (1963) #54", "A robot wakes. The Avengers sleep."),
        passage("Avengers (1963) #55", "It fights. The Avengers happen to win."),
    )
    assert [c.passage.title for c in draft.citations] == [f"Avengers (1963) #{number}"]


def test_a_common_part_of_a_name_does_not_stand_for_it() -> None:
    text = "Hank Pym became Ant-Man to fight. Ant-Man killed a fly."
    assert answer("Who killed Wonder Man?", passage("Hank Pym", text)) == NOTHING_FOUND


def test_sentences_of_one_passage_share_its_number() -> None:
    passages = [
        Passage("a:1-001", "Thor", None, "Thor carries Mjolnir. Thor rules Asgard.", 0.6),
        Passage("a:2-001", "Asgard", None, "Odin raised Thor there.", 0.5),
    ]
    draft = answer("thor", *passages)
    assert sorted(quotation.number for quotation in draft.quotations) == [1, 1, 2]
    assert [citation.number for citation in draft.citations] == [1, 2]


def test_the_same_said_twice_is_quoted_once() -> None:
    copies = [
        Passage(f"a:{n}-001", "Ultron", None, f"Hank Pym created Ultron{end}", 0.5)
        for n, end in enumerate((".", " once.", "!"))
    ]
    assert len(answer("Who created Ultron?", *copies).quotations) == 1


@pytest.mark.parametrize(
    "question",
    ["What is the capital of France?", "Who created Galactus?", "Who is he?", "", "谁创造了"],
)
def test_nothing_relevant_is_said_plainly(question: str) -> None:
    assert answer(question) == NOTHING_FOUND


def test_a_title_alone_is_no_answer() -> None:
    assert answer("Ultron", Passage("a:1-001", "Ultron", None, "Ultron", 0.9)) == NOTHING_FOUND


def test_no_passages_no_answer() -> None:
    assert ExtractiveGenerator().generate("Who created Ultron?", []) == NOTHING_FOUND


def test_the_tail_of_a_sentence_at_a_chunks_start_is_not_quoted() -> None:
    tail = Passage("a:1-002", "Ultron", None, "which Hank Pym created. Ultron left Pym.", 0.9)
    draft = answer("Who created Ultron?", tail)
    assert [quotation.text for quotation in draft.quotations] == ["Ultron left Pym."]


def test_a_question_in_the_corpus_yields_to_a_statement() -> None:
    text = "But did Hank Pym create Ultron? Hank Pym created Ultron with care."
    draft = answer("Who created Ultron?", Passage("a:1-001", "Pym", None, text, 0.9))
    assert draft.quotations[0].text == "Hank Pym created Ultron with care."


ODD = ("\u202e", "e\u0301", "\ud7ff", "\U0001d56c", "\n\n")
words = st.sampled_from(
    (*"Ultron created Hank Pym. the Vision? was by He 1968 ß İ 谁。 fleeing,".split(), *ODD)
)
prose = st.lists(words, max_size=25).map(" ".join)
texts = st.text() | prose
passages_of_anything = st.lists(
    st.builds(
        Passage,
        chunk_id=st.sampled_from(["a-001", "a-002", "b-001", "\u00b2", ""]) | st.text(),
        title=texts,
        url=st.none(),
        text=texts,
        score=st.floats(-1, 1),
    ),
    max_size=6,
)


@given(texts, passages_of_anything)
def test_every_quotation_stands_in_the_passage_it_cites(
    question: str, passages: list[Passage]
) -> None:
    draft = ExtractiveGenerator().generate(question, passages)
    by_number = {citation.number: citation.passage for citation in draft.citations}
    assert list(by_number) == list(range(1, len(by_number) + 1))
    assert len(draft.quotations) <= MAXIMUM_SENTENCES
    assert {quotation.number for quotation in draft.quotations} == set(by_number)
    for quotation in draft.quotations:
        assert quotation.text in by_number[quotation.number].text
        assert f"{quotation.text} [{quotation.number}]" in draft.answer
    assert all(citation.passage in passages for citation in draft.citations)
    assert (draft == NOTHING_FOUND) == (not draft.citations)
