"""What may be asked: every parameter has a bound, and a refusal names it."""

import math
import string
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieve.api import query_parameters
from services.retrieve.parsing import parse_payload, parse_query_string
from services.retrieve.request import RetrieveFilters
from shared.errors import InvalidInputError, TextTooLongError, UltronError
from shared.index.catalog.filters import SearchFilters

NAMES = (
    "q", "k", "threshold", "group", "passages", "mode", "corpus", "partial", "spelling",
    "filter.entity", "filter.id", "filter.since", "filter.until",
)  # fmt: skip
ALLOWED = (*NAMES, "filter.<field>", "filter.<field>.min", "filter.<field>.max")


def test_a_question_alone_has_defaults() -> None:
    request = parse_query_string({"q": ["Who created Ultron?"]})
    assert (request.k, request.mode, request.threshold, request.corpus) == (5, "hybrid", None, None)
    assert (request.group, request.passages, request.spelling) == (True, 1, True)
    assert request.filters.given() == {}
    assert request.filters.search_filters().is_empty


def test_all_parameters_are_read() -> None:
    request = parse_query_string(
        {
            "q": ["x"],
            "k": ["100"],
            "passages": ["5"],
            "group": ["true"],
            "threshold": ["-0.25"],
            "mode": ["dense"],
            "corpus": ["marvel"],
            "partial": ["true"],
            "spelling": ["false"],
            "filter.entity": ["comic,series", "event"],
            "filter.id": ["a,b"],
            "filter.since": ["2024-01-31"],
            "filter.until": ["2024-02-01T00:00:00+02:00"],
        }
    )
    assert (request.k, request.threshold, request.corpus) == (100, -0.25, "marvel")
    assert (request.group, request.passages) == (True, 5)
    assert request.partial
    assert not request.spelling
    assert request.filters.search_filters() == SearchFilters(
        entity_types=("comic", "series", "event"),
        source_ids=("a,b",),
        since=datetime(2024, 1, 31, tzinfo=UTC),
        before=datetime(2024, 1, 31, 22, 0, 0, 1, tzinfo=UTC),
    )
    assert request.filters.given() == {
        "entity": ["comic", "series", "event"],
        "id": "a,b",
        "since": "2024-01-31",
        "until": "2024-02-01T00:00:00+02:00",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("q", ""),
        ("q", " \t\n"),
        ("k", ""),
        ("k", "x"),
        ("k", "0"),
        ("k", "-1"),
        ("k", "101"),
        ("passages", "0"),
        ("passages", "6"),
        ("passages", "two"),
        ("group", "maybe"),
        ("group", ""),
        ("k", "1.5"),
        ("k", "1e400"),
        ("k", "9" * 5000),
        ("threshold", ""),
        ("threshold", "high"),
        ("threshold", "1.01"),
        ("threshold", "-1.01"),
        ("threshold", "nan"),
        ("threshold", "inf"),
        ("partial", ""),
        ("partial", "maybe"),
        ("spelling", ""),
        ("spelling", "maybe"),
        ("mode", ""),
        ("mode", "magic"),
        ("mode", "Dense"),
        ("corpus", ""),
        ("corpus", "UPPER CASE"),
        ("corpus", "../secrets"),
        ("corpus", "a" * 64),
        ("filter.entity", ""),
        ("filter.entity", "comic,,event"),
        ("filter.entity", "Comic!"),
        ("filter.entity", ",".join(["comic"] * 21)),
        ("filter.id", " "),
        ("filter.since", "yesterday"),
        ("filter.since", ""),
        ("filter.since", "2024-02-30"),
        ("filter.until", "2024-13-01"),
        ("filter.until", "2024-01-01T25:00:00"),
        ("filter.until", "2024-01-01T00:00:00 02:00"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name}") as caught:
        parse_query_string({"q": ["x"], name: [value]})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "value"),
    [("q", "x" * 1001), ("filter.id", "x" * 401), ("filter.since", "2024" * 20)],
)
def test_a_text_over_its_length_is_too_long(name: str, value: str) -> None:
    with pytest.raises(TextTooLongError, match=f"^{name}"):
        parse_query_string({"q": ["x"], name: [value]})
    assert parse_query_string({"q": ["x" * 1000]})


@pytest.mark.parametrize(
    "name",
    [
        "page",
        "filter",
        "filter.",
        "Q",
        "q ",
        "filters",
        "a" * 99,
        "entity",
        "filter.entity.min",
        "filter.since.max",
        "filter.col-our",
        "filter.1st",
        "filter.a.b",
        "filter.a.min.max",
        "filter." + "a" * 65,
        "filter.größe",
    ],
)
def test_an_unknown_parameter_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_query_string({"q": ["x"], name: ["1"]})
    assert name[:50] in str(caught.value)
    assert str(caught.value).endswith("allowed are " + ", ".join(ALLOWED))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", [name for name in NAMES if name != "filter.entity"])
def test_a_single_parameter_given_twice_is_refused(name: str) -> None:
    parameters = {"q": ["x"], name: ["1", "1"]}
    with pytest.raises(InvalidInputError, match=f"^{name}: is given 2 times"):
        parse_query_string(parameters)


def test_a_missing_question_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="q: is required"):
        parse_query_string({})


@pytest.mark.parametrize(
    ("since", "until", "is_fine"),
    [
        ("2024-01-02", "2024-01-01", False),
        ("2024-01-01", "2024-01-01", True),
        ("2024-01-01T23:59:59", "2024-01-01", True),
        ("2024-01-02T00:00:00", "2024-01-01", False),
        ("2024-01-01T12:00:00Z", "2024-01-01T12:00:00Z", True),
        ("2024-01-01T12:00:01Z", "2024-01-01T12:00:00Z", False),
        ("2024-01-01T00:00:00+02:00", "2023-12-31T23:00:00Z", True),
        ("9999-12-31", "9999-12-31", True),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", True),
    ],
)
def test_since_must_not_be_after_until(since: str, until: str, is_fine: bool) -> None:
    parameters = {"q": ["x"], "filter.since": [since], "filter.until": [until]}
    if is_fine:
        parse_query_string(parameters)
        return
    with pytest.raises(InvalidInputError, match="since must not be after until"):
        parse_query_string(parameters)


@given(st.dates(max_value=date(9999, 12, 30)))
def test_a_bare_until_means_the_whole_day(day: date) -> None:
    bound = RetrieveFilters(until=day.isoformat()).search_filters().before
    assert bound is not None
    assert bound.date() == day + timedelta(days=1)
    assert bound.time() == datetime.min.time()


@given(st.datetimes(max_value=datetime(9999, 12, 31)))
def test_an_exact_until_is_inclusive(moment: datetime) -> None:
    bound = RetrieveFilters(until=moment.isoformat()).search_filters().before
    assert bound == moment.replace(tzinfo=UTC) + timedelta(microseconds=1)


def test_a_threshold_has_no_meaning_for_words() -> None:
    with pytest.raises(InvalidInputError, match="threshold is a cosine"):
        parse_query_string({"q": ["x"], "mode": ["lexical"], "threshold": ["0.1"]})


anything = st.dictionaries(
    st.sampled_from([*NAMES, "filter.a", "filter.a.min", "filter.a.max", "filter.b.max"])
    | st.text(max_size=12),
    st.lists(st.text(max_size=30) | st.text(string.digits + "-T:+.", max_size=25), max_size=3),
    max_size=6,
)


@given(anything)
def test_any_query_string_is_read_or_refused(parameters: dict[str, list[str]]) -> None:
    try:
        request = parse_query_string(parameters)
    except UltronError as error:
        assert error.http_status in {400, 413}
    else:
        assert 1 <= request.k <= 50
        assert request.q.strip()
        assert request.threshold is None or math.isfinite(request.threshold)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["q", "k", "mode", "filters", "corpus", "entity", "since", "year", "min", "max"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@given(json_values | st.builds(lambda f: {"q": "x", "filters": f}, json_values))
def test_any_payload_is_read_or_refused(payload: Any) -> None:
    try:
        request = parse_payload(payload)
    except UltronError as error:
        assert error.http_status in {400, 413}
    else:
        assert request.q.strip()


def test_nulls_of_a_payload_count_as_absent() -> None:
    filters = {"entity": None, "id": None, "since": None, "until": "2024-01-01"}
    payload = {"q": "x", "k": None, "corpus": None, "threshold": None, "filters": filters}
    request = parse_payload(payload)
    assert request.k == 5
    assert request.filters.given() == {"until": "2024-01-01"}
    assert parse_payload({"q": "x", "filters": {"entity": "comic"}}).filters.entity == ("comic",)
    assert parse_payload({"q": "x", "filters": {"entity": ["a", "b"]}}).filters.entity == ("a", "b")
    assert parse_payload({"q": "x", "filters": None}).filters.given() == {}


@pytest.mark.parametrize(
    ("payload", "mention"),
    [
        (None, "retrieve: must be a JSON object"),
        ([], "retrieve: must be a JSON object"),
        ({"q": "x", "filters": []}, "filters: must be a JSON object"),
        ({"q": "x", "filters": {"col our": "red"}}, "filters.col our: unknown parameter; allowed"),
        ({"q": "x", "page": 1}, "page: unknown; allowed are q"),
        ({"q": 5}, "q: "),
        ({"q": "\ud800"}, "q: "),
        ({"q": "x", "filters": {"entity": 5}}, "filters.entity: "),
    ],
)
def test_a_bad_payload_is_refused(payload: Any, mention: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_payload(payload)
    assert str(caught.value).startswith(mention)


def test_query_parameters_come_with_all_of_their_values() -> None:
    several = {"q": ["a", "b"]}
    event = {"multiValueQueryStringParameters": several, "queryStringParameters": {"q": "b"}}
    assert query_parameters(event) == several
    assert query_parameters({"queryStringParameters": {"q": "b"}}) == {"q": ["b"]}
    empty = {"multiValueQueryStringParameters": None, "queryStringParameters": None}
    assert query_parameters(empty) == {}


def test_passages_by_themselves_have_no_further_passages() -> None:
    assert not parse_query_string({"q": ["x"], "group": ["false"]}).group
    with pytest.raises(InvalidInputError, match="leave one of both out"):
        parse_query_string({"q": ["x"], "group": ["false"], "passages": ["2"]})
