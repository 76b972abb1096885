"""The client of sources against a real server: turns, retries, refusals, redirects."""

import gzip
import io
from collections.abc import Iterator

import pytest

from shared.errors import (
    BudgetExhaustedError,
    PostponedError,
    SourceCredentialsError,
    SourceError,
    SourceUnavailableError,
)
from shared.models.sources import RateLimit
from shared.web.client import SourceClient
from shared.web.http_get import HttpResponse
from shared.web.outbound import ForbiddenAddressError
from shared.web.rates import Slot
from shared.web.redirects import Credentials, OutboundRequest
from shared.web.retry import WaitPolicy
from tests.integration.sources.clients import OpenRates, StillTime, local_client
from tests.integration.sources.routes import SlowTurns
from tests.integration.sources.scripted_server import Answer, ScriptedServer, running_server

PATIENT = WaitPolicy(patience_seconds=60, further_patience_seconds=60, may_postpone=False)
SECRETS = Credentials({"X-Token": "HEADERSECRET"}, {"key": "QUERYSECRET"})


class World:
    """A client on a scripted server, whose clock moves only when the client waits."""

    def __init__(self, server: ScriptedServer, elsewhere: ScriptedServer) -> None:
        self.server = server
        self.elsewhere = elsewhere
        self.rates = OpenRates()
        self.time = StillTime()
        elsewhere.script(Answer(body=b"elsewhere"))

    def client(
        self, wait_policy: WaitPolicy | None = None, rate: RateLimit | None = None
    ) -> SourceClient:
        return local_client(self.rates, self.time, wait_policy=wait_policy, rate=rate)

    def get(self, wait_policy: WaitPolicy | None = None) -> HttpResponse:
        return self.client(wait_policy).get(f"{self.server.url}/page?a=1")


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ScriptedServer, ScriptedServer]]:
    with running_server() as server, running_server() as elsewhere:
        yield server, elsewhere


@pytest.fixture
def world(servers: tuple[ScriptedServer, ScriptedServer]) -> World:
    return World(*servers)


def moved(location: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": location})


def test_an_answer_comes_with_its_address(world: World) -> None:
    world.server.script(Answer(body=b"fine"))
    response = world.get()
    assert (response.status, response.body) == (200, b"fine")
    assert response.url == f"{world.server.url}/page?a=1"
    assert world.rates.taken == ["test"]


def test_a_header_that_comes_twice_is_one_list(world: World) -> None:
    world.server.script(Answer(headers={"Link": "<a>; rel=first", "link": "<b>; rel=next"}))
    assert world.get().headers["link"] == "<a>; rel=first, <b>; rel=next"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(world: World, status: int) -> None:
    world.server.script(moved("/other?b=2#part", status), Answer(body=b"there"))
    response = world.get()
    assert response.body == b"there"
    assert response.url == f"{world.server.url}/other?b=2#part"
    assert [request.path for request in world.server.requests] == ["/page", "/other"]
    assert world.rates.taken == ["test"] * 2  # every call takes a slot


def test_five_redirects_are_followed_and_no_more(world: World) -> None:
    hops = [moved(f"/{number}") for number in range(5)]
    world.server.script(*hops, Answer(body=b"there"))
    assert world.get().body == b"there"
    world.server.script(moved("/round"))
    with pytest.raises(SourceError, match=r"/page redirects more than 5 times"):
        world.get()
    assert len(world.server.requests) == 6


def test_a_redirect_is_checked_like_any_address(world: World) -> None:
    for target in (
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
    ):
        world.server.script(moved(target))
        with pytest.raises(ForbiddenAddressError, match="outbound_allowed_hosts"):
            world.get()
    for target in ("file:///etc/passwd", "http://user@127.0.0.1/", "http://[::1/"):
        world.server.script(moved(target))
        with pytest.raises(SourceError):
            world.get()
        assert len(world.server.requests) == 1


def test_a_redirect_may_be_an_answer_and_may_lead_nowhere(world: World) -> None:
    world.server.script(moved("/other"))
    assert world.client().get(world.server.url, accepted={302}).status == 302
    world.server.script(Answer(302))
    with pytest.raises(SourceError, match="answered 302"):
        world.get()


def test_credentials_go_to_the_origin_that_they_are_for(world: World) -> None:
    world.server.script(moved("/other?b=2"), Answer())
    url = f"{world.server.url}/page?a=1"
    headers = {"Accept": "application/json", "Cookie": "c"}
    response = world.client().get(url, headers, credentials=SECRETS)
    first, second = world.server.requests
    assert first.query == {"a": "1", "key": "QUERYSECRET"}
    assert second.query == {"b": "2", "key": "QUERYSECRET"}
    for request in (first, second):
        assert request.headers["x-token"] == "HEADERSECRET"
        assert request.headers["cookie"] == "c"
    assert response.url == f"{world.server.url}/other?b=2"


def test_credentials_never_leave_their_origin_nor_come_back(world: World) -> None:
    world.server.script(moved(f"{world.elsewhere.url}/x"), Answer())
    world.elsewhere.script(moved(f"{world.server.url}/back"))
    headers = {"Accept": "application/json", "Authorization": "Bearer x", "X-Api-Key": "y"}
    world.client().get(world.server.url, headers, credentials=SECRETS)
    (stranger,) = world.elsewhere.requests
    back = world.server.requests[1]
    for request in (stranger, back):
        assert request.headers["accept"] == "application/json"
        assert request.query == {}
        assert not {"x-token", "authorization", "x-api-key"} & set(request.headers)


def test_another_port_or_scheme_is_another_origin() -> None:
    home = OutboundRequest("https://a.example/x", {"X": "y"}, SECRETS)
    for target in ("https://a.example:8443/x", "https://b.example/x", "//a.example.evil/x"):
        assert home.redirected(target).full_headers == {}
    for target in ("https://A.example:443/y", "/y", "?y=1"):
        assert home.redirected(target).credentials is SECRETS


def test_encryption_is_not_given_up() -> None:
    home = OutboundRequest("https://a.example/x?token=1", {}, SECRETS)
    with pytest.raises(SourceError, match="without encryption") as caught:
        home.redirected("http://a.example/x?token=1")
    assert "token" not in str(caught.value)


def test_credentials_are_not_shown(world: World, everything_logged: io.StringIO) -> None:
    assert "SECRET" not in repr(OutboundRequest("https://a.example/", {}, SECRETS))
    world.server.script(Answer(500), Answer(404))
    with pytest.raises(SourceError) as caught:
        world.client().get(f"{world.server.url}/page?a=PRIVATE", credentials=SECRETS)
    for secret in ("HEADERSECRET", "QUERYSECRET", "PRIVATE"):
        assert secret not in everything_logged.getvalue() + str(caught.value)
    assert str(caught.value).startswith(f"{world.server.url.removeprefix('http://')}/page")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SourceError),
        (401, SourceCredentialsError),
        (403, SourceCredentialsError),
        (404, SourceError),
        (304, SourceError),
    ],
)
def test_other_statuses_are_errors(world: World, status: int, kind: type[SourceError]) -> None:
    world.server.script(Answer(status))
    with pytest.raises(kind, match=f"/page answered {status}"):
        world.get()
    assert len(world.server.requests) == 1
    assert world.client().get(world.server.url, accepted={status}).status == status


@pytest.mark.parametrize(
    "failure",
    [
        Answer(500),
        Answer(502),
        Answer(503),
        Answer(429),
        Answer(hang_up=True),
        Answer(body=gzip.compress(b"hello")[:-4], headers={"Content-Encoding": "gzip"}),
    ],
)
def test_passing_trouble_is_waited_out_here(world: World, failure: Answer) -> None:
    world.server.script(failure, failure, Answer(body=b"fine"))
    assert world.get().body == b"fine"
    assert world.time.pauses == [0.5, 1.0]
    assert world.rates.taken == ["test"] * 3


def test_lasting_trouble_ends_as_unavailable(world: World) -> None:
    world.server.script(Answer(500))
    with pytest.raises(SourceUnavailableError, match=r"after 5 attempts .* answered 500"):
        world.get()
    assert len(world.server.requests) == 5
    assert sum(world.time.pauses) <= 10
    assert world.rates.held == []


def test_redirects_do_not_begin_the_attempts_anew(world: World) -> None:
    world.server.script(Answer(500), moved("/other"), Answer(500))
    with pytest.raises(SourceUnavailableError, match="after 5 attempts"):
        world.get()
    assert len(world.server.requests) == 6


def test_redirects_are_not_followed_for_ever_though_there_are_few(world: World) -> None:
    world.rates = SlowTurns()
    world.server.script(moved("/1"), moved("/2"), moved("/3"), Answer(body=b"there"))
    with pytest.raises(SourceUnavailableError, match="/page led on for 120 seconds"):
        world.get()
    assert len(world.server.requests) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_holds_the_bucket_and_gives_the_work_back(world: World, status: int) -> None:
    world.server.script(Answer(status, headers={"Retry-After": "20"}))
    with pytest.raises(PostponedError) as caught:
        world.get()
    assert caught.value.seconds == 20
    assert world.rates.held == [("test", 20.0)]
    assert (len(world.server.requests), world.time.pauses) == (1, [])


def test_who_cannot_give_it_back_waits(world: World) -> None:
    world.server.script(Answer(429, headers={"Retry-After": "20"}), Answer(body=b"fine"))
    assert world.get(PATIENT).body == b"fine"
    assert world.time.pauses == [20.0]
    world.server.script(Answer(429, headers={"Retry-After": "61"}))
    with pytest.raises(SourceUnavailableError, match="in 61 seconds, and no longer than 60"):
        world.get(PATIENT)


def test_who_cannot_give_it_back_gives_up_in_the_end(world: World) -> None:
    world.server.script(Answer(429, headers={"Retry-After": "1"}))
    with pytest.raises(SourceUnavailableError, match=r"after 5 attempts .* retried after 1 s"):
        world.get(PATIENT)
    assert len(world.server.requests) == 5


def test_a_refusal_without_a_time_is_tried_and_then_given_back(world: World) -> None:
    world.server.script(Answer(429))
    with pytest.raises(PostponedError) as caught:
        world.get()
    assert caught.value.seconds == 30
    assert len(world.server.requests) == 5


def test_a_refusal_for_a_moment_that_does_not_end_is_given_back(world: World) -> None:
    world.server.script(Answer(429, headers={"Retry-After": "1"}))
    with pytest.raises(PostponedError) as caught:
        world.get()
    assert caught.value.seconds == 30
    assert len(world.server.requests) == 5


def test_an_error_with_a_time_is_no_refusal(world: World) -> None:
    world.server.script(Answer(500, headers={"Retry-After": "3"}), Answer(body=b"fine"))
    assert world.get().body == b"fine"
    assert (world.time.pauses, world.rates.held) == ([3.5], [])


def test_an_answer_can_be_said_to_be_a_refusal(world: World) -> None:
    busy = Answer(body=b"maxlag", headers={"Retry-After": "5"})
    world.server.script(busy, Answer(body=b"fine"))
    with pytest.raises(PostponedError) as caught:
        world.client().get(world.server.url, refuses=lambda answer: answer.body == b"maxlag")
    assert caught.value.seconds == 5


class RefusedRates(OpenRates):
    """A bucket whose source has refused every call for some time."""

    slot = Slot(is_granted=True, wait_seconds=0.0, refused_seconds=100.0)

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        self.taken.append(bucket)
        return self.slot


def test_the_first_answer_ends_a_refusal(world: World) -> None:
    world.rates = RefusedRates()
    world.server.script(Answer(500), Answer())
    world.get()
    assert world.rates.held == [("test", 0.0)]


@pytest.mark.parametrize(("refused", "is_given_up"), [(860.0, False), (880.0, True)])
def test_a_source_that_refuses_for_too_long_is_given_up(
    world: World, refused: float, is_given_up: bool
) -> None:
    world.rates = rates = RefusedRates()
    rates.slot = Slot(False, 40.0, refused_seconds=refused, blocked_seconds=30.0)
    kind = SourceUnavailableError if is_given_up else PostponedError
    with pytest.raises(kind, match="refused every call" if is_given_up else "may be called in"):
        world.get()
    world.rates.slot = Slot(True, 0.0, refused_seconds=refused)
    world.server.script(Answer(body=b"fine"))
    assert world.get().body == b"fine"  # when its time is over it is tried again


def test_a_short_turn_is_waited_for_and_a_long_one_given_back(world: World) -> None:
    world.rates = rates = RefusedRates()
    world.server.script(Answer())
    rates.slot = Slot(is_granted=True, wait_seconds=0.4)
    world.get()
    assert world.time.pauses == [0.4]
    rates.slot = Slot(is_granted=False, wait_seconds=7.5)
    with pytest.raises(PostponedError, match=r"test may be called in 7\.5 seconds"):
        world.get()
    assert len(world.server.requests) == 1


class PatienceNotes(OpenRates):
    """Keeps how long each caller would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.patience: list[float] = []

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        self.patience.append(patience_seconds)
        return super().take(bucket, rate, patience_seconds)


def test_a_job_that_has_begun_waits_longer_for_its_turn(world: World) -> None:
    world.rates = rates = PatienceNotes()
    client = world.client()
    world.server.script(Answer(), Answer(500), Answer(), Answer(429, headers={"Retry-After": "9"}))
    for _ in range(2):
        client.get(world.server.url)
    with pytest.raises(PostponedError):
        client.get(world.server.url)
    # Not for a source that refuses, though.
    assert rates.patience == [1.0, 30.0, 30.0, 30.0, 1.0]


def test_every_call_spends_and_a_spent_budget_calls_no_more(world: World) -> None:
    world.server.script(Answer(500))
    world.rates.budget = 2
    with pytest.raises(BudgetExhaustedError):
        world.client(rate=RateLimit(calls_per_day=100)).get(world.server.url)
    assert len(world.server.requests) == 2


def test_a_turn_that_was_not_given_spends_nothing(world: World) -> None:
    world.rates.held.append(("test", 20.0))
    with pytest.raises(PostponedError):
        world.client(rate=RateLimit(calls_per_day=100)).get(world.server.url)
    assert world.rates.spent == []


def test_proxies_of_the_environment_are_not_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, world.elsewhere.url)
    world.server.script(Answer(body=b"direct"))
    assert world.get().body == b"direct"
