"""Expressions: what can never work is refused when it is written, the rest fails as ValueError."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.models.expressions import Expression, evaluate

EXPRESSION: TypeAdapter[str] = TypeAdapter(Expression)
PARTS = st.sampled_from(
    ["a", "b", "@", "*", ".", "[", "]", "[]", "[*]", "[?", "(", ")", "{", "}", ":", ",", "|", "||",
     "&", "&&", "!", "==", "<", "'x'", "`1`", "`[1, \"x\"]`", "`NaN`", "0", "1", "-1", "[::0]",
     "[::-1]", "sort_by(", "max_by(", "sum(", "to_number(", "ceil(", "join(", "merge(", "keys(",
     "to_array(", "not_null(", "map(", "length(", "unknown(", " "]
)  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "expression",
    ["id", "a.b[0].c", "@", "a || b", "join(', ', a[].b)", "sort_by(a, &b)[0]", "map(&x, a)",
     "a[?b == `1`].c", "a[::2]", "a[::-1]", "merge(a, b, c)", "{x: a, y: `[1]`}", '"a-b".c',
     "not_null(a, b)"],
)  # fmt: skip
def test_what_can_work_is_taken(expression: str) -> None:
    assert EXPRESSION.validate_python(expression) == expression


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "at least 1 character"),
        ("a" * 1001, "at most 1000"),
        ("a[", "is no JMESPath expression"),
        ("a b", "is no JMESPath expression"),
        ("a-b", "is no JMESPath expression"),
        ("'open", "is no JMESPath expression"),
        ("[" * 900, "is nested too deeply"),
        ("lower(a)", r"unknown function lower\(\); there are abs, avg"),
        ("a[].lower(b)", r"unknown function lower\(\)"),
        ("join(a)", r"join\(\) with 1 arguments; it takes 2"),
        ("length(a, b)", r"length\(\) with 2 arguments; it takes 1"),
        ("not_null()", r"not_null\(\) with 0 arguments"),
        ("a[::0]", "slice whose step is zero"),
        ("&a", "has a & outside"),
        ("to_array(&a)", "has a & outside"),
        ("sort_by(a, &to_string(&b))", "has a & outside"),
        ("`NaN`", "literal that is no JSON"),
        ('`"\\ud800"`', "literal that is no JSON"),
    ],
)
def test_what_can_never_work_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        EXPRESSION.validate_python(expression)


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("join(',', a)", {"a": [1]}),
        ("length(a)", {"a": 5}),
        ("sort(a)", {"a": [1, "x"]}),
        ("a < b", {"a": 1, "b": "x"}),
        ("max_by(a, &b)", {"a": [{"b": 1}, {"b": "x"}]}),
        ("merge(a, b)", {"a": {}, "b": None}),
        ("ceil(to_number(a))", {"a": "1e999"}),
        ("ceil(to_number(a))", {"a": "NaN"}),
        ("avg(a)", {"a": [10**400, 1]}),
    ],
)
def test_what_does_not_fit_a_document_says_so(expression: str, document: Any) -> None:
    EXPRESSION.validate_python(expression)
    with pytest.raises(ValueError, match=r"\w"):
        evaluate(expression, document)


def test_what_is_not_there_is_none() -> None:
    assert evaluate("a.b[3].c", {"a": {"b": []}}) is None


@given(st.lists(PARTS, max_size=10).map("".join), DOCUMENTS)
def test_any_expression_is_refused_or_gives_something_or_a_value_error(
    expression: str, document: Any
) -> None:
    try:
        EXPRESSION.validate_python(expression)
        evaluate(expression, document)
    except ValueError:
        return
