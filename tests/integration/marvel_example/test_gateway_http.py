"""The wire format over real HTTP."""

import gzip
import http.client
import re
import socket
import threading
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from examples.marvel import running_gateway
from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.wire import ENTITY_TYPES, EntityType, WireEntity
from tests.integration.marvel_example.gateway_client import WireClient

VECTOR = "ts=1&apikey=1234&hash=ffd275c5130566a2916217b101f26150"


def test_the_wrapper_of_a_page(client: WireClient) -> None:
    answer = client.get("/characters", limit=2)
    content = answer.json()
    assert answer.status == 200
    assert list(content) == [
        "code", "status", "copyright", "attributionText", "attributionHTML", "etag", "data",
    ]  # fmt: skip
    assert (content["code"], content["status"]) == (200, "Ok")
    assert re.fullmatch(r"[0-9a-f]{40}", content["etag"])
    assert answer.headers["etag"] == content["etag"]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert list(content["data"]) == ["offset", "limit", "total", "count", "results"]
    assert content["data"]["count"] == len(content["data"]["results"]) == 2


def test_the_documented_signature_is_accepted(client: WireClient) -> None:
    assert client.send("GET", f"/v1/public/comics?{VECTOR}").status == 200


@pytest.mark.parametrize("kind", ENTITY_TYPES)
def test_every_entity_comes_over_the_wire_unchanged(client: WireClient, kind: EntityType) -> None:
    received: list[WireEntity] = []
    total = 1
    while len(received) < total:
        page = client.get(f"/{kind}", limit=7, offset=len(received), orderBy="modified").json()
        total = page["data"]["total"]
        assert page["data"]["results"], "a page before the end is empty"
        received.extend(page["data"]["results"])
    catalog = demo_catalog()
    assert len(received) == catalog.counts()[kind]
    assert all(entity == catalog.get(kind, entity["id"]) for entity in received)


@pytest.mark.parametrize("kind", ENTITY_TYPES)
def test_one_entity_by_its_id(client: WireClient, kind: EntityType) -> None:
    entity = next(demo_catalog().all(kind))
    data = client.get(f"/{kind}/{entity['id']}").json()["data"]
    assert data == {"offset": 0, "limit": 20, "total": 1, "count": 1, "results": [entity]}


def test_related_entities_are_complete_where_the_nested_list_is_cut(client: WireClient) -> None:
    [ultron] = client.get("/characters", name="Ultron").json()["data"]["results"]
    path = ultron["comics"]["collectionURI"].partition("/v1/public")[2]
    data = client.get(path, limit=100).json()["data"]
    assert data["total"] == data["count"] == ultron["comics"]["available"] > 20
    named = {item["resourceURI"] for item in ultron["comics"]["items"]}
    assert named < {comic["resourceURI"] for comic in data["results"]}


def test_a_known_etag_is_answered_304_with_an_empty_body(client: WireClient) -> None:
    etag = client.get("/events", limit=5).headers["etag"]
    for header in (etag, f'"{etag}"'):
        answer = client.get(
            "/events", {"If-None-Match": header, "Accept-Encoding": "gzip"}, limit=5
        )
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
        assert "content-encoding" not in answer.headers
    assert client.get("/events", {"If-None-Match": etag}, limit=6).status == 200


def test_a_connection_goes_on_after_a_304(client: WireClient) -> None:
    connection = http.client.HTTPConnection(client.address, timeout=30)
    target = f"/v1/public/events?{VECTOR}"
    connection.request("GET", target)
    etag = connection.getresponse().read() and client.get("/events").headers["etag"]
    connection.request("GET", target, headers={"If-None-Match": etag})
    not_modified = connection.getresponse()
    assert (not_modified.status, not_modified.read()) == (304, b"")
    connection.request("GET", target)
    assert connection.getresponse().status == 200
    connection.close()


def test_gzip_when_the_client_takes_it(client: WireClient) -> None:
    plain = client.get("/comics", limit=100)
    packed = client.get("/comics", {"Accept-Encoding": "deflate, gzip"}, limit=100)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body) / 4
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("", 409, {"code": "MissingParameter", "message": "You must provide a user key."}),
        (
            "ts=1&apikey=1234",
            409,
            {"code": "MissingParameter", "message": "You must provide a hash."},
        ),
        (
            "apikey=1234&hash=0",
            409,
            {"code": "MissingParameter", "message": "You must provide a timestamp."},
        ),
        (
            "ts=1&apikey=5678&hash=0",
            401,
            {"code": "InvalidCredentials", "message": "The passed API key is invalid."},
        ),
        (
            VECTOR.replace("ts=1", "ts=2"),
            401,
            {
                "code": "InvalidCredentials",
                "message": "That hash, timestamp and key combination is invalid.",
            },
        ),
    ],
)
def test_refusals_of_the_key_check(
    client: WireClient, query: str, status: int, body: dict[str, str]
) -> None:
    answer = client.send("GET", f"/v1/public/characters?{query}")
    assert (answer.status, answer.json()) == (status, body)
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    ("path", "parameters", "status", "message"),
    [
        ("/comics", {"limit": 101}, 409, "You may not request more than 100 items."),
        ("/comics", {"limit": 0}, 409, "You must pass an integer limit greater than 0."),
        ("/comics", {"orderBy": "size"}, 409, "size is not a valid ordering parameter."),
        ("/comics", {"who": "me"}, 409, "We don't recognize the parameter who"),
        ("/comics", {"title": ""}, 409, "title cannot be blank if it is set"),
        ("/comics/9200001", {"limit": 5}, 409, "We don't recognize the parameter limit"),
        ("/characters/1", {}, 404, "We couldn't find that character"),
        ("/comics/x", {}, 404, "We couldn't find that comic_issue"),
        ("/stories/99999999999999999999999", {}, 404, "We couldn't find that story"),
    ],
)
def test_refusals_of_the_api(
    client: WireClient, path: str, parameters: dict[str, Any], status: int, message: str
) -> None:
    answer = client.get(path, **parameters)
    assert (answer.status, answer.json()) == (status, {"code": status, "status": message})


@pytest.mark.parametrize(
    "path", ["/heroes", "", "/comics/", "/comics/9200001/series", "/characters/9100001/x/y"]
)
def test_paths_that_do_not_exist(client: WireClient, path: str) -> None:
    assert client.get(path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_the_api_is_read_only(client: WireClient, method: str) -> None:
    assert client.send(method, f"/v1/public/comics?{VECTOR}").status == 405


def test_modified_since_includes_its_own_moment(client: WireClient) -> None:
    ordered = client.get("/creators", orderBy="-modified", limit=3).json()["data"]["results"]
    newest, _, third = ordered
    since_newest = client.get("/creators", modifiedSince=newest["modified"]).json()["data"]
    since_third = client.get("/creators", modifiedSince=third["modified"]).json()["data"]
    assert [one["id"] for one in since_newest["results"]] == [newest["id"]]
    assert {one["id"] for one in since_third["results"]} == {one["id"] for one in ordered}
    assert client.get("/creators", modifiedSince="2099-01-01").json()["data"]["total"] == 0


def raw_exchange(client: WireClient, content: bytes) -> bytes:
    host, port = client.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65_536):
            received += part
    return received


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"BREW /v1/public/comics HTTP/1.1\r\n\r\n", b"501"),
        (b"GET //[ HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /_control/faults HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST /_control/faults HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST /_control/faults HTTP/1.1\r\nContent-Length: 1000001\r\n\r\n", b"413"),
        (b"POST /_control/faults HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
    ],
)
def test_broken_requests_are_answered_and_harm_nothing(
    client: WireClient, content: bytes, status: bytes
) -> None:
    received = raw_exchange(client, content)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert body.startswith(b'{"code":')
    assert client.get("/comics", limit=1).status == 200


def test_many_clients_at_once(client: WireClient) -> None:
    totals: list[int] = []

    def read() -> None:
        totals.extend(client.get(f"/{kind}").json()["data"]["total"] for kind in ENTITY_TYPES)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(totals) == 8 * sum(demo_catalog().counts().values())


def test_kept_connections_end_with_the_gateway() -> None:
    with running_gateway() as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request("GET", f"/v1/public/events?{VECTOR}")
        assert connection.getresponse().read()
        kept = connection.sock
        assert kept is not None
    kept.settimeout(30)
    assert kept.recv(1) == b""
    connection.close()


def test_the_log_of_requests_holds_no_credentials(client: WireClient) -> None:
    query = urlencode({"limit": 1, "offset": 2})
    client.send("GET", f"/v1/public/series?{VECTOR}&{query}", headers={"User-Agent": "tester/1"})
    answer = client.send("GET", "/_control/requests")
    [entry] = answer.json()["requests"]
    assert entry["path"] == "/v1/public/series"
    assert entry["query"] == {"ts": "1", "limit": "1", "offset": "2"}
    assert (entry["status"], entry["user_agent"]) == (200, "tester/1")
    assert b"ffd275c5" not in answer.body
    assert b"1234" not in answer.body
