import json

import pytest
from pydantic import ValidationError

from shared.corpora.documents import parse_corpus
from shared.errors import SettingsError
from shared.models.corpus import CorpusSchedule
from shared.models.sources import JsonlSource, MarvelSource

MARVEL = {"name": "marvel", "source": {"kind": "marvel", "base_url": "https://gateway.example"}}


def test_defaults_are_the_documented_ones() -> None:
    corpus = parse_corpus(json.dumps(MARVEL), "here")
    assert isinstance(corpus.source, MarvelSource)
    assert (corpus.source.page_size, corpus.source.rate.calls_per_day) == (100, 3000)
    assert len(corpus.source.endpoints) == 6
    assert (corpus.chunking.target_characters, corpus.chunking.overlap_characters) == (280, 40)


def test_the_kind_chooses_the_source() -> None:
    source = {"kind": "jsonl", "prefix": "sources/notes/"}
    assert isinstance(
        parse_corpus(json.dumps({"name": "notes", "source": source}), "here").source, JsonlSource
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Upper"}, "name"),
        ({"colour": "red"}, "colour"),
        ({"source": {"kind": "carrier-pigeon"}}, "source"),
        ({"source": {"kind": "marvel"}}, "source.marvel.base_url"),
        ({"source": {"kind": "marvel", "base_url": "gopher://x"}}, "source.marvel.base_url"),
        (
            {"source": {"kind": "marvel", "base_url": "http://x", "page_size": 101}},
            "source.marvel.page_size",
        ),
        ({"source": {"kind": "jsonl", "prefix": "raw/"}}, "source.jsonl.prefix"),
        ({"chunking": {"target_characters": 10}}, "chunking.target_characters"),
        ({"chunking": {"target_characters": 100, "overlap_characters": 60}}, "chunking"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(SettingsError, match=f"corpus at here is not valid: {field}"):
        parse_corpus(json.dumps(MARVEL | change), "here")


def test_what_is_no_json_is_said_to_be_none() -> None:
    with pytest.raises(SettingsError, match="document: Invalid JSON"):
        parse_corpus("{", "here")


@pytest.mark.parametrize(
    "expression",
    ["cron(0 6 * * ? *)", "cron(0/15 8-17 ? * MON-FRI *)", "rate(1 hour)", "rate(12 hours)"],
)
def test_a_schedule_that_eventbridge_takes(expression: str) -> None:
    assert CorpusSchedule(full=expression).full == expression


@pytest.mark.parametrize(
    "expression", ["", "daily", "cron(0 6 * * ?)", "rate(1 hours)", "rate(2 hour)", "rate(0 hours)"]
)
def test_a_schedule_that_eventbridge_refuses(expression: str) -> None:
    with pytest.raises(ValidationError, match="six fields"):
        CorpusSchedule(full=expression)
