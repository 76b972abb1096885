"""JSON-lines records: which field is what is the corpus's to say."""

from typing import Any

import pytest

from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.records import RecordContext, RecordRejectedError
from shared.models.entity import Entity
from shared.models.mapping import FieldMapping

CONTEXT = RecordContext("records", "20261123T060000Z-1a2b3c4d")


def entity_of(record: dict[str, Any], **settings: Any) -> Entity:
    return canonicalise_mapped(FieldMapping(**settings), "jsonl", record, CONTEXT).entity


def test_named_fields_make_the_entity() -> None:
    entity = entity_of(
        {
            "number": 12,
            "head": "A\nTitle ",
            "body": "First  line.\r\nSecond <b>line</b>.",
            "links": ["https://x.example/a", "ftp://x.example/b"],
            "changed": "2026-01-02 03:04",
            "tags": ["a", 1, None, True],
            "service": "s3",
        },
        entity_type="page",
        id="number",
        title="head",
        text="body",
        url="links",
        modified="changed",
        metadata={"tags": "tags", "service": "service", "absent": "absent"},
    )
    assert entity.key == "page:12"
    assert entity.title == "A Title"
    assert entity.description == "First line.\nSecond <b>line</b>."
    assert entity.urls == ("https://x.example/a",)
    assert entity.modified == "2026-01-02T03:04:00"
    assert entity.extras == {"tags": ["a", 1, None, True], "service": "s3"}
    assert entity.warnings == ()


def test_text_may_be_gone_while_the_entity_stays() -> None:
    entity = entity_of({"id": "a", "title": "T", "text": None})
    assert entity.description == ""


@pytest.mark.parametrize(
    ("record", "warning"),
    [
        ({"id": "a", "text": "x"}, "the source has no title"),
        ({"id": "a", "title": "t", "url": 5}, "url is neither text nor a list of texts"),
        ({"id": "a", "title": "t", "when": 1700000000}, "when is not a date: 1700000000"),
        ({"id": "a", "title": "t", "m": {"a": 1}}, "m is nested and was left out"),
        ({"id": "a", "title": "t", "m": [["a"]]}, "m is nested and was left out"),
    ],
)
def test_what_is_odd_is_warned_of(record: dict[str, Any], warning: str) -> None:
    entity = entity_of(record, modified="when", metadata={"m": "m"})
    assert entity.warnings == (warning,)


@pytest.mark.parametrize(
    ("record", "field_path", "reason"),
    [
        ({"title": "t"}, "id", "not null"),
        ({"id": "", "title": "t"}, "id", "must not be empty"),
        ({"id": "  ", "title": "t"}, "id", "must not be empty"),
        ({"id": True, "title": "t"}, "id", "not a truth value"),
        ({"id": 1.5, "title": "t"}, "id", "not a number"),
        ({"id": {}, "title": "t"}, "id", "not an object"),
        ({"id": "x" * 401, "title": "t"}, "source_id", "at most 400"),
        ({"id": "a", "title": 5}, "title", "not a number"),
        ({"id": "a", "title": "t", "text": ["x"]}, "text", "not a list"),
        ({"id": "a"}, "text", "neither 'title' nor 'text'"),
    ],
)
def test_a_record_that_breaks_the_schema(
    record: dict[str, Any], field_path: str, reason: str
) -> None:
    with pytest.raises(RecordRejectedError, match=reason) as caught:
        entity_of(record)
    assert caught.value.field_path == field_path
