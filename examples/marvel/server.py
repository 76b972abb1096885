"""The HTTP shell: sockets, threads and bytes around `Gateway` and `Control`."""

import ipaddress
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from examples.marvel.catalog.catalog import Catalog
from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.control import CONTROL_PATH, Control
from examples.marvel.gateway import Gateway, GatewayOptions
from examples.marvel.limits import Clock
from examples.marvel.messages import (
    Request,
    Response,
    json_response,
    refusal_response,
    split_target,
)
from examples.marvel.refusals import RequestRefusedError, status_refusal
from examples.marvel.wire import parse_whole_number
from shared.platform.printing import printable

DEFAULT_PORT: Final = 4570

_MAXIMUM_BODY_BYTES: Final = 1_000_000
_IDLE_TIMEOUT_SECONDS: Final = 60


class GatewayServer(ThreadingHTTPServer):
    """Serves one gateway; raises OSError when the address cannot be bound."""

    daemon_threads = True

    def __init__(
        self, gateway: Gateway, host: str = "127.0.0.1", port: int = 0, is_verbose: bool = False
    ) -> None:
        self.gateway = gateway
        self.control = Control(gateway)
        self.is_verbose = is_verbose
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """`http://host:port`, what a corpus names as its `base_url`."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def server_bind(self) -> None:
        """Bind without the reverse DNS lookup of HTTPServer, which can hang offline."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that closing the server ends it."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and end it."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the port and every open connection: kept-alive ones would be served on."""
        super().server_close()
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):  # the client may have gone first
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that went away; report everything else."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Turns bytes into a Request and a Response into bytes."""

    server: GatewayServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_TIMEOUT_SECONDS
    disable_nagle_algorithm = True
    wbufsize = 65_536  # headers and body leave together

    def version_string(self) -> str:
        """The `Server` header, without the version of Python."""
        return "MarvelGateway"

    def _serve(self) -> None:
        try:
            request = self._read_request()
        except RequestRefusedError as refusal:
            # What the body would have been is still on the wire: it must not be read as a request.
            self.close_connection = True
            self._write(refusal_response(refusal))
            return
        if request.path == CONTROL_PATH or request.path.startswith(f"{CONTROL_PATH}/"):
            response = self.server.control.handle(request)
        else:
            response = self.server.gateway.handle(request)
        if self.server.is_verbose:
            line = f"{request.method} {request.target} {response.status}"
            print(printable(line), file=sys.stderr)
        self._write(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = _serve  # noqa: N815

    def _read_request(self) -> Request:
        path, parameters = split_target(self.path)
        return Request(
            method=self.command,
            path=path,
            parameters=parameters,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._read_body(),
            is_local=ipaddress.ip_address(str(self.client_address[0])).is_loopback,
        )

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise status_refusal(HTTPStatus.LENGTH_REQUIRED, "Send a Content-Length.")
        length = parse_whole_number(self.headers.get("Content-Length", "0"))
        if length is None:
            raise status_refusal(HTTPStatus.BAD_REQUEST, "Content-Length must be a whole number.")
        if length > _MAXIMUM_BODY_BYTES:
            raise status_refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A body may have at most {_MAXIMUM_BODY_BYTES} bytes.",
            )
        return self.rfile.read(length)

    def _write(self, response: Response) -> None:
        if response.disconnect:
            self.close_connection = True
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer unreadable requests with JSON like all others."""
        self.close_connection = True
        self._write(json_response({"code": code, "status": message or explain or ""}, code))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Say nothing: the request line holds the hash. `_serve` prints what may be shown."""


@contextmanager
def running_gateway(
    port: int = 0,
    *,
    catalog: Catalog | None = None,
    options: GatewayOptions | None = None,
    clock: Clock = time.time,
) -> Iterator[str]:
    """Serve on loopback in a thread for the length of a `with`; yields the base URL.

    Port 0 takes a free one. Without a catalog the demo corpus is served.
    """
    gateway = Gateway(catalog or demo_catalog(), options, clock)
    server = GatewayServer(gateway, port=port)
    thread = threading.Thread(target=server.serve_forever, name="marvel-gateway", daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
