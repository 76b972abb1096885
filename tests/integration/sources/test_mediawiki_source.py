"""The mediawiki source against a real server that speaks as `api.php` does."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.errors import BudgetExhaustedError, PostponedError, SourceError
from shared.models.run import EndpointCheckpoint
from shared.models.sources import MediaWikiSource, RateLimit
from shared.sources.base import FetchedPage
from shared.sources.mediawiki.source import LISTING, PAGES, MediaWiki
from shared.web.retry import WaitPolicy
from tests.integration.conformance.server import SiteServer
from tests.integration.conformance.site import Answer
from tests.integration.sources.clients import OpenRates, StillTime, local_client
from tests.integration.sources.routes import FewSlots, SlowTurns, running_routes
from tests.integration.sources.scripted_server import Request

PATH = "/w/api.php"
WATERMARK = "2026-11-23T05:55:00+00:00"


class Wiki:
    """Documents to answer with, the last one for ever, or a function of the query."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.headers: list[tuple[tuple[str, str], ...]] = []
        self.server: SiteServer | None = None

    def answer(self, request: Request) -> Answer:
        assert request.path == PATH
        document = self.documents.pop(0) if len(self.documents) > 1 else self.documents[0]
        headers = self.headers.pop(0) if self.headers else ()
        text = document if isinstance(document, str) else json.dumps(document)
        return Answer((text.encode(),), headers=headers)

    @property
    def queries(self) -> list[dict[str, str]]:
        assert self.server is not None
        return [request.query for request in self.server.requests]

    def source(
        self, rates: OpenRates | None = None, time: StillTime | None = None, **settings: Any
    ) -> MediaWiki:
        assert self.server is not None
        made = MediaWikiSource.model_validate({"api_url": f"{self.server.url}{PATH}", **settings})
        policy = WaitPolicy(patience_seconds=1.0)
        client = local_client(rates, time, rate=made.rate, wait_policy=policy)
        return MediaWiki(made, client, (time or StillTime()).timing)


@pytest.fixture
def wiki() -> Iterator[Wiki]:
    wiki = Wiki()
    with running_routes(wiki.answer) as server:
        wiki.server = server
        yield wiki


def listed(*page_ids: int, **members: Any) -> list[dict[str, Any]]:
    return [{"pageid": page_id, "ns": 0, "title": f"T{page_id}", **members} for page_id in page_ids]


def ids_of(page: FetchedPage) -> list[str]:
    return [planned.query["pageids"] for planned in page.next_pages if planned.endpoint == PAGES]


def test_the_plan_is_one_listing_and_asks_nothing(wiki: Wiki) -> None:
    [endpoint] = wiki.source().plan("full", lambda _: EndpointCheckpoint()).endpoints
    assert [(page.endpoint, dict(page.query)) for page in endpoint.pages] == [(LISTING, {})]
    assert endpoint.next_checkpoint == EndpointCheckpoint(last_modified=WATERMARK)
    assert wiki.queries == []


def test_an_incremental_plan_lists_what_was_touched_since(wiki: Wiki) -> None:
    known = EndpointCheckpoint(last_modified="2026-11-20T05:55:00+00:00")
    source = wiki.source()
    [page] = source.plan("incremental", lambda _: known).pages
    assert dict(page.query) == {"since": known.last_modified}
    wiki.documents = [
        {
            "query": {
                "pages": [
                    *listed(1, touched="2026-11-20T05:54:59Z"),
                    *listed(2, touched="2026-11-20T05:55:00Z"),
                    *listed(3, touched="recently"),
                    *listed(4),
                ]
            }
        }
    ]
    assert ids_of(source.fetch(LISTING, page.query, None)) == ["2|3|4"]
    [full] = source.plan("full", lambda _: known).pages
    assert ids_of(source.fetch(LISTING, full.query, None)) == ["1|2|3|4"]


def test_a_listing_leads_to_its_pages_and_to_the_next_listing(wiki: Wiki) -> None:
    wiki.documents = [
        {
            "batchcomplete": True,
            "continue": {"gapcontinue": "Vision", "extra": 5, "continue": "gapcontinue||"},
            "query": {"pages": [*listed(1, 2, 3), *listed(4, redirect=True), *listed(5)]},
        }
    ]
    source = wiki.source(titles_per_request=2)
    page = source.fetch(LISTING, {"since": "2020-01-01T00:00:00Z"}, None)
    assert page.lines == ()
    assert ids_of(page) == ["1|2", "3|5"]
    following = page.next_pages[-1]
    assert following.endpoint == LISTING
    assert following.query["since"] == "2020-01-01T00:00:00Z"
    source.fetch(LISTING, following.query, None)
    first, second = wiki.queries
    assert first["generator"] == "allpages"
    assert first["gapnamespace"] == "0"
    assert first["gapfilterredir"] == "nonredirects"
    assert (first["formatversion"], first["maxlag"]) == ("2", "5")
    assert second == {**first, "gapcontinue": "Vision", "extra": "5", "continue": "gapcontinue||"}


@pytest.mark.parametrize("category", ["Robots", "Category:Robots", "category:Robots"])
def test_the_pages_of_a_category(wiki: Wiki, category: str) -> None:
    wiki.documents = [{"batchcomplete": True}]
    page = wiki.source(category=category, namespace=4).fetch(LISTING, {}, None)
    assert page == FetchedPage()
    [query] = wiki.queries
    assert query["generator"] == "categorymembers"
    assert query["gcmtitle"].lower() == "category:robots"
    assert query["gcmnamespace"] == "4"


def test_pages_in_one_piece_are_kept_as_they_came(wiki: Wiki) -> None:
    one = '{"pageid":1,"title":"\\u00dcber", "n":1.50,\n"revisions":[{"slots":{}}]}'
    wiki.documents = [
        '{"query":{"rightsinfo":{"url":"x","text":"CC BY-SA"},"pages":['
        f'{one},{{"pageid":2,"missing":true}},{{"pageid":3,"redirect":true}}]}}}}'
    ]
    page = wiki.source().fetch(PAGES, {"pageids": "1|2|3"}, None)
    assert page.lines == (one.replace("\n", " "),)
    assert page.attribution == "CC BY-SA"
    [query] = wiki.queries
    assert query["pageids"] == "1|2|3"
    assert query["rvprop"] == "ids|timestamp|content"
    assert (query["rvslots"], query["inprop"]) == ("main", "url")


def test_pages_in_several_pieces_are_put_together(wiki: Wiki) -> None:
    wiki.documents = [
        {
            "continue": {"clcontinue": "1|B", "continue": "||info|revisions"},
            "query": {"pages": [*listed(1, fullurl="u", categories=[{"title": "A"}]), *listed(2)]},
        },
        {
            "query": {
                "pages": [
                    *listed(1, categories=[{"title": "A"}, {"title": "B"}]),
                    *listed(2, categories=[{"title": "C"}]),
                ]
            }
        },
    ]
    page = wiki.source().fetch(PAGES, {"pageids": "1|2"}, None)
    first, second = map(json.loads, page.lines)
    assert first["fullurl"] == "u"
    assert first["categories"] == [{"title": "A"}, {"title": "B"}]
    assert second["categories"] == [{"title": "C"}]
    assert wiki.queries[1]["clcontinue"] == "1|B"


def test_halves_of_characters_are_kept_like_any_text(wiki: Wiki) -> None:
    pieces = [listed(1, fullurl="\ud800"), listed(1, categories=[])]
    wiki.documents = [
        {"continue": {"clcontinue": "1|B"}, "query": {"pages": pieces[0]}},
        {"query": {"pages": pieces[1]}},
    ]
    [line] = wiki.source().fetch(PAGES, {"pageids": "1"}, None).lines
    assert json.loads(line.encode())["fullurl"] == "\ud800"


def extracts(*page_ids: int, had: int) -> Callable[[int], dict[str, Any]]:
    def answer(step: int) -> dict[str, Any]:
        pages = listed(*page_ids)
        pages[step]["extract"] = f"Text {page_ids[step]}"
        document: dict[str, Any] = {"query": {"pages": pages}}
        if step + 1 < had:
            document["continue"] = {"excontinue": step + 1, "continue": "||info"}
        return document

    return answer


@pytest.mark.parametrize(
    "rates", [FewSlots(slots=2), OpenRates(budget=2)], ids=["rate limit", "daily budget"]
)
def test_extracts_that_were_read_are_kept_when_the_next_must_wait(
    wiki: Wiki, rates: OpenRates
) -> None:
    answer = extracts(7, 8, 9, had=3)
    wiki.documents = [answer(0), answer(1), answer(2)]
    settings: dict[str, Any] = {"text": "extract", "titles_per_request": 3}
    rate = RateLimit(calls_per_day=100)
    page = wiki.source(rates, rate=rate, **settings).fetch(PAGES, {"pageids": "7|8|9"}, None)
    assert [json.loads(line)["extract"] for line in page.lines] == ["Text 7", "Text 8"]
    assert ids_of(page) == ["9"]


@pytest.mark.parametrize(
    ("text", "kept", "handed_on"),
    [("extract", ["Text 7", "Text 8", "Text 9"], ["10|11"]), ("wikitext", [], ["7|8", "9|10|11"])],
)
def test_a_slow_wiki_is_left_before_the_function_would_be_cut_off(
    wiki: Wiki, text: str, kept: list[str], handed_on: list[str]
) -> None:
    answer = extracts(7, 8, 9, 10, 11, had=5)
    wiki.documents = [answer(step) for step in range(5)]
    source = wiki.source(SlowTurns(), StillTime(), text=text, titles_per_request=5)
    page = source.fetch(PAGES, {"pageids": "7|8|9|10|11"}, None)
    assert [json.loads(line)["extract"] for line in page.lines] == kept
    assert ids_of(page) == handed_on


def test_a_page_by_itself_is_read_to_its_end_however_slow_the_wiki_is(wiki: Wiki) -> None:
    more: dict[str, Any] = {"query": {"pages": listed(7, n=1)}}
    wiki.documents = [more | {"continue": {"clcontinue": str(step)}} for step in range(4)] + [more]
    page = wiki.source(SlowTurns(), StillTime()).fetch(PAGES, {"pageids": "7"}, None)
    assert [json.loads(line)["n"] for line in page.lines] == [1]


@pytest.mark.parametrize(
    ("rates", "error"),
    [(FewSlots(), PostponedError), (OpenRates(budget=0), BudgetExhaustedError)],
)
@pytest.mark.parametrize("text", ["extract", "wikitext"])
def test_a_page_of_which_nothing_was_read_waits_as_a_whole(
    wiki: Wiki, rates: OpenRates, error: type[Exception], text: str
) -> None:
    source = wiki.source(rates, rate=RateLimit(calls_per_day=100), text=text, titles_per_request=3)
    with pytest.raises(error):
        source.fetch(PAGES, {"pageids": "7|8|9"}, None)


def test_half_read_wikitext_is_read_again(wiki: Wiki) -> None:
    wiki.documents = [
        {"continue": {"clcontinue": "x"}, "query": {"pages": listed(1, categories=[])}}
    ]
    with pytest.raises(PostponedError):
        wiki.source(FewSlots(slots=1)).fetch(PAGES, {"pageids": "1"}, None)


@pytest.mark.parametrize(
    "headers", [(("Retry-After", "7"),), (("MediaWiki-API-Error", "maxlag"), ("Retry-After", "7"))]
)
def test_a_wiki_that_lags_is_waited_for(wiki: Wiki, headers: tuple[tuple[str, str], ...]) -> None:
    lag = {"error": {"code": "maxlag", "info": "Waiting for db1: 6 seconds lagged", "lag": 6}}
    wiki.documents = [lag, {"query": {"pages": listed(1)}}]
    wiki.headers = [headers]
    rates = OpenRates()
    with pytest.raises(PostponedError) as caught:
        wiki.source(rates).fetch(PAGES, {"pageids": "1"}, None)
    assert caught.value.seconds == 7
    assert ("test", 7.0) in rates.held
    rates.held.clear()
    assert wiki.source(rates).fetch(PAGES, {"pageids": "1"}, None).lines


def test_errors_of_the_api_are_quoted_without_secrets(wiki: Wiki) -> None:
    wiki.documents = [
        {"error": {"code": "readapidenied", "info": "You need a right: token=abc123 " + "x" * 900}}
    ]
    with pytest.raises(SourceError, match="the error readapidenied: You need a right") as caught:
        wiki.source().fetch(LISTING, {}, None)
    assert "abc123" not in str(caught.value)
    assert "generator" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_warnings_are_no_errors(wiki: Wiki) -> None:
    wiki.documents = [
        {"warnings": {"extracts": {"warnings": "lowered"}}, "query": {"pages": listed(1)}}
    ]
    assert len(wiki.source().fetch(PAGES, {"pageids": "1"}, None).lines) == 1


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("<html>Not Found</html>", "no JSON"),
        ("", "no JSON"),
        ('{"query":', "no JSON"),
        ("[]", "no answer of MediaWiki's API"),
        ({"query": {"pages": {"1": {"pageid": 1}}}}, "formatversion=2 is needed"),
        ({"query": {"pages": ["x"]}}, "formatversion=2 is needed"),
        ({"query": {"pages": [{"title": "x"}]}}, "no page id"),
        ({"query": {"pages": []}, "continue": "on"}, "no object"),
        ({"query": {"pages": []}, "continue": {"a": "b" * 10_000}}, "more than 10,000 characters"),
        ({"error": "odd"}, "the error unknown"),
        ({"continue": {"a": "b"}, "query": {"pages": []}}, "leads back to where it was"),
    ],
)
def test_answers_of_another_form_are_refused(wiki: Wiki, document: Any, reason: str) -> None:
    wiki.documents = [document]
    with pytest.raises(SourceError, match=reason):
        wiki.source().fetch(PAGES, {"pageids": "1"}, None)


def test_an_endless_answer_is_given_up(wiki: Wiki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.sources.mediawiki.source._MOST_ANSWERS", 4)
    wiki.documents = [{"continue": {"a": number}} for number in range(9)]
    with pytest.raises(SourceError, match="more than 4 parts"):
        wiki.source().fetch(PAGES, {"pageids": "1"}, None)
    assert len(wiki.queries) == 4


def test_pages_that_are_too_long_together_are_read_in_parts(
    wiki: Wiki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.sources.mediawiki.source._MAXIMUM_CHARACTERS", 100)
    wiki.documents = [{"query": {"pages": listed(1, extract="x" * 100)}}]
    page = wiki.source().fetch(PAGES, {"pageids": "1|2|3"}, None)
    assert page.lines == ()
    assert ids_of(page) == ["1", "2|3"]
    with pytest.raises(SourceError, match="page 1 has too long a text"):
        wiki.source().fetch(PAGES, {"pageids": "1"}, None)


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        ("other", {}),
        (PAGES, {}),
        (PAGES, {"pageids": "1|x"}),
        (PAGES, {"pageids": "|".join(["1"] * 51)}),
        (LISTING, {"since": "yesterday"}),
        (LISTING, {"continue": "{"}),
        (LISTING, {"continue": "[]"}),
        (LISTING, {"continue": '{"a": 1}'}),
    ],
)
def test_queries_of_another_form_are_refused(
    wiki: Wiki, endpoint: str, query: dict[str, str]
) -> None:
    with pytest.raises(SourceError):
        wiki.source().fetch(endpoint, query, None)
    assert wiki.queries == []
