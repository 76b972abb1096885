"""Requests and responses without a socket."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.marvel.catalog.catalog import Catalog
from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.gateway import Gateway, content_etag
from examples.marvel.messages import (
    Request,
    Response,
    accepts_gzip,
    encode_response,
    etag_matches,
    split_target,
)

GATEWAY = Gateway(demo_catalog())
SIGNED = {"ts": "1", "apikey": "1234", "hash": "ffd275c5130566a2916217b101f26150"}


@pytest.mark.parametrize(
    ("header", "is_accepted"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip; q=0.001", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
    ],
)
def test_accept_encoding_is_understood(header: str, is_accepted: bool) -> None:
    assert accepts_gzip(header) is is_accepted


@pytest.mark.parametrize("header", ["abc", '"abc"', 'W/"abc"', 'x, "abc"', "*", ' "abc" '])
def test_if_none_match_is_understood(header: str) -> None:
    assert etag_matches(header, "abc")


@pytest.mark.parametrize("header", ["", "ab", '"abcd"', "ABC"])
def test_another_etag_does_not_match(header: str) -> None:
    assert not etag_matches(header, "abc")


def test_what_may_be_shown_of_a_request() -> None:
    request = Request("GET", "/v1/public/comics", {**SIGNED, "offset": "20", "limit": "10"})
    assert request.target == "/v1/public/comics?limit=10&offset=20"
    assert request.shown_parameters == {"ts": "1", "offset": "20", "limit": "10"}
    assert Request("GET", "/x", SIGNED).target == "/x"


@pytest.mark.parametrize(
    ("target", "path", "parameters"),
    [
        ("/a?b=1&b=2&c=", "/a", {"b": "2", "c": ""}),
        ("/a", "/a", {}),
        ("//[bad?x", "//[bad", {"x": ""}),
        ("/a?name=Ara%C3%B1a+2", "/a", {"name": "Araña 2"}),
        ("/a?b=1?2", "/a", {"b": "1?2"}),
    ],
)
def test_targets_are_split(target: str, path: str, parameters: dict[str, str]) -> None:
    assert split_target(target) == (path, parameters)


def test_an_empty_body_is_never_compressed() -> None:
    assert "Content-Encoding" not in encode_response(Response(304), "gzip").headers


def test_the_same_content_makes_the_same_bytes() -> None:
    request = Request("GET", "/v1/public/events", SIGNED, {"accept-encoding": "gzip"})
    one, other = GATEWAY.handle(request), GATEWAY.handle(request)
    plain = GATEWAY.handle(Request("GET", "/v1/public/events", SIGNED))
    assert one.body == other.body
    assert gzip.decompress(one.body) == plain.body


def test_the_etag_follows_the_content() -> None:
    data = {"total": 1, "results": [{"id": 1, "description": "a"}]}
    same = {"results": [{"description": "a", "id": 1}], "total": 1}
    changed = {"total": 1, "results": [{"id": 1, "description": "b"}]}
    assert content_etag(data) == content_etag(same)
    assert content_etag(data) != content_etag(changed)


@given(
    method=st.sampled_from(["GET", "POST", "HEAD"]),
    path=st.text().map(lambda text: "/v1/public/" + text) | st.text(),
    parameters=st.dictionaries(st.text(), st.text(), max_size=4),
    is_signed=st.booleans(),
)
def test_whatever_is_asked_gets_an_answer(
    method: str, path: str, parameters: dict[str, str], is_signed: bool
) -> None:
    all_parameters = {**parameters, **(SIGNED if is_signed else {})}
    response = GATEWAY.handle(Request(method, path, all_parameters))
    assert response.status in {200, 401, 404, 405, 409}
    assert response.body


def test_reset_restores_what_was_changed() -> None:
    gateway = Gateway(Catalog({"events": [{"id": 1, "title": "One", "resourceURI": ""}]}))
    gateway.put_entity("events", {"id": 1, "title": "Other", "resourceURI": ""})
    gateway.put_entity("events", {"id": 2, "title": "Two", "resourceURI": ""})
    gateway.reset()
    assert gateway.get_entity("events", 1) == {"id": 1, "title": "One", "resourceURI": ""}
    assert gateway.get_entity("events", 2) is None
