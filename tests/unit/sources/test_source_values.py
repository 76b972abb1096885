"""Dates, redaction, gzip, raw metadata, and the identity of a page."""

import gzip
import json
import logging
import time
import tomllib
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical.dates import normalise_date
from shared.errors import SourceError
from shared.models.jobs import PageJob
from shared.sources.base import FetchedPage, query_hash
from shared.sources.raw_object import raw_metadata, read_attribution
from shared.web.http_get import USER_AGENT, DamagedDataError, gunzip
from shared.web.redaction import RedactingFilter, redact

JOB = PageJob(
    corpus="marvel",
    run_id="20261123T060000Z-1a2b3c4d",
    page_id="comics-00001",
    seq=1_795_413_600_123,
    endpoint="comics",
    query={"orderBy": "modified", "name": "é"},
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2020-04-04T19:01:59-0400", "2020-04-04T19:01:59-04:00"),
        ("2020-04-04T19:01:59+05:30", "2020-04-04T19:01:59+05:30"),
        ("2020-04-04T19:01:59.123456Z", "2020-04-04T19:01:59.123456Z"),
        ("2020-04-04T19:01:59z", "2020-04-04T19:01:59Z"),
        ("1989-12-10 00:00:00", "1989-12-10T00:00:00"),
        ("1989-12-10 00:00", "1989-12-10T00:00:00"),
        (" 1989-12-10 ", "1989-12-10"),
        ("-0001-11-30T00:00:00-0500", None),
        ("0000-00-00 00:00:00", None),
        ("2021-02-29", None),
        ("2021-02-28T25:00:00", None),
        ("20210228", None),
        ("2021-W01", None),
        ("Sat, 04 Apr 2020 19:01:59 -0400", "2020-04-04T19:01:59-04:00"),
        (" 4 Apr 2020 19:01 GMT ", "2020-04-04T19:01:00+00:00"),
        ("Sat, 31 Nov 2020 19:01:59 GMT", None),
        ("4 Xyz 2020 19:01:59 GMT", None),
        ("4 Apr 2020 19:01:59 +9999", None),
        ("4 Apr 2020", None),
        ("4 Apr 0020 19:01:59 GMT", None),
        ("4 Apr 2020 19:01:59", None),
        ("yesterday", None),
        ("", None),
        ("\u0662\u0660\u0662\u0661-01-01", None),
    ],
)
def test_dates(text: str, normal: str | None) -> None:
    assert normalise_date(text) == normal


@given(
    st.from_regex(
        r"(Sat, )?\d{1,2} (Feb|Dec|[A-Z][a-z]{2}) \d{4} \d\d:\d\d(:\d\d)? (GMT|[+-]\d{4})"
    )
)
def test_what_looks_like_a_written_date_is_one_or_none(text: str) -> None:
    normal = normalise_date(text)
    assert normal is None or normalise_date(normal) == normal


@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_a_normal_date_stays(moment: object) -> None:
    text = str(moment)
    normal = normalise_date(text)
    if normal is not None:
        assert normalise_date(normal) == normal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://a/v1?x=1&apikey=1234&hash=ab&ts=9", "http://a/v1?x=1&apikey=***&hash=***&ts=***"),
        ("https://user:word@a/", "https://***@a/"),
        ("the key abcd is wrong", "the key *** is wrong"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_redaction(text: str, shown: str) -> None:
    assert redact(text, ("abcd", "")) == shown


def test_log_records_are_redacted_and_never_dropped() -> None:
    record = logging.LogRecord(
        "urllib3", logging.DEBUG, "", 1, '"%s %s"', ("GET", "/v1?x-token=secret&a=1"), None
    )
    assert RedactingFilter().filter(record)
    assert record.getMessage() == '"GET /v1?***"'


@given(st.binary(), st.binary())
def test_gunzip_reads_one_or_more_members(first: bytes, second: bytes) -> None:
    packed = gzip.compress(first) + gzip.compress(second)
    assert gunzip(packed, len(first) + len(second)) == first + second


@given(st.binary(min_size=1), st.data())
def test_gunzip_notices_every_cut(content: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(content)
    cut = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(DamagedDataError):
        gunzip(packed[:cut], 1_000_000)


def test_gunzip_stops_a_bomb_at_its_bound() -> None:
    packed = gzip.compress(bytes(10_000_000))
    with pytest.raises(SourceError, match="exceeds 1000 bytes when decompressed"):
        gunzip(packed, 1000)


def test_gunzip_of_many_members_takes_no_time_by_their_square() -> None:
    member = gzip.compress(b"x")
    packed = member * (4_000_000 // len(member)) + bytes(4_000_000)
    began = time.process_time()
    assert len(gunzip(packed, 1_000_000)) == 4_000_000 // len(member)
    assert time.process_time() - began < 8  # all in one piece: half a minute and more


@pytest.mark.parametrize(
    "data", [b"no gzip at all", zlib.compress(b"x"), gzip.compress(b"x", mtime=0) + b"x"]
)
def test_gunzip_refuses_other_data(data: bytes) -> None:
    with pytest.raises(DamagedDataError):
        gunzip(data, 1000)


def test_raw_metadata_is_ascii_and_holds_the_origin() -> None:
    page = FetchedPage(("{}",), "etag1", "Data by Märvel ©")
    metadata = raw_metadata(JOB, "marvel", page)
    assert all(value.isascii() for value in metadata.values())
    assert metadata["source"] == "marvel"
    assert metadata["endpoint"] == "comics"
    assert metadata["etag"] == "etag1"
    assert metadata["run_ts"] == "2026-11-23T06:00:00.123+00:00"
    assert json.loads(metadata["query"]) == JOB.query
    assert read_attribution(metadata) == "Data by Märvel ©"


def test_raw_metadata_leaves_out_what_the_source_does_not_give() -> None:
    metadata = raw_metadata(JOB, "jsonl", FetchedPage(()))
    assert set(metadata) == {"source", "endpoint", "run_ts", "query"}
    assert read_attribution(metadata) is None


def test_a_page_is_identified_by_endpoint_and_query_in_any_order() -> None:
    base = query_hash("comics", {"a": "1", "b": "2"})
    assert base == query_hash("comics", {"b": "2", "a": "1"})
    others = {
        query_hash("series", {"a": "1", "b": "2"}),
        query_hash("comics", {"a": "1", "b": "3"}),
        query_hash("comics", {"a": "1&b=2"}),
    }
    assert base not in others
    assert len(others) == 3


def test_the_user_agent_names_this_version() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert USER_AGENT.startswith(f"{project['name']}/{project['version']} ")
