"""What web sites, wikis and APIs of others answer."""

import json
from contextlib import suppress
from datetime import UTC, datetime

from shared.canonical.dates import normalise_date
from shared.canonical.raw_json import load_json
from shared.errors import SourceError
from shared.models.sources import (
    CursorPaging,
    HttpJsonSource,
    NextUrlPaging,
    RateLimit,
)
from shared.sources.http_json.answer import Answer
from shared.sources.http_json.links import comparable, next_address, next_link
from shared.sources.http_json.pagers import LedPager
from shared.sources.marvel.wrapper import parse_error, parse_page
from shared.sources.mediawiki.api import WikiAnswer, is_busy
from shared.sources.mediawiki.pages import CollectedPages
from shared.sources.sitemap.addresses import ending_of_no_page, is_below, normal_address
from shared.sources.sitemap.documents import read_sitemap
from shared.sources.sitemap.robots import Robots
from shared.sources.sitemap.walk import is_changed
from shared.sources.sitemap.web_page import page_line
from shared.sources.sitemap.web_text import is_refused
from shared.web.http_get import HttpResponse
from shared.web.outbound import OutboundGuard
from shared.web.redirects import Credentials, OutboundRequest, host_path, origin
from shared.web.retry import parse_retry_after
from tests.fuzz.target import Target, first_line, text_of

HOME = "https://a.example/api"
SINCE = datetime(2024, 1, 2, tzinfo=UTC)
LONGEST_WAIT_SECONDS = 1e12
PAGINGS = (CursorPaging(next_cursor="next"), NextUrlPaging(next_url="next"))


def page_answer(data: bytes) -> None:
    """An answer of a JSON API, and where it leads."""
    response = HttpResponse(200, {}, data, HOME)
    for paging in PAGINGS:
        settings = HttpJsonSource(url=HOME, items="items", total="total", paging=paging)
        pager = LedPager(settings, paging, ["a-secret-of-ours"])
        with suppress(SourceError):
            answer = Answer(response, settings.items)
            assert all(load_json(line) is not NotImplemented for line in answer.lines)
            with suppress(SourceError):
                assert answer.total("total") >= 0
            step = pager.following(pager.first(None), answer)
            if step is not None:
                pager.address(step).encode()
                assert pager.page_id(step)


def link_header(data: bytes) -> None:
    header = text_of(data)
    target = header
    with suppress(ValueError):
        target = next_link(header) or header
    with suppress(SourceError):
        address = next_address(HOME, target, HOME, "key", ["a-secret-of-ours"])
        assert "a-secret-of-ours" not in address
        comparable(address).encode()


def sitemap(data: bytes) -> None:
    with suppress(SourceError):
        for entry in read_sitemap(data, "a.example/sitemap.xml").entries:
            is_changed(entry, SINCE)
            if entry.last_modified is not None:
                normalise_date(entry.last_modified)
            follow(entry.address)


def follow(written: str) -> None:
    address = normal_address(written)
    if address is not None:
        assert normal_address(address) == address
        is_below(address, ["https://a.example/docs"])
        ending_of_no_page(address)
        address.encode("ascii")


def robots(data: bytes) -> None:
    rules = Robots(data.decode("utf-8-sig", "replace"))
    for address in (HOME, "https://a.example/docs/a%20b?c=d*$"):
        rules.allows(address)
    rate = rules.slowed(RateLimit(calls_per_second=1))
    assert rate.calls_per_second is not None
    assert 0 < rate.calls_per_second <= 1


def wiki_answer(data: bytes) -> None:
    is_busy(HttpResponse(200, {}, data))
    with suppress(SourceError):
        answer = WikiAnswer(data, "a.example/api.php")
        with suppress(SourceError):
            pages = CollectedPages()
            pages.add(answer)
            pages.add(answer)
            pages.having("revisions")
            for line in pages.lines():
                json.loads(line)
        with suppress(SourceError):
            json.dumps(answer.continuation).encode()
        assert answer.licence is None or answer.licence


def marvel_answer(data: bytes) -> None:
    parse_error(data)
    with suppress(SourceError):
        page = parse_page(data)
        assert all("\n" not in line for line in page.lines)


def response_headers(data: bytes) -> None:
    """A header, as it is read where a source sends it."""
    text = data.decode("latin-1")
    seconds = parse_retry_after(text, SINCE)
    assert seconds is None or 0 <= seconds < LONGEST_WAIT_SECONDS
    is_refused(text)
    asked = OutboundRequest(HOME, {"Accept": "a"}, Credentials({"Authorization": "secret"}))
    with suppress(SourceError):
        led = asked.redirected(text)
        is_at_home = origin(led.url) == origin(HOME)
        assert is_at_home or "Authorization" not in led.full_headers
        host_path(led.url)
        OutboundGuard().check_url(led.full_url)
        led.full_url.encode()


def page_line_of(data: bytes) -> None:
    """The first line is the type that the answer says it has."""
    content_type, body = first_line(data)
    headers = {"content-type": content_type, "last-modified": content_type}
    line = page_line(HOME, None, HttpResponse(200, headers, body, HOME))
    assert isinstance(json.loads(line), dict)
    line.encode()


TARGETS = {
    "link_header": Target(link_header, maximum_bytes=1000),
    "marvel_answer": Target(marvel_answer, is_json=True),
    "page_answer": Target(page_answer, is_json=True),
    "page_line": Target(page_line_of),
    "response_headers": Target(response_headers, maximum_bytes=500),
    "robots": Target(robots),
    "sitemap": Target(sitemap),
    "wiki_answer": Target(wiki_answer, is_json=True),
}
