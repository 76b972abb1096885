"""The end-to-end suite on a LocalStack that is broken from the start ends at once, and says why."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEALTH = {
    "/_localstack/health": {"services": {"apigateway": "error"}, "version": "4.14.0"},
    "/_localstack/info": {"is_docker": False},
}
LOG = "2026-01-01 ERROR exception during call chain: _DeadlockError('moto.apigateway.models')\n"


@contextmanager
def broken_localstack(release: threading.Event | None) -> Iterator[str]:
    """Says that it is LocalStack; any service answers 500, or with an event not until that."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = HEALTH.get(self.path)
            if document is None and release is not None:
                release.wait()
            body = json.dumps(document).encode()
            self.send_response(500 if document is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        if release is not None:
            release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("release", "words"),
    [(None, "answers 500"), (threading.Event(), "gives no answer within 1 s")],
    ids=["answers 500 to all", "never answers"],
)
def test_it_ends_with_the_emulators_own_error(
    release: threading.Event | None, words: str, tmp_path: Path
) -> None:
    log_path = tmp_path / "localstack.log"
    log_path.write_text(LOG)
    impatient = (
        "import sys, pytest; from scripts.local_aws import services;"
        "services.require_services.__defaults__ = (None, None, 1.0);"
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    with broken_localstack(release) as url:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                impatient,
                "tests/e2e/test_answers.py",
                "-q",
                "-p",
                "no:cacheprovider",
            ],
            cwd=ROOT,
            env={**os.environ, "AWS_ENDPOINT_URL": url, "ULTRON_ENDPOINT_LOG": str(log_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 1, done.stdout
    assert f"The stack cannot be brought up: The service apigateway at {url} {words}" in done.stdout
    assert LOG.strip() in done.stdout
