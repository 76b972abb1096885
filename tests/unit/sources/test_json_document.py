import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sources.json_document import JsonDocument

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "expression", "records"),
    [
        ('{"data": {"items": [{"a": 1.10}, {"b":"\\u00e9"}]}}', "data.items",
         ['{"a": 1.10}', '{"b":"\\u00e9"}']),
        ('[{"a":\n 1.0},\n2, null]', "@", ['{"a":  1.0}', "2", "null"]),
        ('{"a": 1.0}', "@", ['{"a": 1.0}']),
        ('{"item": {"a": 1.0}}', "item", ['{"a": 1.0}']),
        ('{"items": null}', "items", []),
        ('{"items": []}', "items", []),
        ('{"items": [{"a": 1}], "items": [{"b": 2}]}', "items", ['{"b": 2}']),
        ('{"pages": [[{"a": 1}], [{"a": 2}]]}', "pages[]", ['{"a": 1}', '{"a": 2}']),
        ('{"hits": [{"doc": {"a": 1}}, {"doc": {"a": 2}}]}', "hits[*].doc",
         ['{"a": 1}', '{"a": 2}']),
        ('{"a": ["\\ud800"]}', "a[*]", ['"\\ud800"']),
    ],
)  # fmt: skip
def test_records_are_found_and_kept(text: str, expression: str, records: list[str]) -> None:
    assert JsonDocument(text).record_texts(expression) == records


@pytest.mark.parametrize(
    ("text", "expression", "problem"),
    [
        ('{"data": []}', "items", "has nothing at 'items', where records were expected"),
        ('{"data": []}', "data.items", "has nothing at 'data.items'"),
        ("null", "hits[*].doc", "has nothing at"),
        ('{"items": "none"}', "items", "has neither a list nor an object at 'items'"),
        ("3", "@", "has neither a list nor an object at '@'"),
        ('{"items": 3}', "length(items)", "does not fit"),
    ],
)
def test_what_is_not_there_is_named(text: str, expression: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        JsonDocument(text).record_texts(expression)


@pytest.mark.parametrize("text", ["", "{", "nope", '{"a": NaN}', '{"a": 1} x', "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        JsonDocument(text)


@given(st.lists(VALUES), st.sampled_from([None, 1]))
def test_any_list_of_records_comes_out_whole(records: list[object], indent: int | None) -> None:
    text = json.dumps({"x": 1, "data": {"items": records}}, indent=indent)
    found = JsonDocument(text).record_texts("data.items")
    assert [json.loads(line) for line in found] == records
    assert not any("\n" in line or "\r" in line for line in found)
