"""A real HTTP server on the loopback that gives scripted answers, bytes and all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """One answer; `body` is sent as it is. `hang_up` closes the connection without any."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


@dataclass(frozen=True)
class Request:
    """One request as received; header names in lower case."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class ScriptedServer:
    """Gives its answers in order, the last one for ever, and keeps the requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self._answers: list[Answer] = []
        self._lock = threading.Lock()

    def script(self, *answers: Answer) -> None:
        with self._lock:
            self._answers = list(answers)
            self.requests = []

    def take(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@contextmanager
def running_server() -> Iterator[ScriptedServer]:
    """Serve on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            received = {name.lower(): value for name, value in self.headers.items()}
            answer = scripted.take(Request(parts.path, query, received))
            if answer.hang_up:
                self.close_connection = True
                return
            # A scripted Content-Length may be wrong: nothing may follow on this connection.
            headers = {
                "Content-Length": str(len(answer.body)),
                "Connection": "close",
                **answer.headers,
            }
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scripted = ScriptedServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
