"""One bounded GET against a real server."""

import gzip
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from shared.errors import SourceError
from shared.web.http_get import USER_AGENT, HttpClient, HttpLimits, TransportError
from shared.web.outbound import AllowedHosts, OutboundGuard
from tests.integration.sources.clients import local_http
from tests.integration.sources.scripted_server import Answer, ScriptedServer, running_server

SMALL = HttpLimits(
    connect_timeout_seconds=2,
    read_timeout_seconds=2,
    total_timeout_seconds=5,
    maximum_received_bytes=10_000,
    maximum_body_bytes=20_000,
)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with running_server() as running:
        yield running


def packed(data: bytes) -> Answer:
    return Answer(body=gzip.compress(data), headers={"Content-Encoding": "gzip"})


def test_it_is_polite_and_takes_gzip(server: ScriptedServer) -> None:
    server.script(packed(b"hello"))
    response = local_http(SMALL).get(f"{server.url}/x?a=1", {"If-None-Match": "e"})
    assert (response.status, response.body) == (200, b"hello")
    (request,) = server.requests
    assert request.headers["user-agent"] == USER_AGENT
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["if-none-match"] == "e"


def test_header_names_are_lowered_and_statuses_are_answers(server: ScriptedServer) -> None:
    server.script(Answer(503, b"x", {"Retry-After": "3"}))
    response = local_http(SMALL).get(server.url, {})
    assert (response.status, response.headers["retry-after"]) == (503, "3")


def test_not_modified_has_no_body(server: ScriptedServer) -> None:
    server.script(Answer(304, headers={"ETag": "e", "Content-Encoding": "gzip"}))
    response = local_http(SMALL).get(server.url, {})
    assert (response.status, response.body) == (304, b"")


def test_redirects_are_not_followed(server: ScriptedServer) -> None:
    server.script(Answer(302, headers={"Location": f"{server.url}/elsewhere"}))
    assert local_http(SMALL).get(server.url, {}).status == 302
    assert len(server.requests) == 1


def test_truncated_gzip_is_no_answer(server: ScriptedServer) -> None:
    whole = gzip.compress(b"hello" * 100)
    server.script(Answer(body=whole[:-9], headers={"Content-Encoding": "gzip"}))
    with pytest.raises(TransportError, match="cut short"):
        local_http(SMALL).get(server.url, {})


def test_a_body_shorter_than_announced_is_no_answer(server: ScriptedServer) -> None:
    server.script(Answer(body=b"hello", headers={"Content-Length": "50"}))
    with pytest.raises(TransportError, match="ProtocolError"):
        local_http(SMALL).get(server.url, {})


def test_a_closed_connection_is_no_answer(server: ScriptedServer) -> None:
    server.script(Answer(hang_up=True))
    with pytest.raises(TransportError, match="ProtocolError"):
        local_http(SMALL).get(server.url, {})


def test_a_connection_that_goes_on_after_trouble(server: ScriptedServer) -> None:
    client = local_http(SMALL)
    server.script(Answer(hang_up=True), Answer(body=b"fine"))
    with pytest.raises(TransportError):
        client.get(server.url, {})
    assert client.get(server.url, {}).body == b"fine"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(body=b"x" * 10_001), "exceeds 10000 bytes"),
        (packed(bytes(20_001)), "exceeds 20000 bytes when decompressed"),
        (Answer(body=b"x", headers={"Content-Encoding": "br"}), "encoding 'br'"),
    ],
)
def test_answers_out_of_bounds(server: ScriptedServer, answer: Answer, reason: str) -> None:
    server.script(answer)
    with pytest.raises(SourceError, match=reason) as caught:
        local_http(SMALL).get(server.url, {})
    assert not isinstance(caught.value, TransportError)


HEAD = b"HTTP/1.1 200 OK\r\n"
IMPATIENT = HttpLimits(
    connect_timeout_seconds=60, read_timeout_seconds=60, total_timeout_seconds=0.5
)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        HEAD + b"X-Slow: ",
        HEAD + b"Content-Length: 1000000\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;",
        HEAD + b"Connection: close\r\n\r\n",
    ],
    ids=["status", "header", "body", "chunk", "body-without-length"],
)
def test_an_answer_that_drips_may_not_take_for_ever(beginning: bytes) -> None:
    limits = HttpLimits(read_timeout_seconds=60, total_timeout_seconds=0.5)
    with dripping_server(beginning) as url, pytest.raises(TransportError, match=r"than 0\.5 s"):
        local_http(limits).get(url, {})


def test_a_handshake_that_drips_may_not_take_for_ever() -> None:
    record = b"\x16\x03\x03\x40\x00"  # the head of a message of 16,384 bytes
    with dripping_server(record) as url, pytest.raises(TransportError, match=r"than 0\.5 s"):
        local_http(IMPATIENT).get(url.replace("http:", "https:"), {})


def test_connecting_may_not_take_for_ever(unreachable_port: int) -> None:
    guard = OutboundGuard(AllowedHosts.parse("127.0.0.1/32"), lambda *_: ["127.0.0.1"] * 3)
    began = time.monotonic()
    with pytest.raises(TransportError, match=r"than 0\.5 s"):
        HttpClient(IMPATIENT, guard).get(f"http://wiki.example:{unreachable_port}/", {})
    assert time.monotonic() - began < 30  # not a minute for each address


@pytest.fixture
def unreachable_port() -> Iterator[int]:
    """A port on which no program accepts connections, and whose queue of connections is full."""
    with ExitStack() as waiting:
        listener = waiting.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            queued = waiting.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def dripping_server(beginning: bytes) -> Iterator[str]:
    """Send the beginning of an answer, then a byte now and then, until the client hangs up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(beginning or b"H")
            while not closed.wait(0.02):
                connection.sendall(b"x")

    closed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        closed.set()
        thread.join()


def test_a_connection_that_is_used_again_is_cut_too() -> None:
    """The deadline of a call is for the connection that it uses, be it an old one."""
    received: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            received.append(connection.recv(10_000))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            received.append(connection.recv(10_000))
            received.append(connection.recv(10_000))  # nothing: the client hangs up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        # The first call must be answered within it, however busy the machine is.
        client = local_http(HttpLimits(read_timeout_seconds=60, total_timeout_seconds=3))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert client.get(url, {}).body == b"ok"
        began = time.monotonic()
        with pytest.raises(TransportError, match="took longer"):
            client.get(url, {})
        thread.join()
    # Not when the minute is over for which the socket would wait.
    assert time.monotonic() - began < 30
    assert [bool(request) for request in received] == [True, True, False]


def test_a_refused_connection_shows_no_credentials(
    everything_logged: io.StringIO, server: ScriptedServer
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        signed = f"http://127.0.0.1:{port}/v1?apikey=PUBLIC&hash=HASH&ts=STAMP"
        with pytest.raises(TransportError, match="NewConnectionError") as caught:
            local_http(SMALL).get(signed, {})
    assert caught.value.__cause__ is None
    server.script(Answer(body=b"x"))
    local_http(SMALL).get(f"{server.url}/v1?apikey=PUBLIC&hash=HASH&ts=STAMP&a=b", {})
    assert (
        "/v1?***" in everything_logged.getvalue()
    )  # the library's line was logged, and without credentials
    for secret in ("PUBLIC", "HASH", "STAMP"):
        assert secret not in everything_logged.getvalue() + str(caught.value)
