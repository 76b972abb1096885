"""Serves a site over real HTTP on the loopback, with whatever faults are due."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.integration.conformance.site import Answer, Fault, Site
from tests.integration.sources.scripted_server import Request


class SiteServer:
    """One site at a time; keeps the requests and the faults."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        """The first that is due spoils an answer."""
        self.changes: dict[int, Callable[[], None]] = {}
        """What happens to the site right after so many requests."""
        self._site: Site | None = None
        self._lock = threading.Lock()

    def serve(self, site: Site | None) -> None:
        """Serve another site, or none, without faults."""
        with self._lock:
            self._site = site
            self.requests, self.faults, self.changes = [], [], {}

    def take(self, request: Request) -> Answer:
        with self._lock:
            if self._site is None:
                return Answer(status=404)
            self.requests.append(request)
            answer = self._site.answer(request)
            fault = next((f for f in self.faults if f.is_due(request, answer)), None)
            if fault is not None:
                answer = fault.apply(answer)
            change = self.changes.pop(len(self.requests), None)
            if change is not None:
                change()
            return answer


@contextmanager
def running_site_server(host: str = "127.0.0.1") -> Iterator[SiteServer]:
    """Serve on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {
                name: values[0]
                for name, values in parse_qs(parts.query, keep_blank_values=True).items()
            }
            received = {name.lower(): value for name, value in self.headers.items()}
            self._send(sites.take(Request(parts.path, query, received)))

        def _send(self, answer: Answer) -> None:
            length = len(answer.body) if answer.announced_bytes is None else answer.announced_bytes
            self.send_response(answer.status)
            self.send_header("Content-Length", str(length))
            # An announced length may be wrong: nothing may follow on this connection.
            self.send_header("Connection", "close")
            for name, value in answer.headers:
                self.send_header(name, value)
            with suppress(ConnectionError):  # a client that has had enough hangs up
                self.end_headers()
                for piece in answer.pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                if answer.is_stalling:
                    self.connection.recv(1)  # returns once the client has hung up
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            return

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    sites = SiteServer(f"http://{host}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield sites
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
