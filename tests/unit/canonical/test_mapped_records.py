"""JSON-lines records: which field is what is the corpus's to say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert entity.fields == {"tags": ["a", 1, None, True], "service": "s3"}
    assert entity.warnings == ()


def test_text_may_be_gone_while_the_entity_stays() -> None:
    entity = entity_of({"id": "a", "title": "T", "text": None})
    assert entity.description == ""


@pytest.mark.parametrize(
    ("record", "warning"),
    [
        ({"id": "a", "text": "x"}, "the source has no title"),
        ({"id": "a", "title": "t", "url": 5}, "url is neither text nor a list of texts"),
        ({"id": "a", "title": "t", "url": ["x", 5]}, "url is neither text nor a list of texts"),
        ({"id": "a", "title": "t", "when": "soon"}, "when is not a date: soon"),
        ({"id": "a", "title": "t", "when": 2024}, "when is not a date, but the number 2024"),
        ({"id": "a", "title": "t", "when": True}, "when is not a date, but a truth value"),
        ({"id": "a", "title": "t", "when": ["x"]}, "when is not a date, but a list"),
        (
            {"id": "a", "title": "t", "when": 10**1000},
            "when is not a date, but a number beyond all",
        ),
        ({"id": "a", "title": "t", "m": 10**1000}, "m is too large a number and was left out"),
        ({"id": "a", "title": "t", "m": "x" * 8001}, "m would make more than 8,000 characters"),
        ({"id": "a", "title": "t", "m": ["x" * 10] * 800}, "m would make more than 8,000 char"),
        ({"id": "a", "title": "t" * 1001}, "the title has 1,001 characters; the first 1,000 are"),
        (
            {"id": "a", "title": "t", "url": [f"https://x.example/{n}" for n in range(21)]},
            "of 21 addresses the first 20 are kept",
        ),
        ({"id": "a", "title": "t", "m": {"a": 1}}, "m is nested and was left out"),
        ({"id": "a", "title": "t", "m": [["a"]]}, "m is nested and was left out"),
    ],
)
def test_what_is_odd_is_warned_of(record: dict[str, Any], warning: str) -> None:
    entity = entity_of(record, modified="when", metadata={"m": "m"})
    (said,) = entity.warnings
    assert said.startswith(warning)


@pytest.mark.parametrize(
    ("record", "field_path", "reason"),
    [
        ({"title": "t"}, "id", "the mapping's id must be text or a whole number, not null"),
        ({"id": "", "title": "t"}, "id", "must not be empty"),
        ({"id": "  ", "title": "t"}, "id", "must not be empty"),
        ({"id": True, "title": "t"}, "id", "not a truth value"),
        ({"id": 1.5, "title": "t"}, "id", "not the number 1.5"),
        ({"id": 10**1000, "title": "t"}, "id", "not a number beyond all bounds"),
        ({"id": {}, "title": "t"}, "id", "not an object"),
        ({"id": "x" * 401, "title": "t"}, "id", "the mapping's id: .* at most 400"),
        ({"id": "a", "title": 5}, "title", "the mapping's title must be text, not the number 5"),
        ({"id": "a", "title": "t", "text": ["x"]}, "text", "not a list"),
        ({"id": "a"}, "text", "neither 'title' nor 'text'"),
        ({"id": "a", "title": "t", "kind": 1}, "kind", "the mapping's type must be text"),
        ({"id": "a", "title": "t", "kind": "--"}, "kind", "the mapping's type: "),
        ({"id": "a", "title": "t", "kind": "4th"}, "kind", "the mapping's type: "),
        (
            {"id": "a", "title": "t", "tags": [1]},
            "join(',', tags)",
            r"the mapping's metadata.tags does not fit: In function join\(\)",
        ),
    ],
)
def test_a_record_that_breaks_the_schema(
    record: dict[str, Any], field_path: str, reason: str
) -> None:
    with pytest.raises(RecordRejectedError, match=reason) as caught:
        entity_of(
            record, type="kind", metadata={"tags": "join(',', tags)"} if "tags" in record else {}
        )
    assert caught.value.field_path == field_path


@pytest.mark.parametrize(
    ("value", "identity"),
    [(12, "12"), (12.0, "12"), (-1e3, "-1000"), (10**30, "1" + "0" * 30), (" a b ", "a b")],
)
def test_a_number_may_be_the_id(value: object, identity: str) -> None:
    assert entity_of({"id": value, "title": "t"}).source_id == identity


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1700000000, "2023-11-14T22:13:20+00:00"),
        (1700000000.5, "2023-11-14T22:13:20.500000+00:00"),
        (1700000000000, "2023-11-14T22:13:20+00:00"),
        ("2024-05-06", "2024-05-06"),
        ("", None),
        (None, None),
    ],
)
def test_dates_may_be_seconds_or_milliseconds(value: object, moment: str | None) -> None:
    entity = entity_of({"id": 1, "title": "t", "at": value}, modified="at")
    assert (entity.modified, entity.warnings) == (moment, ())


@pytest.mark.parametrize(
    ("kind", "entity_type"),
    [
        ("Blog post", "blog_post"),
        ("article", "article"),
        (" News/2024 ", "news_2024"),
        (None, "doc"),
    ],
)
def test_each_record_may_have_its_own_type(kind: str | None, entity_type: str) -> None:
    entity = entity_of({"id": 1, "title": "t", "kind": kind}, type="kind", entity_type="doc")
    assert entity.key == f"{entity_type}:1"


def test_parts_may_lie_deep_in_a_record() -> None:
    record = {
        "meta": {"key": 5, "head": {"main": "Title"}},
        "blocks": [{"text": "One."}, {"image": "x"}, {"text": "Two."}],
        "links": [{"href": "https://x.example/1", "rel": "self"}, {"rel": "none"}],
        "tags": [{"name": "a"}, {"name": "b"}],
    }
    entity = entity_of(
        record,
        id="meta.key",
        title="meta.head.main",
        text="join(' ', blocks[].text)",
        url="links[].href",
        metadata={"tags": "tags[].name", "first": "tags[0].name", "count": "length(tags)"},
    )
    assert (entity.source_id, entity.title, entity.description) == ("5", "Title", "One. Two.")
    assert entity.urls == ("https://x.example/1",)
    assert entity.fields == {"tags": ["a", "b"], "first": "a", "count": 2}
    assert entity.warnings == ()


def test_markup_is_stripped_of_title_and_text_where_it_is_markup() -> None:
    record = {"id": 1, "title": "Q&amp;A", "text": "<p>One</p><p>Two &lt; three</p>"}
    entity = entity_of(record, text_format="html")
    assert (entity.title, entity.description) == ("Q&A", "One\nTwo < three")
    plain = entity_of(record)
    assert (plain.title, plain.description) == (record["title"], record["text"])


def test_numbers_that_no_json_has_are_no_metadata() -> None:
    entity = entity_of({"id": 1, "title": "t", "n": "NaN"}, metadata={"n": "to_number(n)"})
    assert (entity.fields, entity.warnings) == ({}, ("n is too large a number and was left out",))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12) | st.sampled_from(["2024-01-01", "https://x.example/", "<p>a", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)  # fmt: skip
EXPRESSIONS = st.sampled_from(
    ["a", "b", "c", "a.b", "a[0]", "a[].b", "*", "@", "join('', a)", "to_string(@)", "length(a)",
     "sum(a)", "to_number(a)", "max_by(a, &b)", "a < b", "merge(a, b)", "a || b", "keys(a)",
     "`\"x\"`", "ceil(to_number(a))", "a[?b > `1`].c | [0]"]
)  # fmt: skip


@given(
    record=st.dictionaries(st.sampled_from("abc"), VALUES),
    expressions=st.fixed_dictionaries(
        dict.fromkeys(("id", "title", "text", "url", "modified", "type"), EXPRESSIONS)
    ),
    metadata=st.dictionaries(st.sampled_from(["m", "n"]), EXPRESSIONS),
    text_format=st.sampled_from(["plain", "html"]),
)
def test_any_record_is_an_entity_or_rejected(
    record: dict[str, Any], expressions: dict[str, str], metadata: dict[str, str], text_format: str
) -> None:
    mapping = {**expressions, "metadata": metadata, "text_format": text_format}
    try:
        entity = entity_of(record, **mapping)
    except RecordRejectedError as error:
        assert str(error)
        return
    assert Entity.model_validate_json(entity.model_dump_json()) == entity
