"""Filters against a plain loop over the rows: numbers, texts, booleans and lists of them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.index.catalog.catalog import Catalog, CatalogRow, encode_catalog, read_catalog
from shared.index.catalog.filters import (
    FieldFilter,
    SearchFilters,
    parse_moment,
    parse_number,
    to_microseconds,
)
from shared.models.chunk import ChunkMetadata
from shared.models.entity import NO_CONTENT, EntityVersion, Scalar
from tests.unit.index.index_builders import MODEL, chunk

Fields = Mapping[str, Scalar | list[Scalar]]

texts = st.sampled_from(
    ["", "a", "b", "true", "3", "2020-01-01", "2021-06-30T12:00:00Z", "é", "😀"]
)
numbers = st.sampled_from(
    [0, 1, 3, 3.0, -2.5, 0.1, 10**20, 10**20 + 1, 2**53, 2**53 + 1, -(10**400), float("inf")]
)
scalars: st.SearchStrategy[Scalar] = st.none() | st.booleans() | texts | numbers | st.integers()
field_maps = st.dictionaries(
    st.sampled_from(["x", "y", "entity_type"]), scalars | st.lists(scalars, max_size=3), max_size=3
)
values = (
    texts
    | numbers.filter(lambda value: value != float("inf")).map(json.dumps)
    | st.sampled_from(["false", "3.00", "3e0", "+3", "1e999", "nan", "-1e-3", "9" * 500, "\ud800"])
    | st.text(max_size=3)
)
bounds = st.none() | values
field_filters = st.builds(
    FieldFilter,
    field=st.sampled_from(["x", "y", "entity_type", "unknown"]),
    one_of=st.lists(values, max_size=3).map(tuple),
    minimum=bounds,
    maximum=bounds,
)


def catalog_of(metadata: Sequence[ChunkMetadata]) -> Catalog:
    rows = [CatalogRow(f"t:1-{n:03d}", "t:1", one, 1, 0) for n, one in enumerate(metadata)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog"
        version = EntityVersion(1, "o", NO_CONTENT)
        path.write_bytes(encode_catalog(MODEL, {"t:1": version}, rows))
        return read_catalog(path, name="test")


def matching(metadata: Sequence[ChunkMetadata], filters: SearchFilters) -> list[int]:
    catalog = catalog_of(metadata)
    mask = catalog.field_index.matching(filters, catalog.rows)
    return [row for row, passes in enumerate(mask.tolist()) if passes]


def with_fields(fields: Fields) -> ChunkMetadata:
    return chunk("t:1", fields=fields).metadata


def equals(value: Scalar, text: str) -> bool:
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, str):
        return value == text
    return value is not None and parse_number(text) == value and value != float("inf")


def as_indexed(value: int | float) -> int | float:
    """The number, or infinity for a whole number that no float reaches."""
    try:
        float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return value


def is_between(value: Scalar, minimum: str | None, maximum: str | None) -> bool:
    for bound, sign in ((minimum, 1), (maximum, -1)):
        if bound is None:
            continue
        number = parse_number(bound)
        if number is not None:
            if isinstance(value, bool | str) or value is None or value == float("inf"):
                return False
            held = as_indexed(value)
            if (held < number) if sign > 0 else (held > number):
                return False
        elif not isinstance(value, str) or ((value < bound) if sign > 0 else (value > bound)):
            return False
    return True


def passes(fields: Fields, condition: FieldFilter) -> bool:
    present = fields.get(condition.field)
    held = present if isinstance(present, list) else [present]
    if condition.one_of and not any(equals(v, t) for v in held for t in condition.one_of):
        return False
    if condition.minimum is None and condition.maximum is None:
        return True
    return any(is_between(value, condition.minimum, condition.maximum) for value in held)


@settings(max_examples=400, deadline=None)
@given(st.lists(field_maps, max_size=6), st.lists(field_filters, max_size=2))
@example([{"x": 2**53}, {"x": 2**53 + 1}], [FieldFilter("x", minimum=str(2**53 + 1))])
@example([{"x": ["a", "a"]}], [FieldFilter("x", ("a",))])
@example([{"x": -(10**400)}], [FieldFilter("x", maximum=str(-(10**400)))])
@example([{"x": 10**400}], [FieldFilter("x", minimum=str(10**400))])
def test_field_filters_agree_with_a_plain_loop(
    rows: Sequence[Fields], conditions: Sequence[FieldFilter]
) -> None:
    expected = [n for n, row in enumerate(rows) if all(passes(row, one) for one in conditions)]
    filters = SearchFilters(fields=tuple(conditions))
    assert matching([with_fields(row) for row in rows], filters) == expected


days = st.datetimes(datetime(1960, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
far = st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999)])
dates = st.none() | days | far


@settings(max_examples=150, deadline=None)
@given(st.lists(dates, max_size=6), dates, dates)
def test_dates_are_bounded_to_the_microsecond(
    moments: Sequence[datetime | None], since: datetime | None, before: datetime | None
) -> None:
    rows = [chunk("t:1", modified=one.isoformat() if one else "soon").metadata for one in moments]

    def is_kept(moment: datetime | None) -> bool:
        if since is None and before is None:
            return True
        if moment is None:
            return False
        at = to_microseconds(moment)
        is_late_enough = since is None or at >= to_microseconds(since)
        return is_late_enough and (before is None or at < to_microseconds(before))

    expected = [number for number, moment in enumerate(moments) if is_kept(moment)]
    assert matching(rows, SearchFilters(since=since, before=before)) == expected


def test_neighbouring_microseconds_of_a_far_year_are_told_apart() -> None:
    moment = datetime(9999, 1, 1, tzinfo=UTC)  # too large a number for a double
    step = timedelta(microseconds=1)
    rows = [chunk("t:1", modified=(moment + n * step).isoformat()).metadata for n in range(4)]
    found = matching(rows, SearchFilters(since=moment + step, before=moment + 3 * step))
    assert found == [1, 2]


def test_a_metadata_field_never_meets_a_built_in_one_of_its_name() -> None:
    rows = [with_fields({"entity_type": "hero"}), chunk("hero:1", fields={}).metadata]
    assert matching(rows, SearchFilters(entity_types=("hero",))) == [1]
    assert matching(rows, SearchFilters(fields=(FieldFilter("entity_type", ("hero",)),))) == [0]
    assert matching(rows, SearchFilters(source_ids=("1",), entity_types=("t", "x"))) == [0]


def test_a_catalog_names_the_fields_of_which_a_row_has_a_value() -> None:
    rows = [with_fields({"b": 1, "none": None, "empty": []}), with_fields({"a": [None, "x"]})]
    assert catalog_of(rows).fields == ("a", "b")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("-0", 0),
        ("+07", 7),
        ("3.", 3.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("9" * 30, int("9" * 30)),
        ("", None),
        ("3 ", None),
        ("1_000", None),
        ("0x10", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("2020-01-01", None),
    ],
)
def test_only_plain_decimal_text_is_a_number(text: str, number: float | None) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "soon", "2020-13-01", None])
def test_text_that_is_no_date_is_no_moment(text: str | None) -> None:
    assert parse_moment(text) is None
