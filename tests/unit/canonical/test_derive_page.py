"""One page: every line by itself, nothing lost, the last version of an entity wins."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical.links import web_addresses
from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.page import (
    MAXIMUM_CARRIED_CHARACTERS,
    MAXIMUM_TEXT_CHARACTERS,
    derive_page,
)
from shared.canonical.records import CanonicalRecord, Record, RecordContext
from shared.models.mapping import FieldMapping
from shared.sources.marvel.entities import canonicalise_marvel
from shared.sources.sitemap.entities import canonicalise_web_page
from shared.storage.jsonl import encode_models
from tests.unit.canonical import wire_samples as samples

CONTEXT = RecordContext("records", "20261123T060000Z-1a2b3c4d")
JSONL = partial(canonicalise_mapped, FieldMapping(), "jsonl")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no json", "the line is no JSON: "),
        ('{"id": 1', "the line is no JSON: "),
        ('{"id": 1} x', "the line is no JSON: "),
        ('{"id": NaN, "title": "t"}', "the line is no JSON: NaN"),
        ('{"id": 1, "title": 1e999}', "the line is no JSON: 1e999 is too large"),
        ('{"id": ' + "9" * 5000 + "}", "the line is no JSON: "),
        ("[" * 100_000, "the line is no JSON: "),
        ('{"text": "\\xff"}', "the line is no JSON: "),
        ('["id"]', "the line is no JSON object"),
        ('{"id": 1, "title": "\\ud83d"}', "the line holds half of a surrogate pair"),
        ('{"id": 1, "title": "t", "\\uDE00": 1}', "the line holds half of a surrogate pair"),
        ("null", "the line is no JSON object"),
        ('"a text"', "the line is no JSON object, but the text: a text"),
        ('"\\ud83d"', "the line holds half of a surrogate pair"),
    ],
)
def test_a_bad_line_fails_alone(line: str, reason: str) -> None:
    good = '{"id": "a", "title": "t"}'
    page = derive_page([good, line, '{"id": "b", "title": "t"}'], JSONL, CONTEXT)
    assert [entity.source_id for entity in page.entities] == ["a", "b"]
    (reject,) = page.rejects
    assert reject.line_number == 2
    assert reject.reason.startswith(reason)
    assert reject.raw == line[:2000]
    assert encode_models(page.rejects), "it can be written down"


def test_a_whole_surrogate_pair_is_text() -> None:
    (entity,) = derive_page(['{"id": 1, "title": "\\ud83d\\ude00"}'], JSONL, CONTEXT).entities
    assert entity.title == "\N{GRINNING FACE}"


def test_a_schema_error_keeps_its_field_path() -> None:
    (reject,) = derive_page(['{"id": 5, "title": {}}'], JSONL, CONTEXT).rejects
    assert reject.field_path == "title"
    assert reject.reason == "the mapping's title must be text, not an object"


def test_a_record_that_can_just_be_parsed_may_be_too_deep_for_the_rest() -> None:
    def canonicalise(record: Record, context: RecordContext) -> CanonicalRecord:
        raise RecursionError

    (reject,) = derive_page(['{"id": [[[]]]}'], canonicalise, CONTEXT).rejects
    assert reject.reason == "the record is nested too deeply"


def test_the_last_version_of_an_entity_wins_and_takes_its_edges_along() -> None:
    first = samples.character(comics=samples.nested("comics", 1), series=None, stories=None)
    second = samples.character(
        name="New", comics=samples.nested("comics", 2), series=None, stories=None
    )
    lines = [json.dumps(first), json.dumps({**first, "id": 8}), json.dumps(second)]
    page = derive_page(lines, canonicalise_marvel, RecordContext("characters", CONTEXT.run_id))
    assert [(entity.key, entity.title) for entity in page.entities] == [
        ("character:8", "Lamplighter"),
        ("character:7", "New"),
    ]
    assert [(edge.from_key, edge.to_key) for edge in page.edges] == [
        ("character:8", "comic:1"),
        ("character:7", "comic:2"),
    ]


@given(
    st.lists(
        st.one_of(
            st.text(max_size=40),
            st.builds(
                lambda number, title: json.dumps({"id": number, "title": title}),
                st.integers(0, 5),
                st.one_of(st.none(), st.text(max_size=5), st.integers()),
            ),
        ),
        max_size=20,
    )
)
def test_every_line_is_an_entity_or_a_reject(lines: list[str]) -> None:
    page = derive_page(lines, JSONL, CONTEXT)
    assert derive_page(lines, JSONL, CONTEXT) == page
    rejected = {reject.line_number for reject in page.rejects}
    kept = {
        str(json.loads(line)["id"])
        for number, line in enumerate(lines, start=1)
        if number not in rejected
    }
    assert {entity.source_id for entity in page.entities} == kept


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://x.example/a?b=1&c=", "https://x.example/a?b=1&c="),
        ("http://x.example/?apikey=1&hash=2&ts=3&q=a%20b", "http://x.example/?q=a+b"),
        (" http://x.example ", "http://x.example"),
        ("http://user:password@x.example/", None),
        ("//x.example/", None),
        ("http://", None),
        ("http://[::1", None),
        ("data:text/html,x", None),
        ("", None),
    ],
)
def test_only_clean_web_addresses_are_shown(address: str, shown: str | None) -> None:
    assert web_addresses([address, address]) == (() if shown is None else (shown,))


def test_a_text_that_no_job_could_embed_in_time_is_rejected() -> None:
    longest = "x" * MAXIMUM_TEXT_CHARACTERS
    lines = [json.dumps({"id": n, "title": "t", "text": longest + "y" * n}) for n in range(2)]
    page = derive_page(lines, JSONL, CONTEXT)
    assert [entity.source_id for entity in page.entities] == ["0"]
    (reject,) = page.rejects
    assert (reject.line_number, reject.field_path) == (2, "description")
    assert "1,000,001 characters" in reject.reason


@pytest.mark.parametrize(
    "member",
    [
        {"url": "https://x.example/" + "a" * MAXIMUM_CARRIED_CHARACTERS},
        {"day": "some day " * MAXIMUM_CARRIED_CHARACTERS},
    ],
    ids=["url", "day"],
)
def test_what_goes_along_with_each_chunk_is_bounded(member: dict[str, str]) -> None:
    canonicalise = partial(canonicalise_mapped, FieldMapping(modified="day"), "jsonl")
    lines = [json.dumps({"id": 1, "text": "t", **member}), '{"id": 2, "text": "t"}']
    page = derive_page(lines, canonicalise, CONTEXT)
    assert [entity.source_id for entity in page.entities] == ["2"]
    (reject,) = page.rejects
    assert "over the limit of 20,000" in reject.reason


def test_a_web_page_cannot_make_its_chunks_large_by_its_own_address() -> None:
    markup = f"<link rel=canonical href='/{'a' * MAXIMUM_CARRIED_CHARACTERS}'><p>A text.</p>"
    line = json.dumps({"url": "https://x.example/", "html": f"<html>{markup}</html>"})
    page = derive_page([line], partial(canonicalise_web_page, "page"), CONTEXT)
    assert page.entities == ()
    assert "over the limit of 20,000" in page.rejects[0].reason


def test_as_much_as_a_mapping_keeps_is_within_that_bound() -> None:
    metadata = {f"m{number}": f"m{number}" for number in range(8)}
    canonicalise = partial(canonicalise_mapped, FieldMapping(metadata=metadata), "jsonl")
    record = {
        "id": 1,
        "title": "t" * 1000,
        "url": [f"https://x.example/{number:0400}" for number in range(20)],
        **dict.fromkeys(metadata, "m" * 1000),
    }
    page = derive_page([json.dumps(record)], canonicalise, CONTEXT)
    assert page.rejects == ()
    assert page.entities[0].warnings == ()
