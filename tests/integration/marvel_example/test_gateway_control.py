"""Faults, limits and changes scripted at run time."""

import http.client
from typing import Any

import pytest

from examples.marvel import running_gateway
from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.control import Control
from examples.marvel.gateway import Gateway, GatewayOptions
from examples.marvel.limits import RateLimits
from examples.marvel.messages import Request
from tests.integration.marvel_example.gateway_client import WireClient

THROTTLED = {
    "code": "RequestThrottled",
    "message": "You have exceeded your rate limit.  Please try again later.",
}


def statuses(client: WireClient, path: str, count: int) -> list[int]:
    return [client.get(path).status for _ in range(count)]


def test_scripted_faults_come_as_often_as_told(client: WireClient) -> None:
    fault = {"match": "comics", "status": 500, "times": 2, "retry_after_seconds": 3}
    pending = client.send("POST", "/_control/faults", [fault]).json()["faults"]
    assert [one["times"] for one in pending] == [2]
    first = client.get("/comics")
    assert (first.status, first.headers["retry-after"]) == (500, "3")
    assert first.json() == {"code": 500, "status": "Internal Server Error"}
    assert client.get("/events").status == 200
    assert statuses(client, "/comics", 2) == [500, 200]
    assert client.send("GET", "/_control/faults").json() == {"faults": []}


def test_faults_can_pick_one_page(client: WireClient) -> None:
    fault = {"match": r"characters\?.*offset=20", "status": 503}
    client.send("POST", "/_control/faults", [fault])
    assert client.get("/characters", offset=0).status == 200
    assert client.get("/characters", offset=20).status == 503
    assert client.get("/characters", offset=20).status == 200


def test_faults_in_the_shape_of_the_key_check(client: WireClient) -> None:
    faults = [
        {"match": "series", "status": 429, "retry_after_seconds": 1},
        {"match": "series", "status": 401},
    ]
    client.send("POST", "/_control/faults", faults)
    throttled, refused = client.get("/series"), client.get("/series")
    assert (throttled.status, throttled.json()) == (429, THROTTLED)
    assert throttled.headers["retry-after"] == "1"
    assert (refused.status, refused.json()["code"]) == (401, "InvalidCredentials")


def test_a_fault_may_answer_something_that_is_no_json(client: WireClient) -> None:
    fault = {"match": "events", "status": 502, "body": "<h1>Bad gateway</h1>"}
    client.send("POST", "/_control/faults", [fault])
    answer = client.get("/events")
    assert (answer.status, answer.body) == (502, b"<h1>Bad gateway</h1>")
    assert answer.headers["content-type"].startswith("text/html")


def test_a_fault_may_cut_the_connection(client: WireClient) -> None:
    client.send("POST", "/_control/faults", [{"match": "events", "disconnect": True}])
    with pytest.raises(http.client.RemoteDisconnected):
        client.get("/events")
    assert client.get("/events").status == 200


def test_limits_set_at_run_time(client: WireClient) -> None:
    limits = {"throttle_after": 2, "throttle_window_seconds": 3600}
    assert client.send("PUT", "/_control/limits", limits).json()["throttle_after"] == 2
    assert statuses(client, "/events", 3) == [200, 200, 429]
    refused = client.get("/events")
    assert refused.json() == THROTTLED
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    client.send("POST", "/_control/reset")
    assert client.get("/events").status == 200


def test_refused_credentials_spend_no_calls(client: WireClient) -> None:
    client.send("PUT", "/_control/limits", {"daily_limit": 1})
    assert client.send("GET", "/v1/public/events").status == 409
    assert statuses(client, "/events", 2) == [200, 429]


def test_waiting_as_long_as_told_is_enough() -> None:
    now = [1_000_000.0]
    options = GatewayOptions(limits=RateLimits(throttle_after=1, throttle_window_seconds=5))
    with running_gateway(options=options, clock=lambda: now[0]) as url:
        client = WireClient(url)
        assert client.get("/events").status == 200
        wait_seconds = int(client.get("/events").headers["retry-after"])
        now[0] += wait_seconds - 1
        assert client.get("/events").status == 429
        now[0] += 1
        assert client.get("/events").status == 200


def test_a_changed_entity_is_what_an_incremental_run_finds(client: WireClient) -> None:
    before = client.get("/characters", orderBy="-modified", limit=1)
    watermark = before.json()["data"]["results"][0]["modified"]
    change = {"type": "characters", "id": 9100001, "description": "Ultron sleeps."}
    answer = client.send("PUT", "/_control/entities", [change])
    assert answer.status == 200
    [changed] = answer.json()["entities"]
    data = client.get("/characters", modifiedSince=watermark, orderBy="modified").json()["data"]
    assert [one["id"] for one in data["results"]][-1] == 9100001
    assert data["total"] == 2
    assert data["results"][-1] == changed
    assert changed["description"] == "Ultron sleeps."
    etag = before.headers["etag"]
    again = client.get("/characters", {"If-None-Match": etag}, orderBy="-modified", limit=1)
    assert again.status == 200


def test_reset_undoes_every_change(client: WireClient) -> None:
    changes = [
        {"type": "events", "id": 9400001, "description": None},
        {"type": "creators", "id": 9500001, "modified": "2030-01-01T00:00:00-0500"},
    ]
    client.send("PUT", "/_control/entities", changes)
    assert client.get("/creators/9500001").json()["data"]["results"][0]["modified"][:4] == "2030"
    assert client.get("/events/9400001").json()["data"]["results"][0]["description"] is None
    client.send("POST", "/_control/reset")
    catalog = demo_catalog()
    for kind, number in (("events", 9400001), ("creators", 9500001)):
        [entity] = client.get(f"/{kind}/{number}").json()["data"]["results"]
        assert entity == catalog.get("events" if kind == "events" else "creators", number)


def test_a_removed_entity_is_gone_until_reset(client: WireClient) -> None:
    assert client.send("DELETE", "/_control/entities/stories/9600001").status == 200
    assert client.get("/stories/9600001").status == 404
    assert client.get("/stories").json()["data"]["total"] == demo_catalog().counts()["stories"] - 1
    assert client.send("DELETE", "/_control/entities/stories/9600001").status == 404
    client.send("POST", "/_control/reset")
    assert client.get("/stories/9600001").status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/faults", {"match": "x"}, 400, "body: Input should be a valid tuple"),
        ("POST", "/faults", [{"match": "x"}], 400, "0: Value error, needs either"),
        ("POST", "/faults", [{"match": "(", "status": 500}], 400, "0.match"),
        ("POST", "/faults", None, 400, "body: "),
        ("PUT", "/limits", {"throttle_after": 0}, 400, "throttle_after"),
        ("PUT", "/limits", [], 400, "body"),
        ("PUT", "/entities", [{"type": "heroes", "id": 1}], 400, "0.type"),
        ("PUT", "/entities", [{"type": "events", "id": 1}], 404, "couldn't find that event"),
        (
            "PUT",
            "/entities",
            [{"type": "events", "id": 9400001, "modified": "soon"}],
            400,
            "0.modified",
        ),
        (
            "PUT",
            "/entities",
            [{"type": "creators", "id": 9500001, "description": "x"}],
            400,
            "creators have no description",
        ),
        ("DELETE", "/entities/heroes/1", None, 404, "There is no entity heroes/1"),
        ("DELETE", "/entities/events/x", None, 404, "There is no entity events/x"),
        ("GET", "/secrets", None, 404, "There is no GET /_control/secrets"),
        ("GET", "/reset", None, 404, "There is no GET"),
    ],
)
def test_bad_control_requests_are_explained(
    client: WireClient, method: str, path: str, body: Any, status: int, message: str
) -> None:
    answer = client.send(method, f"/_control{path}", body)
    assert answer.status == status
    assert message in answer.json()["status"]


def test_one_bad_change_among_good_ones_changes_nothing(client: WireClient) -> None:
    good = {"type": "events", "id": 9400001, "description": "changed"}
    bad = {"type": "events", "id": 1, "description": "changed"}
    assert client.send("PUT", "/_control/entities", [good, bad]).status == 404
    [event] = client.get("/events/9400001").json()["data"]["results"]
    assert event == demo_catalog().get("events", 9400001)


def test_callers_from_elsewhere_are_not_heard() -> None:
    control = Control(Gateway(demo_catalog()))
    request = Request("POST", "/_control/reset", is_local=False)
    assert control.handle(request).status == 403
