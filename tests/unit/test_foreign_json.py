"""JSON from elsewhere raises ValueError, whatever is wrong with it."""

import pytest

from services.cli.functions import raised_by_function
from shared.foreign_json import parse_foreign_json

NESTED = "[" * 200_000


@pytest.mark.parametrize("data", ["", "{", NESTED, NESTED.encode(), b"\xff", '"a\nb"'])
def test_what_is_no_json_is_a_value_error(data: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|line|utf|decode|Invalid|Expecting"):
        parse_foreign_json(data)


def test_control_characters_within_texts_may_be_let_through() -> None:
    assert parse_foreign_json('"a\nb"', strict=False) == "a\nb"
    assert parse_foreign_json(b'{"a": [1, null]}') == {"a": [1, None]}


def test_a_function_that_fails_with_nested_json_has_failed() -> None:
    assert "gave no reason" in str(raised_by_function(NESTED.encode()))
