"""Sitemaps as documents, addresses in one form, robots.txt, raw lines, walks."""

import gzip
import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.models.sources import RateLimit
from shared.sources.sitemap import ROBOT_NAME, web_page
from shared.sources.sitemap.addresses import ending_of_no_page, is_below, normal_address
from shared.sources.sitemap.documents import SitemapEntry, read_sitemap
from shared.sources.sitemap.robots import Robots
from shared.sources.sitemap.walk import Frame, Walk, is_changed
from shared.sources.sitemap.web_page import page_line
from shared.web.http_get import USER_AGENT, HttpResponse

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
SINCE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://site.example/a"


def urlset(entries: str) -> bytes:
    return f'<?xml version="1.0"?>\n<urlset xmlns="{NAMESPACE}">{entries}</urlset>'.encode()


def test_a_set_of_pages() -> None:
    image = (
        "<i:image xmlns:i='http://i.example'><i:loc>https://site.example/a.png</i:loc></i:image>"
    )
    body = urlset(
        f"<url>{image}<loc> https://site.example/a?b=1&amp;c=2 </loc>"
        "<lastmod>2026-01-02</lastmod><priority>1</priority></url>"
        "<url><loc>https://site.example/b</loc><lastmod/></url><url/><other/>"
    )
    sitemap = read_sitemap(body, "here")
    assert sitemap.kind == "pages"
    assert sitemap.entries == (
        SitemapEntry("https://site.example/a?b=1&c=2", "2026-01-02"),
        SitemapEntry("https://site.example/b"),
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda body: b"\xef\xbb\xbf" + body])
def test_an_index_in_any_wrapping(pack: Any) -> None:
    body = "<sitemapindex><sitemap><loc>https://site.example/1.xml</loc></sitemap></sitemapindex>"
    sitemap = read_sitemap(pack(body.encode()), "here")
    assert sitemap.kind == "index"
    assert [entry.address for entry in sitemap.entries] == ["https://site.example/1.xml"]


def test_other_encodings_of_xml() -> None:
    text = "<?xml version='1.0' encoding='{}'?><urlset><url><loc>https://a.example/ü</loc></url></urlset>"
    for encoding in ("utf-16", "iso-8859-1"):
        sitemap = read_sitemap(text.format(encoding).encode(encoding), "here")
        assert sitemap.entries[0].address == "https://a.example/ü"


def test_a_list_of_addresses() -> None:
    sitemap = read_sitemap(b"https://site.example/a\r\n\r\n  http://site.example/b \n", "here")
    assert [entry.address for entry in sitemap.entries] == [URL, "http://site.example/b"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is no sitemap"),
        (b"under maintenance", "is no sitemap"),
        (b"<html><body>404</body></html>", "is no sitemap but 'html'"),
        (b"<rss><channel/></rss>", "is no sitemap but 'rss'"),
        (b"<urlset><url>", "no well-formed XML"),
        (b"<<< under maintenance", "no well-formed XML"),
        (b"<?xml version='1.0' encoding='no-such'?><urlset/>", "here"),
        (gzip.compress(b"<urlset/>", mtime=0)[:-9], "cut short"),
        (
            b'<!DOCTYPE u [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
            b"<urlset><url><loc>&b;</loc></url></urlset>",
            "is refused",
        ),
        (
            b'<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
            b"<urlset><url><loc>&x;</loc></url></urlset>",
            "is refused",
        ),
        (b'<!DOCTYPE urlset SYSTEM "http://evil.example/x.dtd"><urlset/>', "is refused"),
    ],
)
def test_what_is_no_sitemap_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read_sitemap(body, "here")


def test_a_sitemap_that_bursts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.sources.sitemap.documents.MAXIMUM_BYTES", 1000)
    with pytest.raises(SourceError, match="exceeds 1000 bytes"):
        read_sitemap(gzip.compress(b"<urlset>" + b" " * 10_000 + b"</urlset>"), "here")


@pytest.mark.parametrize("entries", ["<url><loc>https://a.example/</loc></url>", None])
def test_a_sitemap_of_too_many_addresses_is_refused(
    monkeypatch: pytest.MonkeyPatch, entries: str | None
) -> None:
    monkeypatch.setattr("shared.sources.sitemap.documents.MAXIMUM_ENTRIES", 3)

    def body(count: int) -> bytes:
        return urlset(entries * count) if entries else b"https://a.example/\n" * count

    assert len(read_sitemap(body(3), "here").entries) == 3
    with pytest.raises(SourceError, match="names more than 3 addresses"):
        read_sitemap(body(4), "here")


@pytest.mark.parametrize("nested", ["<a>" * 40 + "</a>" * 40, "<a/>" * 40, "<url/>" * 40])
def test_an_entry_of_too_many_elements_is_refused(
    monkeypatch: pytest.MonkeyPatch, nested: str
) -> None:
    monkeypatch.setattr("shared.sources.sitemap.documents.MAXIMUM_ELEMENTS", 30)
    with pytest.raises(SourceError, match="an entry of more than 30 elements"):
        read_sitemap(urlset(f"<url>{nested}</url>"), "here")
    # What is done with is forgotten: of entries there may be more.
    few = "<url><loc>https://a.example/</loc></url>" * 40
    assert len(read_sitemap(urlset(few + "<other/>" * 40), "here").entries) == 40


def test_what_is_not_needed_any_more_of_a_sitemap_takes_no_memory() -> None:
    body = urlset("<url><priority>1</priority></url><other/>" * 20_000)
    tracemalloc.start()
    try:
        read_sitemap(body, "here")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000  # kept, its elements took 3.5 MB


def test_a_date_of_a_page_long_is_none() -> None:
    body = urlset(f"<url><loc>{URL}</loc><lastmod>{'9' * 5000}</lastmod></url>")
    assert read_sitemap(body, "here").entries == (SitemapEntry(URL),)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_sitemap_or_refused(body: bytes) -> None:
    for given_body in (body, urlset("") + body, gzip.compress(body)):
        try:
            read_sitemap(given_body, "here")
        except SourceError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" HTTPS://Site.Example:443/a#top ", URL),
        ("http://site.example:80", "http://site.example/"),
        ("http://site.example:8080/?q=ü x", "http://site.example:8080/?q=%C3%BC%20x"),
        ("https://bücher.example/ä%20b", "https://xn--bcher-kva.example/%C3%A4%20b"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("ftp://site.example/a", None),
        ("//site.example/a", None),
        ("/a", None),
        ("https://user:pass@site.example/a", None),
        ("https://site.example:port/a", None),
        ("https://[broken/a", None),
        ("https://.../a", None),
        ("https://site.example/" + "a" * 2000, None),
        ("", None),
    ],
)
def test_addresses_have_one_form(text: str, address: str | None) -> None:
    assert normal_address(text) == address


@given(st.text(max_size=40) | st.text(max_size=40).map("https://site.example/{}".format))
def test_a_normal_address_stays_as_it_is(text: str) -> None:
    address = normal_address(text)
    if address is not None:
        assert normal_address(address) == address
        assert address.isascii()
        assert "#" not in address


@pytest.mark.parametrize(
    ("address", "prefix", "below"),
    [
        ("https://a.example/docs/x", "https://a.example/docs/", True),
        ("https://a.example/docs/x", "https://a.example/docs", True),
        ("https://a.example/docs", "https://a.example/docs", True),
        ("https://a.example/docs?x=1", "https://a.example/docs", True),
        ("https://a.example/docsearch", "https://a.example/docs", False),
        ("https://a.example/", "https://a.example/docs", False),
        ("https://a.example.evil.example/", "https://a.example/", False),
    ],
)
def test_what_is_below_a_prefix(address: str, prefix: str, below: bool) -> None:
    assert is_below(address, [prefix]) is below
    assert is_below(address, [])


@pytest.mark.parametrize(
    ("address", "ending"),
    [
        ("https://a.example/x.pdf", ".pdf"),
        ("https://a.example/x.PNG?y=1", ".PNG"),
        ("https://a.example/x.html", None),
        ("https://a.example/v1.2", None),
        ("https://a.example/zip", None),
        ("https://a.example/x.zip/", None),
    ],
)
def test_endings_of_what_is_no_page(address: str, ending: str | None) -> None:
    assert ending_of_no_page(address) == ending


ROBOTS = """
User-agent: *
Disallow: /private
Allow: /private/open$
Disallow: /*.cgi
Crawl-delay: 4

User-agent: Ultron-Embeddings
Disallow: /secret
Crawl-delay: 10
"""


def test_robots_are_ours_where_they_name_us() -> None:
    robots = Robots(ROBOTS)
    assert robots.allows("https://a.example/private")
    assert not robots.allows("https://a.example/secret/x")
    assert USER_AGENT.startswith(f"{ROBOT_NAME}/")


def test_robots_are_those_of_everybody_otherwise() -> None:
    robots = Robots(ROBOTS.replace("Ultron-Embeddings", "otherbot"))
    assert not robots.allows("https://a.example/private/x")
    assert robots.allows("https://a.example/private/open")
    assert not robots.allows("https://a.example/x.cgi")
    assert robots.allows("https://a.example/secret")


@pytest.mark.parametrize("text", ["", "<html>404</html>", "\x00\ufffd: \n:::", "Disallow: /"])
def test_robots_that_say_nothing_allow_everything(text: str) -> None:
    assert Robots(text).allows("https://a.example/x")


@pytest.mark.parametrize(
    ("delay", "rate", "slowed"),
    [
        ("10", RateLimit(calls_per_second=2, burst=9, calls_per_day=5), (0.1, 1, 5)),
        ("0.1", RateLimit(calls_per_second=2, burst=9), (2, 9, None)),
        ("4", RateLimit(), (0.25, 1, None)),
        ("0", RateLimit(calls_per_second=2, burst=3), (2, 3, None)),
        ("soon", RateLimit(calls_per_second=2, burst=3), (2, 3, None)),
        ("-1", RateLimit(calls_per_second=2, burst=3), (2, 3, None)),
        ("1e308", RateLimit(calls_per_second=2, burst=3), (1 / 86_400, 1, None)),
    ],
)
def test_a_crawl_delay_only_ever_slows(
    delay: str, rate: RateLimit, slowed: tuple[float, int, int | None]
) -> None:
    found = Robots(f"User-agent: *\nCrawl-delay: {delay}\nDisallow:").slowed(rate)
    assert (found.calls_per_second, found.burst, found.calls_per_day) == slowed


def line_of(body: bytes, content_type: str | None = "text/html", **headers: str) -> dict[str, Any]:
    named = {} if content_type is None else {"content-type": content_type}
    response = HttpResponse(200, {**named, **headers}, body, url=URL)
    line = page_line(URL, None, response)
    assert "\n" not in line
    line.encode()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize(
    ("body", "content_type", "html"),
    [
        ("<p>ü".encode(), "text/html; charset=utf-8", "<p>ü"),
        ("<p>ü".encode("latin-1"), "text/html; charset=ISO-8859-1", "<p>ü"),
        ("<p>€".encode("cp1252"), "text/html; charset=latin1", "<p>€"),
        (
            "<meta charset=windows-1251><p>щ".encode("cp1251"),
            "text/html",
            "<meta charset=windows-1251><p>щ",
        ),
        (
            "<meta charset=koi8-r><p>ü".encode(),
            "text/html; charset=utf-8",
            "<meta charset=koi8-r><p>ü",
        ),
        (b"\xef\xbb\xbf" + "<p>ü".encode(), "text/html; charset=latin1", "<p>ü"),
        ("\ufeff<p>ü".encode("utf-16-le"), "text/html", "<p>ü"),
        ("<p>ü".encode(), "text/html; charset=no-such", "<p>ü"),
        (b"<p>\xff", "text/html; charset=utf-8", "<p>\ufffd"),
        (b"<p>x", "text/html; charset=base64", "<p>x"),
        (b"<p>x-kva", "text/html; charset=punycode", "<p>x-kva"),
        (b"<meta charset=punycode><p>x-kva", "text/html", "<meta charset=punycode><p>x-kva"),
        (b"<p>\\ud800", "text/html; charset=unicode-escape", "<p>?"),
        (b"<p>x", "application/xhtml+xml", "<p>x"),
        (b" <p>x", None, " <p>x"),
    ],
)
def test_texts_are_decoded_as_in_a_browser(
    body: bytes, content_type: str | None, html: str
) -> None:
    assert line_of(body, content_type)["html"] == html


@pytest.mark.parametrize(
    ("body", "content_type", "problem"),
    [
        (b"%PDF", "application/pdf", "application/pdf"),
        (b"{}", "application/json; charset=utf-8", "application/json"),
        (b"%PDF", None, "not given"),
        (b"", None, "not given"),
        (b"<p>" + b"x" * 100, "text/html", "over the limit of 50"),
    ],
)
def test_what_is_no_web_page_says_so(
    monkeypatch: pytest.MonkeyPatch, body: bytes, content_type: str | None, problem: str
) -> None:
    monkeypatch.setattr(web_page, "MAXIMUM_HTML_BYTES", 50)
    found = line_of(body, content_type)
    assert problem in found["problem"]
    assert "html" not in found


def test_a_line_has_what_the_headers_say() -> None:
    found = line_of(
        b"<p>x",
        **{"last-modified": "Wed, 21 Oct 2015 07:28:00 GMT", "x-robots-tag": "noindex"},
    )
    assert found["last_modified"] == "2015-10-21T07:28:00+00:00"
    assert found["robots"] == "noindex"
    assert "found_at" not in found
    for odd in ("yesterday", "Wed, 21 Oct 2015 07:28:00 +99999999999999999999"):
        assert line_of(b"<p>x", **{"last-modified": odd})["last_modified"] is None


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        (None, True),
        ("2026-11-22", True),
        ("2026-11-21", False),
        ("2026-11-22T11:59:00Z", False),
        ("2026-11-22T13:00:00+02:00", False),
        ("2026-11-22T12:00:01Z", True),
        ("2026-11-22T01:00:00", True),
        ("2026-11", True),
        ("soon", True),
        ("9999-12-31", True),
        ("0001-01-01", False),
    ],
)
def test_what_may_have_changed_is_read(written: str | None, changed: bool) -> None:
    assert is_changed(SitemapEntry(URL, written), SINCE) is changed
    assert is_changed(SitemapEntry(URL, written), None)


@pytest.mark.parametrize(
    ("listed", "start"),
    [
        ("abcdef", 3),  # as it was
        ("xyabcdef", 5),  # new ones came first
        ("cdef", 1),  # some before went
        ("abdef", 2),  # the last one went: what followed it is not left out
        ("", 2),
    ],
)
def test_a_walk_goes_on_where_it_was_though_the_sitemap_changed(listed: str, start: int) -> None:
    assert Frame(url=URL, position=3, behind="c").unread(listed) == start
    assert Frame(url=URL).unread(listed) == 0


def test_a_walk_survives_its_query() -> None:
    walk = Walk(
        frames=(Frame(url=URL, position=3, behind="c"), Frame(url=URL, depth=1)),
        pages=4,
        sitemaps=2,
        since=SINCE,
    )
    assert Walk.of_query(walk.query()) == walk


@pytest.mark.parametrize("text", ["", "{}", '{"frames":[]}', '{"frames":[{"url":"x","depth":-1}]}'])
def test_queries_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(SourceError, match="names no walk"):
        Walk.of_query({"walk": text})


@pytest.mark.parametrize(
    ("agent", "is_ours"),
    [
        ("User-agent: *", True), ("user-agent:ultron-embeddings", True),
        ("useragent ultron*", True),
        ("User  agent Ultron-Embeddings # us", True), ("User agent: ultron", True),
        ("User-agent: another", False), ("useragent otherbot", False), ("User-agent: **", False),
    ],
)  # fmt: skip
def test_groups_for_others_stay_apart_from_ours(agent: str, is_ours: bool) -> None:
    robots = Robots(f"User-agent: nobody\nDisallow: /a\n\n{agent}\nDisallow: /b\n")
    assert robots.allows("https://a.example/a")
    assert robots.allows("https://a.example/b") is not is_ours


def test_a_sitemap_of_long_comments_is_refused_and_one_of_short_ones_is_read() -> None:
    entry = b"<url><loc>https://a.example/x</loc></url>"
    comment = b"<!--" + b"c" * 200_000 + b"-->"
    body = b"<urlset>" + (comment + entry) * 4 + b"</urlset>"
    assert len(read_sitemap(body, "a.example/sitemap.xml").entries) == 4
    with pytest.raises(SourceError, match="bytes between two elements"):
        read_sitemap(body.replace(comment, comment * 2), "a.example/sitemap.xml")
