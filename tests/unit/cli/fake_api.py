"""An HTTP server on loopback that stands for a deployment, and the outputs of one."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

OUTPUTS = {
    "name_prefix": "ultron",
    "api_id": "abc",
    "api_stage": "prod",
    "api_url": "https://abc.execute-api.us-east-1.amazonaws.com/prod",
    "api_key": "a-key-of-twenty-letters",
    "bucket_name": "bucket",
    "checkpoint_table": "table",
    "region": "us-east-1",
    "default_corpus": "marvel",
    "function_names": {"ingest": "ultron-ingest"},
    "queue_urls": {},
    "dead_letter_queue_urls": {},
    "unknown_to_the_command": [1],
}


class FakeApi(ThreadingHTTPServer):
    """Answers every request with `answer` and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.refuses_without_key = False
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/prod"


class _Handler(BaseHTTPRequestHandler):
    server: FakeApi

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append(
            {
                "method": self.command,
                "path": url.path,
                "query": parse_qs(url.query, keep_blank_values=True),
                "key": self.headers.get("x-api-key"),
                "headers": dict(self.headers),
                "body": _read(body),
            }
        )
        status, answer = self.server.answer
        if self.server.refuses_without_key and "x-api-key" not in self.headers:
            status, answer = 403, b'{"message": "Forbidden"}'
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _answer  # noqa: N815 - the names are inherited

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Keep quiet."""


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


@contextmanager
def running_api() -> Iterator[FakeApi]:
    """A server that runs for the block."""
    server = FakeApi()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_outputs(path: Path) -> None:
    """Write what `terraform output -json` prints."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: {"value": value} for name, value in OUTPUTS.items()}))
