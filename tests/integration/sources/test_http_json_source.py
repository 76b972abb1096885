"""The http_json source over real HTTP: what it sends, and what it makes of the answers."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import SourceCredentialsError, SourceError, SourceUnavailableError
from shared.models.corpus import Corpus
from shared.models.run import EndpointCheckpoint
from shared.models.sources import HttpJsonSource
from shared.sources.base import FetchedPage, Plan
from shared.sources.http_json.source import HttpJsonApi
from shared.sources.registry import SourceTools, make_source
from shared.storage.memory import MemoryObjectStore
from tests.integration.sources.clients import OpenRates, StillTime, local_client, local_http
from tests.integration.sources.scripted_server import Answer, ScriptedServer, running_server

SECRET = "very-secret-value"
OFFSET = {"style": "offset", "page_size": 2}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with running_server() as running:
        yield running


def things(*ids: int, headers: dict[str, str] | None = None, **members: Any) -> Answer:
    document = {"items": [{"id": number} for number in ids], **members}
    return Answer(body=json.dumps(document).encode(), headers=headers or {})


def lines(*ids: int) -> tuple[str, ...]:
    return tuple(f'{{"id": {number}}}' for number in ids)


def api(server: ScriptedServer, secret: str | None = None, **settings: Any) -> HttpJsonApi:
    document = {"url": f"{server.url}/things", "items": "items", **settings}
    parsed = HttpJsonSource.model_validate(document)
    return HttpJsonApi(parsed, local_client(), secret, StillTime().timing)


def nothing_known(endpoint: str) -> EndpointCheckpoint:
    return EndpointCheckpoint()


def read_at(moment: str) -> Any:
    return lambda _endpoint: EndpointCheckpoint(last_modified=moment)


def fetch_first(source: HttpJsonApi, plan: Plan, etag: str | None = None) -> FetchedPage:
    page = plan.pages[0]
    return source.fetch(page.endpoint, page.query, etag)


def fetch_next(source: HttpJsonApi, page: FetchedPage) -> FetchedPage:
    (following,) = page.next_pages
    return source.fetch(following.endpoint, following.query, None)


def test_pages_are_planned_at_once_from_a_total(server: ScriptedServer) -> None:
    server.script(things(1, 2, total=5))
    source = api(server, paging=OFFSET, total="total", query={"kind": "a b"})
    plan = source.plan("full", nothing_known)
    assert [page.query["at"] for page in plan.pages] == ["0", "2", "4"]
    assert plan.records == 5
    page = source.fetch("records", plan.pages[1].query, None)
    assert (page.lines, page.next_pages) == (lines(1, 2), ())
    assert [request.query for request in server.requests] == [
        {"kind": "a b", "offset": "0", "limit": "2"},
        {"kind": "a b", "offset": "2", "limit": "2"},
    ]


@pytest.mark.parametrize(
    ("paging", "places"),
    [
        ({"style": "offset", "page_size": 10}, ["0", "2", "4"]),
        ({"style": "number", "page_size": 10}, ["1", "2", "3"]),
        ({"style": "number", "page_size": 10, "first_page": 0}, ["0", "1", "2"]),
    ],
)
def test_a_source_that_gives_less_than_it_was_asked_for_is_read_in_its_own_steps(
    server: ScriptedServer, paging: dict[str, Any], places: list[str]
) -> None:
    server.script(things(1, 2, total=5))
    plan = api(server, paging=paging, total="total").plan("full", nothing_known)
    assert [page.query["at"] for page in plan.pages] == places


def test_without_a_total_offsets_move_by_what_was_given(server: ScriptedServer) -> None:
    server.script(things(1, 2), things(3), things())
    source = api(server, paging={"style": "offset", "page_size": 10})
    page = fetch_first(source, source.plan("full", nothing_known))
    page = fetch_next(source, page)
    page = fetch_next(source, page)
    assert (page.lines, page.next_pages) == ((), ())
    assert [request.query["offset"] for request in server.requests] == ["0", "2", "3"]


def test_a_total_of_nothing_plans_nothing(server: ScriptedServer) -> None:
    server.script(things(total=0))
    plan = api(server, paging=OFFSET, total="total").plan("full", nothing_known)
    assert (plan.pages, plan.records) == ((), 0)


def test_a_total_that_says_less_than_is_there_is_not_believed(server: ScriptedServer) -> None:
    server.script(things(1, 2, total=0))
    plan = api(server, paging=OFFSET, total="total").plan("full", nothing_known)
    assert (len(plan.pages), plan.records) == (1, 2)


def test_records_that_are_announced_and_not_there_are_an_error(server: ScriptedServer) -> None:
    server.script(things(total=7))
    with pytest.raises(SourceError, match="says that it has 7 records, and its first page holds"):
        api(server, paging=OFFSET, total="total").plan("full", nothing_known)


def test_an_incremental_run_asks_for_changes_since_the_last_good_one(
    server: ScriptedServer,
) -> None:
    server.script(things(1, 2, total=5))
    source = api(server, paging=OFFSET, total="total", since_parameter="changed_after")
    moment = "2026-11-22T06:00:00Z"
    plan = source.plan("incremental", read_at(moment))
    assert fetch_first(source, plan, etag="e").lines == lines(1, 2)
    assert [request.query["changed_after"] for request in server.requests] == [moment, moment]
    # The etag was that of another question.
    assert "if-none-match" not in server.requests[1].headers
    # Five minutes before this run began, for clocks that differ.
    assert plan.next_checkpoints["records"].last_modified == "2026-11-23T05:55:00Z"


@pytest.mark.parametrize(
    ("mode", "since_parameter"), [("full", "changed_after"), ("incremental", None)]
)
def test_other_runs_ask_for_everything(
    server: ScriptedServer, mode: Any, since_parameter: str | None
) -> None:
    server.script(things(1))
    source = api(server, since_parameter=since_parameter)
    fetch_first(source, source.plan(mode, read_at("2026-11-22T06:00:00Z")))
    assert server.requests[0].query == {}


def test_an_unchanged_page_is_not_sent_again(server: ScriptedServer) -> None:
    source = api(server)
    plan = source.plan("incremental", nothing_known)
    server.script(things(1, headers={"ETag": '"v1"'}), Answer(304))
    assert fetch_first(source, plan).etag == '"v1"'
    page = fetch_first(source, plan, etag='"v1"')
    assert (page.is_not_modified, page.etag, page.lines) == (True, '"v1"', ())
    assert server.requests[1].headers["if-none-match"] == '"v1"'


def test_a_page_that_tells_of_others_is_always_read(server: ScriptedServer) -> None:
    server.script(things(1, 2, headers={"ETag": "v1"}))
    source = api(server, paging=OFFSET)
    page = fetch_first(source, source.plan("incremental", nothing_known), etag="v1")
    assert (page.lines, page.etag, len(page.next_pages)) == (lines(1, 2), None, 1)
    assert "if-none-match" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"prefix": "Bearer "}, ("headers", "authorization", f"Bearer {SECRET}")),
        ({"name": "X-Key"}, ("headers", "x-key", SECRET)),
        ({"place": "query", "name": "api"}, ("query", "api", SECRET)),
    ],
)
def test_credentials_are_sent_and_kept_nowhere(
    server: ScriptedServer,
    everything_logged: io.StringIO,
    auth: dict[str, str],
    sent: tuple[str, str, str],
) -> None:
    # The source repeats the credential where it tells of the next page.
    echoed = f"{server.url}/things?page=2&api={SECRET}&again={SECRET}"
    server.script(things(1, next=echoed), things(2), Answer(400, SECRET.encode()))
    paging = {"style": "next_url", "next_url": "next"}
    source = api(server, SECRET, paging=paging, auth={"secret_name": "shop", **auth})
    plan = source.plan("full", nothing_known)
    page = fetch_first(source, plan)
    following = fetch_next(source, page)
    with pytest.raises(SourceError) as caught:
        fetch_first(source, plan)
    assert following.lines == lines(2)
    place, name, value = sent
    assert [getattr(request, place)[name] for request in server.requests] == [value] * 3
    assert server.requests[1].query["page"] == "2"
    kept = f"{plan}{page}{following}{caught.value}{everything_logged.getvalue()}"
    assert SECRET not in kept


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_named(server: ScriptedServer, status: int) -> None:
    server.script(Answer(status, SECRET.encode()))
    source = api(server, SECRET, auth={"secret_name": "shop"})
    with pytest.raises(SourceCredentialsError, match=f"answered {status}") as caught:
        fetch_first(source, source.plan("full", nothing_known))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("secret", ["two\nlines", "snow\N{SNOWMAN}"])
def test_a_secret_that_cannot_be_sent_is_refused(server: ScriptedServer, secret: str) -> None:
    with pytest.raises(SourceCredentialsError, match="no request can carry") as caught:
        api(server, secret, auth={"secret_name": "shop"})
    assert secret not in str(caught.value)


@pytest.mark.parametrize("name", ["Authorization:", "Schl\u00fcssel", "X\0Y"])
def test_a_header_that_cannot_be_is_refused(server: ScriptedServer, name: str) -> None:
    with pytest.raises(SourceCredentialsError, match=r"no header can be named .* `auth\.name`"):
        api(server, SECRET, auth={"secret_name": "shop", "name": name})
    assert api(server, SECRET, auth={"secret_name": "shop", "name": name, "place": "query"})


def test_own_headers_are_sent(server: ScriptedServer) -> None:
    server.script(things(1))
    source = api(server, headers={"X-Version": "7", "Accept": "application/vnd.shop+json"})
    fetch_first(source, source.plan("full", nothing_known))
    headers = server.requests[0].headers
    assert (headers["x-version"], headers["accept"]) == ("7", "application/vnd.shop+json")


def test_links_are_resolved_against_where_the_page_was_found(server: ScriptedServer) -> None:
    server.script(
        Answer(302, headers={"Location": "/v2/things"}),
        things(1, headers={"Link": '<../v3/things?p=2>; rel="next"'}),
        things(2),
    )
    source = api(server, paging={"style": "link"})
    page = fetch_first(source, source.plan("full", nothing_known))
    assert fetch_next(source, page).lines == lines(2)
    assert server.requests[2].path == "/v3/things"


def test_a_next_page_elsewhere_is_an_error(server: ScriptedServer) -> None:
    server.script(things(1, next="https://elsewhere.example/things?token=abc"))
    source = api(server, paging={"style": "next_url", "next_url": "next"})
    with pytest.raises(SourceError, match=r"elsewhere\.example/things; only pages at") as caught:
        fetch_first(source, source.plan("full", nothing_known))
    assert "abc" not in str(caught.value)


def test_a_job_for_elsewhere_is_refused(server: ScriptedServer) -> None:
    source = api(server, paging={"style": "link"})
    with pytest.raises(SourceError, match="elsewhere"):
        source.fetch("records", {"at": "https://elsewhere.example/", "goes_on": "true"}, None)
    with pytest.raises(SourceError, match="no endpoint 'comics'"):
        source.fetch("comics", {}, None)


@pytest.mark.parametrize(
    ("status", "error"), [(404, SourceError), (400, SourceError), (500, SourceUnavailableError)]
)
def test_a_first_page_that_is_not_there_is_an_error(
    server: ScriptedServer, status: int, error: type[SourceError]
) -> None:
    server.script(Answer(status))
    source = api(server, paging=OFFSET)
    with pytest.raises(error, match=str(status)):
        fetch_first(source, source.plan("full", nothing_known))


def test_a_cursor_that_is_gone_is_no_end(server: ScriptedServer) -> None:
    server.script(things(1, next="c1"), Answer(404))
    source = api(server, paging={"style": "cursor", "next_cursor": "next"})
    page = fetch_first(source, source.plan("full", nothing_known))
    with pytest.raises(SourceError, match="404"):
        fetch_next(source, page)


@pytest.mark.parametrize("status", [404, 400, 416])
def test_a_refusal_behind_a_short_page_is_the_end(server: ScriptedServer, status: int) -> None:
    server.script(things(1), Answer(status, b"<no such page>"))
    source = api(server, paging=OFFSET)
    page = fetch_first(source, source.plan("full", nothing_known))
    page = fetch_next(source, page)
    assert (page.lines, page.next_pages) == ((), ())


@pytest.mark.parametrize(
    ("auth", "bucket"), [(None, "127.0.0.1:"), ({"secret_name": "shop"}, "secret/shop")]
)
def test_corpora_of_one_host_or_secret_share_their_limit(
    server: ScriptedServer, auth: dict[str, str] | None, bucket: str
) -> None:
    rates = OpenRates()
    asked: list[tuple[str, str]] = []

    def secret_field(name: str, field: str) -> str:
        asked.append((name, field))
        return SECRET

    def no_keys(name: str) -> Any:
        raise AssertionError("an http_json source has no keys of Marvel")

    tools = SourceTools(
        store=MemoryObjectStore(),
        marvel_keys=no_keys,
        secret_field=secret_field,
        rates=rates,
        http=local_http(),
    )
    document = {"kind": "http_json", "url": f"{server.url}/things", "items": "items", "auth": auth}
    corpus = Corpus.model_validate({"name": "shop", "source": document})
    server.script(things(1))
    source = make_source(corpus, tools)
    source.fetch("records", source.plan("full", nothing_known).pages[0].query, None)
    assert [taken.startswith(bucket) for taken in rates.taken] == [True]
    assert asked == ([] if auth is None else [("shop", "token")])
