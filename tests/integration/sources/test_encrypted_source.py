"""TLS through the outbound guard: the name is verified though the address was looked up before."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from shared.web.http_get import HttpClient, TransportError
from shared.web.outbound import AllowedHosts, OutboundGuard


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        return


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client that refuses the certificate hangs up: that is what is tested


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority: trustme.CA) -> Iterator[int]:
    """A server whose certificate, of `wiki.example`, the authority signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("wiki.example").configure_cert(context)
    server = QuietServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def client() -> HttpClient:
    """A client to which every name is this machine."""

    def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    return HttpClient(guard=OutboundGuard(AllowedHosts.parse("127.0.0.1/32"), resolve))


def test_the_name_is_verified_and_not_the_address(
    authority: trustme.CA, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    answer = client().get(f"https://wiki.example:{port}/", {})
    assert answer.body == f"wiki.example:{port}".encode()
    for other in ("other.example", "127.0.0.1"):
        with pytest.raises(TransportError, match="SSLError"):
            client().get(f"https://{other}:{port}/", {})


def test_a_certificate_that_nobody_vouches_for_is_refused(port: int) -> None:
    with pytest.raises(TransportError, match="SSLError"):
        client().get(f"https://wiki.example:{port}/", {})
