"""A page job says what to fetch; one whose query is of another form becomes a gap, not a crash."""

import json

import pytest

from shared.errors import SourceError
from shared.web.http_get import HttpResponse
from tests.fuzz.sources import source_over

NESTED = "[" * 2000
UNANSWERED = HttpResponse(404, {}, b"")


@pytest.mark.parametrize("written", ["", "no json", NESTED, "[]", "[1]", "[[1, 2, 3]]", "{}"])
def test_a_page_of_a_sitemap_corpus_that_names_no_urls(written: str) -> None:
    with pytest.raises(SourceError, match="names no urls"):
        source_over("sitemap", UNANSWERED).fetch("pages", {"urls": written}, None)


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        ("pages", {"urls": '[["http://[", null]]'}),
        ("sitemap", {"walk": '{"frames": [{"url": "http://["}]}'}),
    ],
)
def test_a_page_of_a_sitemap_corpus_that_names_no_address(
    endpoint: str, query: dict[str, str]
) -> None:
    with pytest.raises(SourceError, match="no web address"):
        source_over("sitemap", UNANSWERED).fetch(endpoint, query, None)


def test_a_wiki_that_wants_to_be_asked_with_half_of_a_character() -> None:
    query = {"continue": json.dumps({"gapcontinue": "\ud800"})}
    with pytest.raises(SourceError, match="half of a character"):
        source_over("wiki", UNANSWERED).fetch("listing", query, None)


@pytest.mark.parametrize("written", ["", "no json", NESTED, "[]", '{"a": 1}'])
def test_a_listing_page_of_a_wiki_that_continues_nowhere(written: str) -> None:
    with pytest.raises(SourceError, match="continues nowhere"):
        source_over("wiki", UNANSWERED).fetch("listing", {"continue": written}, None)
