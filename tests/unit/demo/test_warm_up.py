"""The demo asks again while the API says that it is not ready, and no longer than its deadline."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.demo import warm_up as module
from scripts.demo.errors import StackError
from scripts.demo.warm_up import warm_up
from services.cli.errors import RefusedError


@contextmanager
def api(statuses: list[int]) -> Iterator[tuple[str, list[str]]]:
    """Answers with these statuses in turn, the last one for ever; its URL and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(self.path.partition("?")[0])
            body = json.dumps({"detail": "try again"}).encode()
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the names are inherited

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)


def test_each_function_is_asked_until_it_answers() -> None:
    with api([504, 500, 200]) as (url, asked):
        warm_up(url, "key")
    assert asked == ["/retrieve", "/retrieve", "/retrieve", "/chat"]


def test_one_that_never_answers_is_given_up_with_its_words() -> None:
    with api([504]) as (url, _), pytest.raises(StackError, match=r"no answer within 0 s.*504"):
        warm_up(url, "key", deadline_seconds=0.1)


def test_a_refusal_is_not_asked_again() -> None:
    with api([403]) as (url, asked), pytest.raises(RefusedError):
        warm_up(url, "key")
    assert len(asked) == 1
