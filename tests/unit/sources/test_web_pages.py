"""Pages of web sites: the readable part, what the head says, who asks not to be indexed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.canonical.records import (
    RecordContext,
    RecordLeftOutError,
    RecordRejectedError,
)
from shared.models.entity import Entity
from shared.sources.sitemap import web_text
from shared.sources.sitemap.entities import canonicalise_web_page, page_identity
from shared.sources.sitemap.web_text import is_refused

CONTEXT = RecordContext("pages", "20261123T060000Z-1a2b3c4d")
ADDRESS = "https://site.example/robots/ultron?lang=en"
BODY = (
    "<nav><a href='/'>Home</a><a href='/all'>All robots</a></nav><article><h1>Ultron</h1>"
    "<p>Ultron is a robot with a will of its own, and was built by a man.</p>"
    "<p>It wants peace in its time: a world without men, which is very quiet.</p></article>"
    "<footer>Imprint and cookies</footer>"
)
PIECES = st.sampled_from(
    "<html>,<head>,</head>,<body>,<p>,</p>,<div>,<article>,</article>,<table>,<tr>,<td>,<li>,<a>,"
    "<title>,</title>,<script>,</script>,<!--,-->,<meta name=robots ,<link rel=canonical ,href=//[,"
    "content=,&amp;,&#0;,&#xD800;,\x00,<![CDATA[,<?xml ,<svg>,<style>,<br>,lang=x,>,'".split(",")
)


def html(head: str = "<title>Ultron</title>", body: str = BODY) -> str:
    return f'<!doctype html><html lang="en-GB"><head>{head}</head><body>{body}</body></html>'


def record(markup: str | None = None, **members: Any) -> dict[str, Any]:
    return {"url": ADDRESS, "status": 200, "html": html() if markup is None else markup, **members}


def entity_of(page: dict[str, Any]) -> Entity:
    return canonicalise_web_page("page", page, CONTEXT).entity


def test_a_page_makes_an_entity() -> None:
    head = (
        "<title>Ultron</title><link rel='canonical' href='/robots/ultron'>"
        "<meta name='author' content='Hank Pym'>"
        "<meta property='article:published_time' content='2020-01-02T03:04:05Z'>"
    )
    entity = entity_of(record(html(head), last_modified="2026-01-02"))
    assert entity.key == "page:/robots/ultron?lang=en"
    assert (entity.source, entity.title) == ("sitemap", "Ultron")
    assert "Ultron is a robot with a will of its own" in entity.description
    assert "peace in its time" in entity.description
    assert "cookies" not in entity.description
    assert "All robots" not in entity.description
    assert entity.urls == ("https://site.example/robots/ultron",)
    assert entity.modified == "2026-01-02"
    assert entity.fields["language"] == "en-GB"
    assert entity.fields["published"] == "2020-01-02"
    assert entity.fields["author"] == "Hank Pym"


def test_the_day_of_publication_stands_in_for_that_of_the_last_change() -> None:
    head = "<title>U</title><meta property='article:published_time' content='2020-01-02'>"
    assert entity_of(record(html(head))).modified == "2020-01-02"


def test_publication_and_the_last_change_are_told_apart() -> None:
    head = (
        "<title>U</title><meta property='article:published_time' content='2020-01-02'>"
        "<meta property='article:modified_time' content='2021-03-04T05:06:07Z'>"
    )
    entity = entity_of(record(html(head)))
    assert entity.fields["published"] == "2020-01-02"
    assert entity.modified == "2021-03-04T05:06:07Z"
    assert entity_of(record(html(head), last_modified="2026-01-02")).modified == "2026-01-02"


@pytest.mark.parametrize(
    ("head", "found_at", "shown"),
    [
        ("", None, ADDRESS),
        ("", "https://site.example/new", "https://site.example/new"),
        ("<link rel=canonical href=''>", None, ADDRESS),
        ("<link rel=canonical href='javascript:alert(1)'>", None, ADDRESS),
        ("<link rel=canonical href='https://[broken'>", None, ADDRESS),
        ("<link rel='alternate' href='/feed'>", None, ADDRESS),
        (
            "<link rel=canonical href='deep'>",
            "https://site.example/a/b",
            "https://site.example/a/deep",
        ),
    ],
)
def test_the_address_that_is_shown(head: str, found_at: str | None, shown: str) -> None:
    page = record(html(f"<title>U</title>{head}"), found_at=found_at)
    assert entity_of(page).urls == (shown,)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ({"url": ADDRESS, "status": 200}, "was not read"),
        (record(""), "cannot be parsed"),
        (record("   "), "cannot be parsed"),
        (record("<svg><html>"), "cannot be read: AssertionError"),
        ({"url": 5, "html": "x"}, "valid string"),
        ({"url": "ftp://site.example/x", "html": html()}, "must be a web address"),
        ({"url": "https://[broken", "html": html()}, "must be a web address"),
    ],
)
def test_what_cannot_be_read_is_rejected(page: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordRejectedError, match=reason) as caught:
        entity_of(page)
    assert not isinstance(caught.value, RecordLeftOutError)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (record(problem="not a web page: its type is application/pdf"), "application/pdf"),
        (record(html(body="")), "no readable text"),
        (record(html("<meta name='Robots' content='NOINDEX, follow'>")), "not to be indexed"),
        (record(html("<meta name='robots' content='none'>")), "not to be indexed"),
        (record(html("<meta name='ultron-embeddings' content='noindex'>")), "not to be indexed"),
        (record(robots="noindex"), "site asks not to index"),
    ],
)
def test_what_is_not_for_indexing_is_left_out(page: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordLeftOutError, match=reason):
        entity_of(page)


@pytest.mark.parametrize(
    ("header", "refused"),
    [
        ("", False),
        ("noindex", True),
        ("nofollow, NoIndex", True),
        ("none", True),
        ("otherbot: noindex", False),
        ("otherbot: nofollow, noindex", False),
        ("ultron-embeddings: noindex", True),
        ("otherbot: noindex, ultron-embeddings: none", True),
        ("max-snippet: 20, noindex", True),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST", False),
        ("unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, noindex", True),
        ("*: noindex", True),
        ("noindexing", False),
    ],
)
def test_headers_for_robots(header: str, refused: bool) -> None:
    assert is_refused(header) is refused


def test_meta_elements_for_other_robots_do_not_count() -> None:
    head = "<title>U</title><meta name='googlebot' content='noindex'>"
    assert entity_of(record(html(head))).title


def test_a_page_without_a_title_says_so() -> None:
    body = "<p>A text that has no heading at all, only words and words, one after another.</p>"
    entity = entity_of(record(html("", body)))
    assert entity.title == ""
    assert entity.warnings == ("the source has no title",)


def test_the_size_of_a_page_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_text, "MAXIMUM_ELEMENTS", 8)
    with pytest.raises(RecordLeftOutError, match="more than 8 elements"):
        entity_of(record())
    monkeypatch.setattr(web_text, "MAXIMUM_HTML_CHARACTERS", 100)
    with pytest.raises(RecordLeftOutError, match="more than 100 characters"):
        entity_of(record())


@pytest.mark.parametrize("error", [ModuleNotFoundError, MemoryError])
def test_what_is_not_the_fault_of_a_page_rejects_none(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(web_text, "_read", fail)
    with pytest.raises(error):
        entity_of(record())


def test_elements_within_elements_without_end() -> None:
    with pytest.raises(RecordLeftOutError):
        entity_of(record("<html><body>" + "<div>" * 20_000 + "text"))


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("https://site.example", "/"),
        ("https://site.example/", "/"),
        ("http://other.example:8080/a/b/", "/a/b/"),
        ("https://site.example/a?b=1&c=%20", "/a?b=1&c=%20"),
    ],
)
def test_a_page_is_known_by_its_path(url: str, identity: str) -> None:
    assert page_identity(url) == identity


def test_long_paths_are_known_by_their_hash() -> None:
    identity = page_identity(f"https://site.example/{'a' * 400}")
    assert identity.startswith("sha256-")
    assert identity != page_identity(f"https://site.example/{'a' * 399}b")
    assert len(identity) <= 400


@settings(max_examples=60, deadline=None)  # the first example imports trafilatura
@given(st.lists(PIECES | st.text(max_size=12), max_size=30).map("".join))
def test_any_text_is_an_entity_or_a_reject(markup: str) -> None:
    try:
        entity = entity_of(record(markup.encode("utf-8", "replace").decode()))
    except RecordRejectedError as error:
        assert str(error)
        return
    entity.model_dump_json().encode()
    assert entity.description
