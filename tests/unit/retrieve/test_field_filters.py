"""Conditions on metadata fields: how they are written, bounded, checked and repeated."""

import json
from typing import Any

import pytest

from services.retrieve.field_filters import require_known
from services.retrieve.parsing import parse_payload, parse_query_string
from shared.errors import InvalidInputError, TextTooLongError
from shared.index.catalog.filters import FieldFilter
from tests.unit.retrieve.conftest import Deployment, Fields

FIELDS: dict[str, Fields] = {
    "comic:1": {"year": 1990, "publisher": "Timely", "tags": ["old", "rare"]},
    "comic:2": {"year": 2001.5, "publisher": "Atlas, Inc.", "on_sale": True},
    "hero:1": {"year": 2020, "day": "2020-05-01", "on_sale": False},
}


@pytest.fixture
def shelf(deployment: Deployment) -> Deployment:
    """A deployment whose entities have metadata fields."""
    texts = {key: (f"w{n} w2", None) for n, key in enumerate(FIELDS)}
    deployment.commit(texts, origin="run2/page/0", seq=2, fields=FIELDS)
    return deployment


def from_url(**parameters: str | list[str]) -> tuple[FieldFilter, ...]:
    given = {
        "filter." + name.replace("__", "."): [value] if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    return parse_query_string({"q": ["x"], **given}).filters.search_filters().fields


def from_payload(**filters: Any) -> tuple[FieldFilter, ...]:
    return parse_payload({"q": "x", "filters": filters}).filters.search_filters().fields


def test_values_and_ranges_are_read_from_a_url() -> None:
    assert from_url(year="1990") == (FieldFilter("year", one_of=("1990",)),)
    assert from_url(tags=["a,b", " c "]) == (FieldFilter("tags", one_of=("a", "b", "c")),)
    assert from_url(year__min="1990", year__max="2e3", Day__max="2020-01-01") == (
        FieldFilter("year", minimum="1990", maximum="2e3"),
        FieldFilter("Day", maximum="2020-01-01"),
    )
    assert from_url(fields="1", a__min="0") == (
        FieldFilter("fields", one_of=("1",)),
        FieldFilter("a", minimum="0"),
    )


def test_values_and_ranges_are_read_from_a_payload() -> None:
    assert from_payload(year=1990, on_sale=True, price=2.5, name="a,b") == (
        FieldFilter("year", one_of=("1990",)),
        FieldFilter("on_sale", one_of=("true",)),
        FieldFilter("price", one_of=("2.5",)),
        FieldFilter("name", one_of=("a,b",)),
    )
    assert from_payload(year=["1990", 2001], day={"min": "2020-01-01", "max": None}, gone=None) == (
        FieldFilter("year", one_of=("1990", "2001")),
        FieldFilter("day", minimum="2020-01-01"),
    )


@pytest.mark.parametrize(
    ("filters", "mention"),
    [
        ({"year": ""}, "filter.year: must not be blank"),
        ({"year": "1,,2"}, "filter.year: must not be blank"),
        ({"year": ",".join(map(str, range(21)))}, "filter.year: needs 1 to 20 values"),
        ({"year": []}, "filter.year: needs 1 to 20 values"),
        ({"year__min": " "}, "filter.year.min: must not be blank"),
        ({"year__min": ["1", "2"]}, "filter.year.min: is given 2 times"),
        ({"year__min": "2", "year__max": "1"}, "filter.year: min must not be above max"),
        ({"year__min": "10", "year__max": "9"}, "filter.year: min must not be above max"),
        ({"day__min": "b", "day__max": "a"}, "filter.day: min must not be above max"),
        ({"year__min": "1", "year__max": "z"}, "filter.year: min and max must be two numbers"),
        ({"year": "1", "year__max": "2"}, "filter.year: give either values or a range"),
        ({"year__max": "2", "year": "1"}, "filter.year: give either values or a range"),
        ({f"f{n}": "1" for n in range(11)}, "filter.<field>: at most 10 fields"),
    ],
)
def test_a_bad_condition_of_a_url_is_refused_by_name(
    filters: dict[str, str | list[str]], mention: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        from_url(**filters)
    assert str(caught.value).startswith(mention)


def test_the_bounds_themselves_are_accepted() -> None:
    assert len(from_url(**{f"f{n}": "1" for n in range(10)})) == 10
    assert len(from_url(year=",".join(map(str, range(20))))[0].one_of) == 20
    assert from_url(year__min="2", year__max="2.0")
    assert from_url(**{"a" * 64: "x" * 400})
    with pytest.raises(TextTooLongError, match=r"^filter\.year: at most 400"):
        from_url(year="x" * 401)


@pytest.mark.parametrize(
    ("value", "mention"),
    [
        ({"min": 1, "least": 2}, "filters.year: a range has min, max or both"),
        ({}, "filters.year: a range has min, max or both"),
        ({"min": None}, "filters.year: a range has min, max or both"),
        ({"min": [1]}, "filters.year.min: must be a text, a number or a boolean"),
        ([[1]], "filters.year: must be a text, a number or a boolean"),
        (["a", None], "filters.year: must be a text, a number or a boolean"),
        (float("nan"), "filters.year: must be a finite number"),
        (float("inf"), "filters.year: must be a finite number"),
        ("\ud800", "filters.year: holds a lone surrogate"),
        ({"min": 2, "max": 1.5}, "filters.year: min must not be above max"),
    ],
)
def test_a_bad_condition_of_a_payload_is_refused_by_name(value: Any, mention: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        from_payload(year=value)
    assert str(caught.value).startswith(mention)


def test_a_number_of_endless_digits_is_too_long() -> None:
    for digits in (500, 5000):
        with pytest.raises(TextTooLongError, match=r"^filters\.year"):
            from_payload(year=10**digits)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"filter.year": "1990"}, {"comic:1"}),
        ({"filter.year": "1990.0,2020"}, {"comic:1", "hero:1"}),
        ({"filter.year.min": "1990", "filter.year.max": "2001.5"}, {"comic:1", "comic:2"}),
        ({"filter.tags": "rare"}, {"comic:1"}),
        ({"filter.on_sale": "true"}, {"comic:2"}),
        ({"filter.day.min": "2020-05-01"}, {"hero:1"}),
        ({"filter.publisher": "Timely", "filter.entity": "hero"}, set()),
        ({"filter.publisher": "Nobody"}, set()),
    ],
)
@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_conditions_narrow_every_mode(
    shelf: Deployment, mode: str, filters: dict[str, str], expected: set[str]
) -> None:
    status, body, _ = shelf.get(q="w2", k="50", mode=mode, **filters)
    assert status == 200
    assert {result["id"] for result in body["results"]} == {f"{key}-001" for key in expected}


def test_the_answer_repeats_the_filters(shelf: Deployment) -> None:
    _, body, _ = shelf.get(
        q="w2", **{"filter.year.min": "1990", "filter.tags": "a,b", "filter.entity": "comic"}
    )
    expected = {"entity": ["comic"], "year": {"min": "1990"}, "tags": ["a", "b"]}
    assert body["filters"] == expected
    direct = shelf.invoke({"q": "w2", "filters": json.loads(json.dumps(body["filters"]))})
    assert direct["filters"] == expected


def test_a_field_that_no_shard_has_is_refused_with_those_that_there_are(shelf: Deployment) -> None:
    status, body, _ = shelf.get(q="w2", **{"filter.colour": "red"})
    assert (status, body["error"]["code"]) == (400, "INVALID_INPUT")
    assert body["detail"] == (
        "filter.colour: the index has no field colour; it has day, on_sale, publisher, tags, year"
    )
    assert shelf.invoke({"q": "w2", "filters": {"colour": "red"}})["error"]["status"] == 400


def test_an_index_without_fields_says_so(deployment: Deployment) -> None:
    assert deployment.get(q="w2", **{"filter.colour": "red"})[1]["detail"].endswith("it has none")


def test_a_long_list_of_fields_is_cut() -> None:
    with pytest.raises(InvalidInputError, match=r"and 70 more$"):
        require_known(["x"], [f"f{n}" for n in range(100)])
