"""A local AWS that is broken from the start is noticed at its first answers, with its own words."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.local_aws.emulator_log import last_errors
from scripts.local_aws.services import QUESTIONS, require_services
from scripts.processes.errors import LocalProcessError

LOG = """2026-01-01 INFO ready
2026-01-01 ERROR --- [et.reactor-0] exception during call chain: cannot import name 'x'
2026-01-01 INFO AWS apigateway.GetRestApis => 500 (InternalError)
2026-01-01 INFO all is well
"""


@contextmanager
def local_aws(broken: str | None, status: int = 500) -> Iterator[tuple[str, list[str]]]:
    """Answers for every service but one; its URL, and the services that were asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            service = self.headers["Authorization"].split("/")[3]
            asked.append(service)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b"cannot import name 'x'" if service == broken else b"{}"
            self.send_response(status if service == broken else 200)
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


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text(LOG)
    return path


def test_services_that_answer_are_asked_once_each_one_after_another() -> None:
    with local_aws(broken=None) as (url, asked):
        require_services(url)
    assert asked == [question.signed_as or question.service for question in QUESTIONS]


def test_a_refusal_is_an_answer() -> None:
    with local_aws("lambda", status=403) as (url, asked):
        require_services(url)
    assert len(asked) == len(QUESTIONS)


@pytest.mark.parametrize("service", [question.service for question in QUESTIONS])
def test_a_service_that_answers_500_is_named_with_its_words_and_the_logs(
    service: str, log_path: Path
) -> None:
    [signed_as] = [one.signed_as or service for one in QUESTIONS if one.service == service]
    with (
        local_aws(signed_as) as (url, asked),
        pytest.raises(LocalProcessError) as caught,
    ):
        require_services(url, log_path=log_path)
    said = str(caught.value)
    assert f"The service {service} at {url} answers 500 (cannot import name 'x')" in said
    assert "exception during call chain: cannot import name 'x'" in said
    assert "all is well" not in said
    assert asked[-1] == signed_as, "nothing is asked after it"


def test_one_that_takes_calls_and_never_answers_is_given_up(log_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(LocalProcessError, match=r"apigateway .* gives no answer within 0 s"):
            require_services(url, log_path=log_path, timeout_seconds=0.2)


def test_one_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(LocalProcessError, match="cannot be asked"):
        require_services(url)


def test_the_last_errors_of_a_log_are_shown_or_its_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_errors(None) == last_errors(path) == ""
    path.write_text("\n".join(f"INFO {n}" for n in range(9)))
    assert last_errors(path).splitlines()[2:] == [f"  INFO {n}" for n in range(4, 9)]
    path.write_text("".join(f"ERROR {n}\nINFO {n}\n" for n in range(9)) + "x" * 999 + "Error")
    shown = last_errors(path).splitlines()
    assert "has the last errors" in shown[1]
    assert [line.strip()[:7] for line in shown[2:]] == [
        "ERROR 5",
        "ERROR 6",
        "ERROR 7",
        "ERROR 8",
        "x" * 7,
    ]
    assert max(map(len, shown[2:])) <= 302
