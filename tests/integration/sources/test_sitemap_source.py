"""The sitemap source against a real web site."""

import gzip
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import (
    BudgetExhaustedError,
    PostponedError,
    SourceError,
    SourceUnavailableError,
)
from shared.models.run import EndpointCheckpoint
from shared.models.sources import RateLimit, SitemapSource
from shared.sources.base import FetchedPage, PlannedPage
from shared.sources.sitemap.robots import RobotsCache
from shared.sources.sitemap.source import PAGES, SITEMAP, SitemapPages
from shared.web.client import SourceClient
from tests.integration.conformance.server import SiteServer
from tests.integration.conformance.site import Answer
from tests.integration.sources.clients import OpenRates, StillTime, local_client
from tests.integration.sources.routes import FewSlots, SlowTurns, running_routes
from tests.integration.sources.scripted_server import Request

HTML = (("Content-Type", "text/html; charset=utf-8"),)


class WebSite:
    """Files by path; what is not there is answered with 404."""

    def __init__(self) -> None:
        self.files: dict[str, Answer] = {}
        self.server: SiteServer | None = None
        self.rates: list[RateLimit] = []

    def answer(self, request: Request) -> Answer:
        return self.files.get(request.path, Answer(status=404))

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    @property
    def paths(self) -> list[str]:
        """What was asked for, robots.txt left out."""
        assert self.server is not None
        paths = [request.path for request in self.server.requests]
        return [path for path in paths if path != "/robots.txt"]

    def put(self, path: str, body: str, *headers: tuple[str, str]) -> None:
        self.files[path] = Answer((body.encode(),), headers=headers or HTML)

    def put_pages(self, path: str, *places: str, last_modified: str = "") -> None:
        self._put_sitemap(path, "urlset", "url", places, last_modified)

    def put_index(self, path: str, *places: str, last_modified: str = "") -> None:
        self._put_sitemap(path, "sitemapindex", "sitemap", places, last_modified)

    def source(
        self,
        rates: OpenRates | None = None,
        robots: RobotsCache | None = None,
        sitemap: str = "/sitemap.xml",
        time: StillTime | None = None,
        **settings: Any,
    ) -> SitemapPages:
        made = SitemapSource.model_validate({"sitemap_url": f"{self.url}{sitemap}", **settings})

        def make_client(rate: RateLimit) -> SourceClient:
            self.rates.append(rate)
            return local_client(rates, time, rate=rate)

        timing = (time or StillTime()).timing
        return SitemapPages(made, make_client, robots or RobotsCache(), timing)

    def _put_sitemap(
        self, path: str, root: str, entry: str, places: tuple[str, ...], last_modified: str
    ) -> None:
        written = f"<lastmod>{last_modified}</lastmod>" if last_modified else ""
        locations = [place if "://" in place else self.url + place for place in places]
        entries = "".join(
            f"<{entry}><loc>{location}</loc>{written}</{entry}>" for location in locations
        )
        self.put(path, f"<{root}>{entries}</{root}>")


@pytest.fixture
def site() -> Iterator[WebSite]:
    site = WebSite()
    with running_routes(site.answer) as server:
        site.server = server
        yield site


def first_step(source: SitemapPages) -> PlannedPage:
    [page] = source.plan("full", lambda _: EndpointCheckpoint()).pages
    return page


def walk(source: SitemapPages, start: PlannedPage | None = None) -> list[PlannedPage]:
    """Take every step of the walk; the content pages that it finds, their ids all different."""
    steps, found = deque([start or first_step(source)]), []
    ids: set[str] = set()
    while steps:
        page = steps.popleft()
        assert page.page_id not in ids
        ids.add(page.page_id)
        if page.endpoint == PAGES:
            found.append(page)
            continue
        fetched = source.fetch(page.endpoint, page.query, None)
        assert fetched.lines == ()
        steps.extend(fetched.next_pages)
        assert len(ids) < 100
    return found


def addresses(site: WebSite, *pages: PlannedPage) -> list[list[str]]:
    return [
        [url.removeprefix(site.url) for url, _ in json.loads(page.query["urls"])] for page in pages
    ]


def content(site: WebSite, *places: str) -> dict[str, str]:
    return {"urls": json.dumps([[f"{site.url}{place}", None] for place in places])}


def read(site: WebSite, page: FetchedPage) -> list[str]:
    return [json.loads(line)["url"].removeprefix(site.url) for line in page.lines]


def test_the_plan_is_one_step_and_asks_nothing(site: WebSite) -> None:
    [endpoint] = site.source().plan("full", lambda _: EndpointCheckpoint()).endpoints
    assert [page.endpoint for page in endpoint.pages] == [SITEMAP]
    assert endpoint.next_checkpoint.last_modified == "2026-11-23T05:55:00+00:00"
    assert site.paths == []


def test_the_pages_of_a_sitemap(site: WebSite) -> None:
    site.put_pages(
        "/sitemap.xml", "/a", "/b#top", "/a", "/c", "https://other.example/x", "mailto:a@b.example",
        last_modified="2026-01-02",
    )  # fmt: skip
    pages = walk(site.source(urls_per_page=2))
    assert addresses(site, *pages) == [["/a", "/b"], ["/c"]]
    assert json.loads(pages[1].query["urls"]) == [[f"{site.url}/c", "2026-01-02"]]


def test_nested_sitemaps_gzipped_and_plain(site: WebSite) -> None:
    site.put_index("/sitemap.xml", "/deep.xml", "/list.txt", "https://other.example/sitemap.xml")
    site.put_index("/deep.xml", "/packed.xml.gz", "/sitemap.xml", "/deep.xml")
    packed = f"<urlset><url><loc>{site.url}/a</loc></url></urlset>".encode()
    site.files["/packed.xml.gz"] = Answer((gzip.compress(packed),))
    site.put("/list.txt", f"{site.url}/b\n{site.url}/c\n", ("Content-Type", "text/plain"))
    assert addresses(site, *walk(site.source())) == [["/a"], ["/b", "/c"]]


def test_the_same_page_on_two_sitemaps_is_no_loop(site: WebSite) -> None:
    site.put_index("/sitemap.xml", "/1.xml", "/2.xml")
    site.put_pages("/1.xml", "/a")
    site.put_pages("/2.xml", "/a")
    assert addresses(site, *walk(site.source())) == [["/a"], ["/a"]]


def test_an_incremental_run_reads_what_may_have_changed(site: WebSite) -> None:
    site.put_index("/sitemap.xml", "/new.xml", last_modified="2026-11-23")
    site.put(
        "/new.xml",
        "<urlset>"
        f"<url><loc>{site.url}/old</loc><lastmod>2026-11-19</lastmod></url>"
        f"<url><loc>{site.url}/new</loc><lastmod>2026-11-22T08:00:00Z</lastmod></url>"
        f"<url><loc>{site.url}/silent</loc></url></urlset>",
    )
    source = site.source()
    known = EndpointCheckpoint(last_modified="2026-11-20T05:55:00+00:00")
    [start] = source.plan("incremental", lambda _: known).pages
    assert addresses(site, *walk(source, start)) == [["/new", "/silent"]]
    assert addresses(site, *walk(source)) == [["/old", "/new", "/silent"]]
    site.put_index("/sitemap.xml", "/new.xml", last_modified="2026-11-19")
    assert walk(source, start) == []


def test_only_what_is_below_the_prefixes(site: WebSite) -> None:
    site.put_pages("/sitemap.xml", "/guide/a", "/guidelines", "/blog", "/api/x")
    prefixes = [f"{site.url}/guide", f"{site.url}/api/"]
    pages = walk(site.source(url_prefixes=prefixes))
    assert addresses(site, *pages) == [["/guide/a", "/api/x"]]


def test_no_more_than_the_maximum(site: WebSite) -> None:
    site.put_index("/sitemap.xml", "/1.xml", "/2.xml", "/3.xml")
    for number in (1, 2, 3):
        site.put_pages(f"/{number}.xml", *(f"/{number}/{page}" for page in range(3)))
    pages = walk(site.source(maximum_pages=5, urls_per_page=2))
    found = addresses(site, *pages)
    assert sorted(place for places in found for place in places) == [
        "/1/0",
        "/1/1",
        "/1/2",
        "/2/0",
        "/2/1",
    ]
    assert "/3.xml" not in site.paths


def test_long_sitemaps_are_read_in_steps(site: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.sources.sitemap.source._PAGES_A_STEP", 2)
    places = [f"/{number}" for number in range(7)]
    site.put_pages("/sitemap.xml", *places)
    source = site.source(urls_per_page=1)
    step = source.fetch(SITEMAP, first_step(source).query, None)
    assert addresses(site, *step.next_pages[:-1]) == [["/0"], ["/1"]]
    # A page that is new, and so comes first, moves all others.
    site.put_pages("/sitemap.xml", "/new", *places)
    rest = walk(source, step.next_pages[-1])
    assert addresses(site, *rest) == [[place] for place in places[2:]]


def test_a_sitemap_that_cannot_be_read_does_not_end_the_walk(site: WebSite) -> None:
    site.put_index("/sitemap.xml", "/1.xml", "/gone.xml", "/3.xml")
    site.put_pages("/1.xml", "/a")
    site.put_pages("/3.xml", "/c")
    source = site.source()
    steps, found, failed = deque([first_step(source)]), [], []
    while steps:
        page = steps.popleft()
        try:
            fetched = source.fetch(page.endpoint, page.query, None)
        except SourceError as error:
            failed.append((page, str(error)))
            continue
        found += [next_page for next_page in fetched.next_pages if next_page.endpoint == PAGES]
        steps.extend(next_page for next_page in fetched.next_pages if next_page.endpoint == SITEMAP)
    assert addresses(site, *found) == [["/a"], ["/c"]]
    [(alone, reason)] = failed
    assert "/gone.xml answered 404" in reason
    site.put_pages("/gone.xml", "/b")
    assert addresses(site, *walk(source, alone)) == [["/b"]]


def test_sitemaps_without_end_are_given_up(site: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        site.put_index(f"/{number}.xml", f"/{number + 1}.xml")
    with pytest.raises(SourceError, match="nested deeper than 4"):
        walk(site.source(sitemap="/0.xml"))
    monkeypatch.setattr("shared.sources.sitemap.source.MAXIMUM_SITEMAPS", 2)
    with pytest.raises(SourceError, match="more than 2 sitemaps"):
        walk(site.source(sitemap="/0.xml"))


def test_a_sitemap_must_be_on_its_own_host(site: WebSite) -> None:
    with running_routes(lambda _: Answer((b"<p>x",), headers=HTML)) as other:
        site.files["/sitemap.xml"] = Answer(
            status=302, headers=(("Location", f"{other.url}/sitemap.xml"),)
        )
        with pytest.raises(SourceError, match="redirects to another host"):
            walk(site.source())


def test_pages_are_read_as_they_are(site: WebSite) -> None:
    site.put("/a", "<p>ü", *HTML, ("X-Robots-Tag", "noindex"))
    site.files["/b"] = Answer((b"%PDF",), headers=(("Content-Type", "application/pdf"),))
    site.files["/moved"] = Answer(status=301, headers=(("Location", "/a"),))
    query = content(site, "/a", "/b", "/gone", "/moved", "/c.zip")
    page = site.source().fetch(PAGES, query, None)
    assert page.next_pages == ()
    a, b, moved, c = map(json.loads, page.lines)
    assert a == {
        "url": f"{site.url}/a", "status": 200, "last_modified": None, "robots": "noindex",
        "content_type": "text/html; charset=utf-8", "html": "<p>ü",
    }  # fmt: skip
    assert "application/pdf" in b["problem"]
    assert (moved["url"], moved["found_at"]) == (f"{site.url}/moved", f"{site.url}/a")
    assert ".zip" in c["problem"]
    assert "/c.zip" not in site.paths
    assert site.server is not None
    assert "text/html" in site.server.requests[-1].headers["accept"]


def test_a_page_elsewhere_is_rejected(site: WebSite) -> None:
    with running_routes(lambda _: Answer((b"<p>x",), headers=HTML)) as other:
        location = (("Location", f"{other.url}/private?token=abc"),)
        site.files["/a"] = Answer(status=302, headers=location)
        page = site.source().fetch(PAGES, content(site, "/a"), None)
    [line] = page.lines
    assert "redirects to another host" in json.loads(line)["problem"]
    assert "abc" not in line


def test_robots_txt_is_obeyed(site: WebSite) -> None:
    robots = "User-agent: *\nDisallow: /private\nCrawl-delay: 5\n"
    site.put("/robots.txt", robots, ("Content-Type", "text/plain"))
    site.put("/a", "<p>x")
    site.put("/private/b", "<p>x")
    site.files["/c"] = Answer(status=302, headers=(("Location", "/private/b"),))
    page = site.source().fetch(PAGES, content(site, "/a", "/private/b", "/c"), None)
    problems = [json.loads(line).get("problem") for line in page.lines]
    assert problems[0] is None
    assert "robots.txt does not allow it" in problems[1]
    assert "robots.txt allows nothing" in problems[2]
    assert site.paths.count("/private/b") == 1  # what the redirect led to
    assert site.rates[-1].calls_per_second == pytest.approx(0.2)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_site_without_robots_txt_allows_everything(site: WebSite, status: int) -> None:
    site.files["/robots.txt"] = Answer(status=status)
    site.put("/a", "<p>x")
    assert read(site, site.source().fetch(PAGES, content(site, "/a"), None)) == ["/a"]


def test_only_the_beginning_of_a_huge_robots_txt_counts(site: WebSite) -> None:
    site.put("/robots.txt", f"User-agent: *\n#{'x' * 512_000}\nDisallow: /\n")
    site.put("/a", "<p>x")
    page = site.source().fetch(PAGES, content(site, "/a"), None)
    assert "html" in json.loads(page.lines[0])


@pytest.mark.parametrize("endpoint", [PAGES, SITEMAP])
def test_nothing_is_read_while_robots_txt_is_broken(site: WebSite, endpoint: str) -> None:
    site.files["/robots.txt"] = Answer(status=500)
    site.put("/a", "<p>x")
    site.put_pages("/sitemap.xml", "/a")
    source = site.source()
    query = content(site, "/a", "/b") if endpoint == PAGES else first_step(source).query
    with pytest.raises(SourceUnavailableError, match=r"robots\.txt cannot be read"):
        source.fetch(endpoint, query, None)
    assert site.paths == []


def test_robots_txt_is_read_once(site: WebSite) -> None:
    robots = RobotsCache()
    site.put("/a", "<p>x")
    for _ in range(3):
        site.source(robots=robots).fetch(PAGES, content(site, "/a"), None)
    assert site.server is not None
    assert [request.path for request in site.server.requests].count("/robots.txt") == 1


def test_an_address_that_fails_is_a_page_by_itself(site: WebSite) -> None:
    for place in ("/a", "/c", "/d"):
        site.put(place, "<p>x")
    site.files["/b"] = Answer(status=500)
    source = site.source()
    page = source.fetch(PAGES, content(site, "/a", "/b", "/c", "/d"), None)
    assert read(site, page) == ["/a"]
    alone, rest = page.next_pages
    assert addresses(site, alone, rest) == [["/b"], ["/c", "/d"]]
    assert alone.page_id != rest.page_id
    with pytest.raises(SourceUnavailableError):
        source.fetch(PAGES, alone.query, None)
    assert read(site, source.fetch(PAGES, rest.query, None)) == ["/c", "/d"]


@pytest.mark.parametrize(
    ("rates", "error"),
    [(FewSlots(slots=3), PostponedError), (OpenRates(budget=3), BudgetExhaustedError)],
    ids=["rate limit", "daily budget"],
)
def test_what_was_read_is_kept_when_the_next_must_wait(
    site: WebSite, rates: OpenRates, error: type[Exception]
) -> None:
    for place in ("/a", "/b", "/c"):
        site.put(place, "<p>x")
    source = site.source(rates, rate=RateLimit(calls_per_day=100))
    page = source.fetch(PAGES, content(site, "/a", "/b", "/c"), None)  # robots.txt was the first
    assert read(site, page) == ["/a", "/b"]
    [rest] = page.next_pages
    assert addresses(site, rest) == [["/c"]]
    with pytest.raises(error):
        source.fetch(PAGES, rest.query, None)


def test_what_was_read_is_kept_before_the_function_would_be_cut_off(site: WebSite) -> None:
    for place in ("/a", "/b", "/c", "/d"):
        site.put(place, "<p>x")
    source = site.source(SlowTurns(), time=StillTime())
    page = source.fetch(PAGES, content(site, "/a", "/b", "/c", "/d"), None)
    assert read(site, page) == ["/a", "/b"]  # after robots.txt, a minute each
    [rest] = page.next_pages
    assert addresses(site, rest) == [["/c", "/d"]]


def test_however_slow_a_site_is_one_address_is_read(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.sources.sitemap.source.HAND_ON_AFTER_SECONDS", 30.0)
    site.put("/a", "<p>x")
    source = site.source(SlowTurns(), time=StillTime())
    page = source.fetch(PAGES, content(site, "/a", "/b"), None)  # robots.txt alone took longer
    assert read(site, page) == ["/a"]
    assert addresses(site, *page.next_pages) == [["/b"]]


def test_a_page_does_not_grow_without_end(site: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.sources.sitemap.source._MAXIMUM_CHARACTERS", 500)
    for place in ("/a", "/b", "/c"):
        site.put(place, "<p>" + "x" * 400)
    page = site.source().fetch(PAGES, content(site, "/a", "/b", "/c"), None)
    assert read(site, page) == ["/a"]
    assert addresses(site, *page.next_pages) == [["/b", "/c"]]


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        ("other", {}),
        (PAGES, {}),
        (PAGES, {"urls": "[]"}),
        (PAGES, {"urls": "5"}),
        (PAGES, {"urls": '["https://site.example/"]'}),
        (SITEMAP, {}),
        (SITEMAP, {"walk": "[]"}),
    ],
)
def test_queries_of_another_form_are_refused(
    site: WebSite, endpoint: str, query: dict[str, str]
) -> None:
    with pytest.raises(SourceError):
        site.source().fetch(endpoint, query, None)
    assert site.paths == []
