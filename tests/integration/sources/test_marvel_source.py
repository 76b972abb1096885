"""The Marvel source over real HTTP: plans, pages, refusals and retries."""

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import (
    BudgetExhaustedError,
    SourceCredentialsError,
    SourceError,
    SourceUnavailableError,
)
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import MarvelSource
from shared.sources.base import Plan
from shared.sources.marvel.signing import MarvelKeys
from shared.sources.marvel.source import MarvelApi
from shared.web.retry import WaitPolicy
from tests.integration.sources.clients import NOW, OpenRates, StillTime, local_client, local_http
from tests.integration.sources.scripted_server import Answer, ScriptedServer, running_server

KEYS = MarvelKeys("PUBLICKEY", "PRIVATEKEY")
ETAG = "a" * 40
MODIFIED = "2024-09-10T16:31:48-0400"


def results(*records: dict[str, Any], total: int | None = None, etag: str = ETAG) -> Answer:
    document = {
        "code": 200,
        "status": "Ok",
        "attributionText": "Data provided by Marvel.",
        "etag": etag,
        "data": {
            "offset": 0,
            "limit": 20,
            "total": len(records) if total is None else total,
            "count": len(records),
            "results": list(records),
        },
    }
    body = gzip.compress(json.dumps(document).encode())
    return Answer(200, body, {"Content-Encoding": "gzip", "ETag": etag})


def refusal(http_status: int, /, **body: Any) -> Answer:
    return Answer(http_status, json.dumps(body).encode())


class World:
    """A source on a scripted server, whose clock moves only when the source waits."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.time = StillTime()
        self.rates = OpenRates()

    def source(self, **settings: Any) -> MarvelApi:
        marvel = MarvelSource(base_url=f"{self.server.url}/gateway/", **settings)
        patient = WaitPolicy(60, 60, may_postpone=False)
        client = local_client(self.rates, self.time, rate=marvel.rate, wait_policy=patient)
        return MarvelApi(marvel, KEYS, client, local_http(), self.time.timing)

    def plan(
        self, mode: RunMode = "full", checkpoint: EndpointCheckpoint | None = None, **settings: Any
    ) -> Plan:
        source = self.source(endpoints=("comics",), **settings)
        return source.plan(mode, lambda _: checkpoint or EndpointCheckpoint())

    def fetch_lines(self) -> tuple[str, ...]:
        return self.source().fetch("comics", {"limit": "20", "offset": "0"}, None).lines


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def world(server: ScriptedServer) -> World:
    return World(server)


def test_a_page_is_asked_for_signed_and_kept_as_received(world: World) -> None:
    body = b'{"data": {"total": 1, "results": [{"id": 1, "price": 88.10}]}}'
    world.server.script(Answer(body=body))
    page = world.source().fetch("comics", {"orderBy": "modified", "limit": "100"}, None)
    assert page.lines == ('{"id": 1, "price": 88.10}',)
    (request,) = world.server.requests
    assert request.path == "/gateway/v1/public/comics"
    query = dict(request.query)
    assert query.pop("hash") == KEYS.signed_query(query.pop("ts")).rpartition("hash=")[2]
    assert query == {"orderBy": "modified", "limit": "100", "apikey": "PUBLICKEY"}
    assert world.rates.spent == [NOW.date()]


def test_etag_and_attribution_come_with_the_page(world: World) -> None:
    world.server.script(results({"id": 1}))
    page = world.source().fetch("comics", {}, None)
    assert (page.etag, page.attribution) == (ETAG, "Data provided by Marvel.")


def test_a_page_that_has_not_changed(world: World) -> None:
    world.server.script(Answer(304))
    page = world.source().fetch("comics", {}, ETAG)
    assert (page.is_not_modified, page.etag, page.lines) == (True, ETAG, ())
    assert world.server.requests[0].headers["if-none-match"] == ETAG


def test_not_modified_without_having_asked_is_an_error(world: World) -> None:
    world.server.script(Answer(304))
    with pytest.raises(SourceError, match="answered 304"):
        world.source().fetch("comics", {}, None)


def test_a_missing_page_is_empty(world: World) -> None:
    world.server.script(refusal(404, code=404, status="We couldn't find that comic_issue"))
    assert world.fetch_lines() == ()


@pytest.mark.parametrize(
    "refused",
    [
        refusal(401, code="InvalidCredentials", message="That hash is invalid."),
        refusal(409, code="MissingParameter", message="You must provide a timestamp."),
    ],
)
def test_a_refused_signature_is_signed_again_once(world: World, refused: Answer) -> None:
    world.server.script(refused, results({"id": 1}))
    assert world.fetch_lines() == ('{"id": 1}',)
    first, second = (request.query for request in world.server.requests)
    assert first["ts"] != second["ts"]
    assert first["hash"] != second["hash"]

    world.server.script(refused)
    with pytest.raises(SourceCredentialsError, match="check the keys"):
        world.fetch_lines()
    assert len(world.server.requests) == 2
    assert world.time.pauses == []


def test_a_signature_is_not_signed_again_twice_for_one_page(world: World) -> None:
    refused = refusal(401, code="InvalidCredentials", message="That hash is invalid.")
    world.server.script(refused, Answer(500), refused, results({"id": 1}))
    with pytest.raises(SourceCredentialsError):
        world.fetch_lines()
    assert len(world.server.requests) == 3


def test_a_gateway_that_moved_away_is_named(world: World) -> None:
    world.server.script(Answer(302, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(SourceError, match="302 for comics, and redirects are not followed"):
        world.fetch_lines()


def test_a_refused_parameter_is_no_matter_of_credentials(world: World) -> None:
    world.server.script(refusal(409, code=409, status="You may not request more than 100 items."))
    with pytest.raises(SourceError, match="more than 100 items") as caught:
        world.fetch_lines()
    assert not isinstance(caught.value, SourceCredentialsError)


@pytest.mark.parametrize(
    ("trouble", "pauses"),
    [
        (refusal(429, code="RequestThrottled", message="Slow down."), [0.5]),
        (Answer(429, b"", {"Retry-After": "9"}), [9.0]),
        (Answer(503, b"", {"Retry-After": "Mon, 23 Nov 2026 06:00:20 GMT"}), [20.0]),
        (Answer(500, b"<html>"), [0.5]),
        (Answer(hang_up=True), [0.5]),
        (Answer(200, gzip.compress(b"{}")[:-4], {"Content-Encoding": "gzip"}), [0.5]),
    ],
)
def test_passing_trouble_is_waited_out(world: World, trouble: Answer, pauses: list[float]) -> None:
    world.server.script(trouble, results({"id": 1}))
    assert world.fetch_lines() == ('{"id": 1}',)
    assert world.time.pauses == pauses
    assert len(world.rates.spent) == 2


def test_lasting_trouble_ends_as_unavailable(world: World) -> None:
    world.server.script(Answer(500))
    with pytest.raises(SourceUnavailableError, match="after 5 attempts"):
        world.fetch_lines()
    assert len(world.server.requests) == 5


@pytest.mark.parametrize(
    "body", [b"<html>maintenance</html>", b"{}", b'{"code": 409, "status": "x"}', b""]
)
def test_an_answer_of_another_shape_is_an_error(world: World, body: bytes) -> None:
    world.server.script(Answer(200, body))
    with pytest.raises(SourceError) as caught:
        world.fetch_lines()
    assert caught.value.code == "SOURCE"
    assert len(world.server.requests) == 1


def test_every_call_spends_and_a_spent_budget_calls_no_more(world: World) -> None:
    world.server.script(Answer(500))
    world.rates.budget = 2
    with pytest.raises(BudgetExhaustedError):
        world.fetch_lines()
    assert len(world.server.requests) == 2


def test_no_credential_is_ever_shown(world: World, everything_logged: io.StringIO) -> None:
    said = "key PUBLICKEY with PRIVATEKEY, ?apikey=PUBLICKEY&hash=0123&ts=99"
    world.server.script(Answer(500), refusal(401, code="InvalidCredentials", message=said))
    with pytest.raises(SourceCredentialsError) as caught:
        world.fetch_lines()
    shown = everything_logged.getvalue() + str(caught.value)
    used = [request.query[name] for request in world.server.requests for name in ("hash", "ts")]
    for secret in ("PUBLICKEY", "PRIVATEKEY", "hash=0123", "ts=99", *used):
        assert secret not in shown


def test_a_full_plan_cuts_everything_into_pages(world: World) -> None:
    world.server.script(results({"id": 1, "modified": MODIFIED}, total=250))
    checkpoint = EndpointCheckpoint(last_modified="2020-01-01T00:00:00-0500", etag="old")
    plan = world.plan("full", checkpoint)
    assert [(page.page_id, page.query["offset"]) for page in plan.pages] == [
        ("comics-00001", "0"),
        ("comics-00002", "100"),
        ("comics-00003", "200"),
    ]
    assert plan.pages[0].query == {"orderBy": "modified", "limit": "100", "offset": "0"}
    assert plan.next_checkpoints == {
        "comics": EndpointCheckpoint(last_modified=MODIFIED, etag=ETAG)
    }
    (probe,) = world.server.requests
    assert "if-none-match" not in probe.headers
    assert (probe.query["orderBy"], probe.query["limit"]) == ("-modified", "1")


def test_an_incremental_plan_asks_for_what_changed_since(world: World) -> None:
    newest = {"id": 1, "modified": MODIFIED}
    world.server.script(results(newest, total=250), results(newest, total=3))
    since = "2020-01-01T00:00:00-0500"
    plan = world.plan("incremental", EndpointCheckpoint(last_modified=since, etag="old"))
    (page,) = plan.pages
    assert page.query["modifiedSince"] == since
    assert plan.next_checkpoints["comics"].last_modified == MODIFIED
    probe, count = world.server.requests
    assert probe.headers["if-none-match"] == "old"
    assert count.query["modifiedSince"] == since


def test_an_endpoint_that_has_not_changed_plans_nothing(world: World) -> None:
    world.server.script(Answer(304))
    checkpoint = EndpointCheckpoint(last_modified=MODIFIED, etag=ETAG)
    (endpoint,) = world.plan("incremental", checkpoint).endpoints
    assert endpoint.is_unchanged
    assert endpoint.pages == ()
    assert endpoint.next_checkpoint == checkpoint


def test_the_first_incremental_run_reads_everything(world: World) -> None:
    world.server.script(results({"id": 1, "modified": MODIFIED}, total=101))
    assert len(world.plan("incremental", page_size=50).pages) == 3
    assert len(world.server.requests) == 1


@pytest.mark.parametrize("modified", [None, "-0001-11-30T00:00:00-0500", 5])
def test_a_newest_date_that_is_none_keeps_the_old_watermark(world: World, modified: object) -> None:
    world.server.script(results({"id": 1, "modified": modified}))
    plan = world.plan("full", EndpointCheckpoint(last_modified=MODIFIED))
    assert plan.next_checkpoints["comics"].last_modified == MODIFIED


def test_an_empty_endpoint_plans_no_page(world: World) -> None:
    world.server.script(results(total=0))
    assert world.plan().pages == ()


def test_an_endpoint_that_is_not_there_fails_the_plan(world: World) -> None:
    world.server.script(refusal(404, code="ResourceNotFound", message="/x does not exist"))
    with pytest.raises(SourceError, match="no endpoint 'comics'; check base_url"):
        world.plan()


def test_an_etag_that_no_header_can_hold_is_not_kept(world: World) -> None:
    body = json.dumps({"etag": "ü\n", "data": {"total": 0, "results": []}}).encode()
    world.server.script(Answer(200, body))
    assert world.source().fetch("comics", {}, None).etag is None
