"""TLS through the outbound guard: the name is verified though the address was looked up before."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.local_aws.certificates import self_signed
from shared.sources.http import HttpClient, TransportError
from shared.sources.outbound import AllowedHosts, OutboundGuard


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
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `wiki.example` that vouches for itself, and its key, in one file."""
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    path.write_text(self_signed("wiki.example"))
    return path


@pytest.fixture(scope="module")
def port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
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
    certificate: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer = client().get(f"https://wiki.example:{port}/", {})
    assert answer.body == f"wiki.example:{port}".encode()
    for other in ("other.example", "127.0.0.1"):
        with pytest.raises(TransportError, match="SSLError"):
            client().get(f"https://{other}:{port}/", {})


def test_a_certificate_that_nobody_vouches_for_is_refused(port: int) -> None:
    with pytest.raises(TransportError, match="SSLError"):
        client().get(f"https://wiki.example:{port}/", {})
