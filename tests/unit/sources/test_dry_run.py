"""The dry run shows what a run would make of a page's first records, and says what looks wrong."""

import json
from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.models.corpus import Corpus
from shared.sources.dry_run import MAXIMUM_TRIED_RECORDS, TryReport, try_lines
from tests.unit.canonical import wire_samples as samples

SOURCE = {"kind": "jsonl", "prefix": "sources/manuals/"}


def tried(*records: object, limit: int = 5, **mapping: Any) -> TryReport:
    corpus = Corpus.model_validate(
        {"name": "manuals", "source": SOURCE, "mapping": mapping or None}
    )
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return try_lines(corpus, "records", lines, limit)


def test_a_record_is_shown_as_the_entity_it_would_be() -> None:
    report = tried(
        {"n": 7, "t": "Title", "b": "Text.", "tags": ["a"]},
        id="n", title="t", text="b", metadata={"tags": "tags"},
    )  # fmt: skip
    (entity,) = report.entities
    assert (entity.key, entity.title, entity.text) == ("document:7", "Title", "Text.")
    assert (entity.text_characters, entity.metadata) == (5, {"tags": ["a"]})
    assert (report.corpus, report.records, report.warnings) == ("manuals", 1, ())


def test_only_the_first_records_are_tried() -> None:
    lines = [{"id": number, "title": "t", "text": "x"} for number in range(9)]
    report = tried(*lines, limit=2)
    assert [entity.key for entity in report.entities] == ["document:0", "document:1"]
    assert report.records == 2


def test_lines_behind_the_limit_are_not_even_asked_for() -> None:
    corpus = Corpus.model_validate({"name": "manuals", "source": SOURCE})
    lines = iter(['{"id": 1, "title": "t", "text": "x"}', "behind"])
    try_lines(corpus, "records", lines, 1)
    assert next(lines) == "behind"


def test_long_texts_are_cut_and_the_answer_stays_small() -> None:
    long = "x" * 100_000
    report = tried(
        {"id": 1, "title": long, "text": long, "m": "m" * 1000, "l": ["ab"] * 500, "n": 5},
        "no json" + long,
        metadata={"m": "m", "l": "l", "n": "n"},
    )
    (entity,) = report.entities
    assert entity.text == "x" * 299 + "…"
    assert entity.text_characters == 100_000
    assert entity.metadata == {"m": "m" * 299 + "…", "l": ["ab"] * 20, "n": 5}
    assert len(report.model_dump_json()) < 20_000


def test_a_reject_says_why_and_where() -> None:
    report = tried({"id": 1, "title": "t", "text": "x"}, {"title": "t"}, "no json")
    assert [(reject.line_number, reject.field_path) for reject in report.rejects] == [
        (2, "id"),
        (3, None),
    ]
    assert len(report.entities) == 1


@pytest.mark.parametrize(
    ("records", "warning"),
    [
        ((), "holds no records"),
        (({"name": "x"},), "no record became an entity"),
        (({"id": 1, "title": "t"},), "no entity has a text"),
        (
            ({"id": 1, "title": "a", "text": "a"}, {"id": 1, "title": "b", "text": "b"}),
            "1 records have the type and id of a later one",
        ),
    ],
)
def test_what_looks_wrong_about_the_corpus_is_said(
    records: tuple[object, ...], warning: str
) -> None:
    (said,) = tried(*records).warnings
    assert warning in said


def test_marvel_records_are_tried_with_their_endpoint_and_attribution() -> None:
    corpus = Corpus.model_validate(
        {"name": "heroes", "source": {"kind": "marvel_archive", "prefix": "sources/dumps/"}}
    )
    record = samples.character(comics=samples.nested("comics", 2), series=None, stories=None)
    report = try_lines(corpus, "characters", [json.dumps(record)], 5, "Data provided by Marvel.")
    (entity,) = report.entities
    assert entity.key == "character:7"
    assert entity.attribution == "Data provided by Marvel."
    assert entity.edges == 1


def test_a_relation_counts_at_both_of_its_ends() -> None:
    corpus = Corpus.model_validate(
        {"name": "heroes", "source": {"kind": "marvel_archive", "prefix": "sources/dumps/"}}
    )
    record = samples.comic(characters=samples.nested("characters", 3), series=None)
    (entity,) = try_lines(corpus, "comics", [json.dumps(record)], 5).entities
    assert entity.edges > 0


@pytest.mark.parametrize("limit", [0, -1, MAXIMUM_TRIED_RECORDS + 1])
def test_the_limit_is_bounded(limit: int) -> None:
    with pytest.raises(InvalidInputError, match="between 1 and 100"):
        tried({"id": 1}, limit=limit)
