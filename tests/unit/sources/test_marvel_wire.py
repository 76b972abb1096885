"""Signing, the wrapper, and the error bodies."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.sources.marvel.signing import MarvelKeys
from shared.sources.marvel.wrapper import parse_error, parse_page


def wrapped(**changes: Any) -> dict[str, Any]:
    data = {"offset": 0, "limit": 20, "total": 2, "count": 2, "results": [{"id": 1}, {"id": 2}]}
    return {
        "code": 200,
        "status": "Ok",
        "attributionText": "Data provided by Marvel. © 2024 MARVEL",
        "etag": "f" * 40,
        "data": data,
        **changes,
    }


def body(document: object) -> bytes:
    return json.dumps(document).encode()


def test_the_published_vector_of_the_signature() -> None:
    query = parse_qs(MarvelKeys("1234", "abcd").signed_query("1"))
    assert query == {"ts": ["1"], "apikey": ["1234"], "hash": ["ffd275c5130566a2916217b101f26150"]}


def test_keys_do_not_show_themselves() -> None:
    assert repr(MarvelKeys("1234", "abcd")) == "MarvelKeys()"


def test_a_page_is_read() -> None:
    page = parse_page(body(wrapped()))
    assert page.total == 2
    assert page.lines == ('{"id": 1}', '{"id": 2}')
    assert page.etag == "f" * 40
    assert page.attribution == "Data provided by Marvel. © 2024 MARVEL"
    assert page.newest_modified is None


def test_results_stay_exactly_as_received() -> None:
    text = (
        '{"data" : {"total": 3, "results" : [ {"price": 88.10, "big": 12345678901234567890,\r\n'
        '  "name": "\\u00e9 é \\/"} ,{"data": {"results": []}}, 1.50 ] } }'
    )
    assert parse_page(text.encode()).lines == (
        '{"price": 88.10, "big": 12345678901234567890,   "name": "\\u00e9 é \\/"}',
        '{"data": {"results": []}}',
        "1.50",
    )


def test_the_last_of_equal_names_counts_as_it_does_for_every_parser() -> None:
    text = '{"data": {"results": [1], "total": 1, "results": [2]}}'
    assert parse_page(text.encode()).lines == ("2",)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "is no JSON"),
        (b"<html>", "is no JSON"),
        (b'{"data": ', "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b'{"data": {"total": NaN, "results": []}}', "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (body([]), "another shape: body"),
        (body({"code": 200}), "another shape: data: Field required"),
        (body(wrapped(data=None)), "another shape: data"),
        (body(wrapped(data={"total": 1})), "another shape: data.results"),
        (body(wrapped(data={"total": -1, "results": []})), "another shape: data.total"),
        (body(wrapped(data={"total": 1, "results": {}})), "another shape: data.results"),
    ],
)
def test_an_answer_of_another_shape(answer: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        parse_page(answer)


@pytest.mark.parametrize(
    ("answer", "code", "message", "is_about_credentials"),
    [
        ({"code": "InvalidCredentials", "message": "No."}, "InvalidCredentials", "No.", True),
        ({"code": 409, "status": "Too many."}, 409, "Too many.", False),
        ({"code": 404}, 404, "no message", False),
        ({"code": 500, "status": "x" * 999}, 500, "x" * 200, False),
    ],
)
def test_both_shapes_of_error_bodies(
    answer: dict[str, Any], code: int | str, message: str, is_about_credentials: bool
) -> None:
    error = parse_error(body(answer))
    assert error is not None
    assert (error.code, error.message) == (code, message)
    assert error.is_about_credentials is is_about_credentials


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff", b"[]", b"{}", b'{"code": []}'])
def test_an_error_body_of_no_shape(answer: bytes) -> None:
    assert parse_error(answer) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.lists(JSON, max_size=6),
    st.dictionaries(st.text(), JSON, max_size=3),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_any_results_come_out_one_a_line(
    results: list[Any], others: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    data = {**others, "total": len(results), "results": results}
    document = {**others, **wrapped(data=data)}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    lines = parse_page(text.encode("utf-8", "surrogatepass")).lines
    assert [json.loads(line) for line in lines] == results
    assert not any("\n" in line or "\r" in line for line in lines)
