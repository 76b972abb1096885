"""Checking parameters, filtering, ordering and paging."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.query import (
    ListQuery,
    check_item_query,
    parse_list_query,
    select_page,
)
from examples.marvel.refusals import RequestRefusedError
from examples.marvel.wire import ENTITY_TYPES, NULL_DATE, EntityType, WireEntity, sort_date

CATALOG = demo_catalog()

ORDERINGS: list[tuple[EntityType, str, Callable[[WireEntity], Any]]] = [
    ("characters", "name", lambda one: one["name"].casefold()),
    ("characters", "modified", lambda one: sort_date(one["modified"])),
    ("comics", "title", lambda one: one["title"].casefold()),
    ("comics", "issueNumber", lambda one: one["issueNumber"]),
    ("comics", "onsaleDate", lambda one: sort_date(one["dates"][0]["date"])),
    ("comics", "focDate", lambda one: sort_date(one["dates"][1]["date"])),
    ("series", "title", lambda one: one["title"].casefold()),
    ("series", "startYear", lambda one: one["startYear"]),
    ("events", "name", lambda one: one["title"].casefold()),
    ("events", "startDate", lambda one: sort_date(one["start"])),
    ("creators", "lastName", lambda one: one["lastName"].casefold()),
    ("creators", "firstName", lambda one: one["firstName"].casefold()),
    ("creators", "middleName", lambda one: one["middleName"].casefold()),
    ("creators", "suffix", lambda one: one["suffix"].casefold()),
    ("stories", "id", lambda one: one["id"]),
    ("stories", "modified", lambda one: sort_date(one["modified"])),
]

wire_dates = st.one_of(
    st.datetimes(
        min_value=datetime(1969, 1, 1),
        max_value=datetime(2030, 1, 1),
    ).map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S-0400")),
    st.sampled_from([NULL_DATE, "1969-12-31T19:00:00-0500"]),
)


def characters(dates: list[str]) -> list[WireEntity]:
    """Characters 1… with these dates; every third shares its name with others."""
    return [
        {"id": number, "name": f"Hero {number % 3}", "modified": date}
        for number, date in enumerate(dates, start=1)
    ]


def refusal_of(entity_type: EntityType, **parameters: str) -> tuple[int, object]:
    with pytest.raises(RequestRefusedError) as caught:
        parse_list_query(entity_type, parameters)
    assert caught.value.body["code"] == caught.value.status
    return caught.value.status, caught.value.body["status"]


@given(
    dates=st.lists(wire_dates, max_size=60),
    limit=st.integers(1, 100),
    order_by=st.sampled_from([(), ("name",), ("modified",), ("-modified",), ("-name", "modified")]),
)
def test_paging_meets_each_entity_once_in_one_order(
    dates: list[str], limit: int, order_by: tuple[str, ...]
) -> None:
    entities = characters(dates)
    whole = select_page("characters", entities, ListQuery(limit=100, order_by=order_by))
    paged: list[WireEntity] = []
    for offset in range(0, len(entities) + limit, limit):
        query = ListQuery(limit=limit, offset=offset, order_by=order_by)
        page = select_page("characters", list(reversed(entities)), query)
        assert page["count"] == len(page["results"]) <= limit
        assert (page["total"], page["limit"], page["offset"]) == (len(entities), limit, offset)
        paged.extend(page["results"])
    assert paged == whole["results"]
    assert sorted(entity["id"] for entity in paged) == [entity["id"] for entity in entities]


@given(dates=st.lists(wire_dates, max_size=40), since=st.datetimes(timezones=st.timezones()))
def test_modified_since_keeps_exactly_the_later_ones(dates: list[str], since: datetime) -> None:
    page = select_page("characters", characters(dates), ListQuery(limit=100, modified_since=since))
    kept = {entity["id"] for entity in page["results"]}
    assert page["total"] == len(kept)
    for entity in characters(dates):
        assert (entity["id"] in kept) == (sort_date(entity["modified"]) >= since)


@given(dates=st.lists(wire_dates, min_size=1, max_size=40))
def test_a_watermark_finds_its_own_entity_again(dates: list[str]) -> None:
    dated = [date for date in dates if date != NULL_DATE]
    for date in dated:
        query = parse_list_query("characters", {"modifiedSince": date, "limit": "100"})
        results = select_page("characters", characters(dates), query)["results"]
        assert date in [entity["modified"] for entity in results]
        assert NULL_DATE not in [entity["modified"] for entity in results]


def test_orders_by_modification_with_null_dates_first() -> None:
    dates = ["2020-01-01T00:00:00-0500", NULL_DATE, "2019-01-01T00:00:00-0500", NULL_DATE]
    ascending = select_page("characters", characters(dates), ListQuery(order_by=("modified",)))
    descending = select_page("characters", characters(dates), ListQuery(order_by=("-modified",)))
    assert [entity["id"] for entity in ascending["results"]] == [2, 4, 3, 1]
    assert [entity["id"] for entity in descending["results"]] == [1, 3, 2, 4]


def test_dates_are_compared_as_moments_not_as_text() -> None:
    dates = ["2020-06-01T23:30:00-0400", "2020-06-02T00:15:00+0000"]
    ordered = select_page("characters", characters(dates), ListQuery(order_by=("modified",)))
    assert [entity["id"] for entity in ordered["results"]] == [2, 1]


@pytest.mark.parametrize(("entity_type", "order_by", "key"), ORDERINGS)
def test_every_ordering_sorts_both_ways(
    entity_type: EntityType, order_by: str, key: Callable[[WireEntity], Any]
) -> None:
    entities = list(CATALOG.all(entity_type))
    for name, is_reversed in ((order_by, False), (f"-{order_by}", True)):
        query = parse_list_query(entity_type, {"orderBy": name, "limit": "100"})
        keys = [key(entity) for entity in select_page(entity_type, entities, query)["results"]]
        assert keys == sorted((key(entity) for entity in entities), reverse=is_reversed)
        assert len(set(keys)) > 1


def test_a_second_ordering_decides_among_equals() -> None:
    query = parse_list_query("series", {"orderBy": "startYear,-title", "limit": "100"})
    results = select_page("series", CATALOG.all("series"), query)["results"]
    of_2013 = [entity["title"] for entity in results if entity["startYear"] == 2013]
    assert len(of_2013) == 3
    assert of_2013 == sorted(of_2013, key=str.casefold, reverse=True)


def test_comics_by_date_of_sale() -> None:
    query = parse_list_query("comics", {"orderBy": "onsaleDate"})
    results = select_page("comics", CATALOG.all("comics"), query)["results"]
    assert results[0]["dates"][0]["date"] == NULL_DATE
    assert results[1]["title"] == "Tales to Astonish (1959) #27"


def test_names_are_compared_without_case() -> None:
    heroes = list(CATALOG.all("characters"))
    exact = parse_list_query("characters", {"name": "uLTRON"})
    prefix = parse_list_query("characters", {"nameStartsWith": "captain m"})
    assert [e["name"] for e in select_page("characters", heroes, exact)["results"]] == ["Ultron"]
    assert [e["name"] for e in select_page("characters", heroes, prefix)["results"]] == [
        "Captain Marvel (Carol Danvers)",
        "Captain Marvel (Mar-Vell)",
    ]


def test_defaults_are_those_of_the_api() -> None:
    query = parse_list_query("stories", {"ts": "1", "apikey": "1234", "hash": "x"})
    assert query == ListQuery(limit=20, offset=0, order_by=(), modified_since=None)


@pytest.mark.parametrize("limit", ["0", "-1", "abc", "1.5", "\u0665", "1e2", " 5", "9" * 5000])
def test_a_limit_that_is_no_positive_number_is_refused(limit: str) -> None:
    message = "You must pass an integer limit greater than 0."
    assert refusal_of("comics", limit=limit) == (409, message)


@pytest.mark.parametrize("limit", ["101", "999999999"])
def test_more_than_a_hundred_items_are_refused(limit: str) -> None:
    message = "You may not request more than 100 items."
    assert refusal_of("comics", limit=limit) == (409, message)


@pytest.mark.parametrize("offset", ["-1", "x", "1.0", "9" * 30])
def test_a_bad_offset_is_refused(offset: str) -> None:
    assert refusal_of("comics", offset=offset)[0] == 409


@pytest.mark.parametrize(
    ("entity_type", "parameters", "message"),
    [
        ("characters", {"modifiedBy": "1"}, "We don't recognize the parameter modifiedBy"),
        ("creators", {"name": "Kirby"}, "We don't recognize the parameter name"),
        ("stories", {"StartsWith": "x"}, "We don't recognize the parameter StartsWith"),
        ("characters", {"name": ""}, "name cannot be blank if it is set"),
        ("characters", {"modifiedSince": ""}, "modifiedSince cannot be blank if it is set"),
        ("characters", {"orderBy": "typ"}, "typ is not a valid ordering parameter."),
        ("characters", {"orderBy": "--name"}, "--name is not a valid ordering parameter."),
        ("stories", {"orderBy": "title"}, "title is not a valid ordering parameter."),
        ("events", {"orderBy": "name,"}, " is not a valid ordering parameter."),
        (
            "events",
            {"modifiedSince": "yesterday"},
            "yesterday is not a valid date for modifiedSince.",
        ),
    ],
)
def test_bad_parameters_are_named(
    entity_type: EntityType, parameters: dict[str, str], message: str
) -> None:
    assert refusal_of(entity_type, **parameters) == (409, message)


@given(
    entity_type=st.sampled_from(ENTITY_TYPES),
    parameters=st.dictionaries(
        st.sampled_from(["limit", "offset", "orderBy", "modifiedSince", "name", "x"]), st.text()
    ),
)
def test_any_text_is_either_accepted_or_refused(
    entity_type: EntityType, parameters: dict[str, str]
) -> None:
    try:
        query = parse_list_query(entity_type, parameters)
    except RequestRefusedError as refusal:
        assert refusal.status == 409
    else:
        assert 1 <= query.limit <= 100
        page = select_page(entity_type, CATALOG.all(entity_type), query)
        assert page["count"] <= query.limit


def test_one_entity_takes_no_parameters_but_credentials() -> None:
    check_item_query({"ts": "1", "apikey": "1234", "hash": "x"})
    with pytest.raises(RequestRefusedError, match="recognize the parameter limit"):
        check_item_query({"limit": "1"})
