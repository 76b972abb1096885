import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.corpus import ChunkingSettings
from shared.models.entity import Entity
from shared.text.chunking import (
    TEXT_VERSION,
    chunk_entity,
    passage_for_embedding,
    split_passages,
)

WORDS = st.lists(
    st.text(alphabet="abcdefghijé.!? ", min_size=1, max_size=60), min_size=0, max_size=60
).map(" ".join)


def make_entity(description: str, title: str = "Ultron") -> Entity:
    return Entity(
        entity_type="character",
        source="test",
        source_id="1",
        title=title,
        description=description,
        ingest_run_id="20261123T060000Z-1a2b3c4d",
        record_checksum="0" * 64,
    )


def chunk(description: str, title: str = "Ultron", **settings: int) -> list[str]:
    made = chunk_entity(make_entity(description, title), "raw/x", ChunkingSettings(**settings))
    return [c.text for c in made]


def test_short_text_is_one_chunk() -> None:
    assert chunk("It woke. It spoke.") == ["It woke. It spoke."]


def test_title_stands_in_for_a_missing_description() -> None:
    assert chunk("  ") == ["Ultron"]
    assert chunk("", title=" ") == []


def test_ids_count_from_one_and_name_what_they_overlap() -> None:
    sentences = " ".join(f"Sentence number {n} tells of a robot that came back." for n in range(20))
    chunks = chunk_entity(make_entity(sentences), "raw/x", ChunkingSettings())
    assert [c.chunk_id for c in chunks][:2] == ["character:1-001", "character:1-002"]
    assert chunks[0].overlap_with is None
    assert chunks[1].overlap_with == "character:1-001"
    assert {c.parent for c in chunks} == {"character:1"}
    assert chunks[0].metadata.source_path == "raw/x"


def test_an_overlap_repeats_the_last_words_before() -> None:
    texts = chunk(
        "Alpha beta gamma delta epsilon zeta eta theta iota kappa. "
        "Lambda mu nu xi omicron pi rho sigma tau upsilon phi chi psi.",
        target_characters=80,
        overlap_characters=20,
    )
    assert texts[1].startswith("theta iota kappa. Lambda")


def test_a_sentence_is_cut_only_when_it_is_too_long_by_itself() -> None:
    long_sentence = "word " * 100 + "end."
    passages = [p for p, _ in split_passages(long_sentence, ChunkingSettings(overlap_characters=0))]
    assert all(len(p) <= 280 for p in passages)
    assert " ".join(passages) == long_sentence


def test_the_title_leads_what_is_embedded_unless_the_text_names_it() -> None:
    settings = ChunkingSettings()
    [plain] = chunk_entity(make_entity("He was built in a lab."), "raw/x", settings)
    [named] = chunk_entity(make_entity("Ultron was built in a lab."), "raw/x", settings)
    assert passage_for_embedding(plain) == "Ultron: He was built in a lab."
    assert passage_for_embedding(named) == "Ultron was built in a lab."


@given(WORDS, st.integers(80, 400), st.integers(0, 40))
def test_passages_keep_every_word_and_their_bounds(text: str, target: int, overlap: int) -> None:
    settings = ChunkingSettings(target_characters=target, overlap_characters=overlap)
    passages = list(split_passages(text, settings))
    assert all(len(passage) <= target + overlap + 1 for passage, _ in passages)
    without_overlap = list(
        split_passages(text, ChunkingSettings(target_characters=target, overlap_characters=0))
    )
    assert len(without_overlap) == len(passages)
    for (plain, _), (passage, overlaps) in zip(without_overlap, passages, strict=True):
        assert passage.endswith(plain)
        assert overlaps == (passage != plain)
    assert "".join("".join(p for p, _ in without_overlap).split()) == "".join(text.split())


def test_the_same_entity_makes_the_same_chunks() -> None:
    text = "One. " * 300
    assert chunk(text) == chunk(text)


def test_overlap_of_more_than_half_is_refused() -> None:
    with pytest.raises(ValueError, match="at most half"):
        ChunkingSettings(target_characters=80, overlap_characters=41)


def test_another_way_to_make_passages_needs_another_text_version() -> None:
    """Without it a full run finds every entity unchanged, and the index keeps the old passages."""
    sentences = " ".join(
        f"Sentence {n} tells of Dr. Pym's robot, e.g. “Ultron”." for n in range(30)
    )
    chunks = [
        chunk
        for entity in (make_entity(sentences), make_entity(" "), make_entity("x" * 999, "X-23"))
        for chunk in chunk_entity(entity, "raw/x", ChunkingSettings())
    ]
    passages = "\n".join(passage_for_embedding(chunk) for chunk in chunks)
    digest = hashlib.sha256(passages.encode()).hexdigest()
    assert (TEXT_VERSION, digest[:16]) == (1, "01a557dce5f6fe34")
