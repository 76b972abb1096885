"""What listens at an endpoint is told by its own health paths, or refused in one sentence."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.local_aws.target import Target, TargetError, detect
from scripts.processes.ports import free_port

MINISTACK = {"services": {"s3": "available"}, "edition": "light", "version": "1.5.33"}
LOCALSTACK = {"services": {"s3": "running"}, "edition": "community", "version": "4.14.0.dev7"}


@contextmanager
def answering(documents: Mapping[str, object]) -> Iterator[str]:
    """A server that has these documents, and 404 for any other path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(documents.get(self.path, "not here")).encode()
            self.send_response(200 if self.path in documents else 404)
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
        server.shutdown()
        server.server_close()
        thread.join()


def test_ministack_is_told_from_localstack_whose_path_it_answers_too() -> None:
    both = {"/_ministack/health": MINISTACK, "/_localstack/health": MINISTACK}
    with answering(both) as url:
        assert detect(url) == Target(url, "MiniStack", "1.5.33")


def test_localstack_says_its_release_and_whether_it_is_in_a_container() -> None:
    for is_docker in (False, True):
        info = {"is_docker": is_docker}
        with answering({"/_localstack/health": LOCALSTACK, "/_localstack/info": info}) as url:
            assert detect(url + "/") == Target(url, "LocalStack", "4.14.0", is_docker)


def test_aws_is_known_by_its_name_and_not_asked() -> None:
    url = "https://sqs.eu-west-1.amazonaws.com"
    assert detect(url) == Target(url, "AWS", "")
    with pytest.raises(TargetError, match="Nothing answers"):
        detect(f"http://amazonaws.com.localhost:{free_port()}")


def test_anything_else_is_refused_in_a_sentence() -> None:
    with pytest.raises(TargetError, match="is no URL"):
        detect("localhost:4566")
    with pytest.raises(TargetError, match=r"Nothing answers at http://127\.0\.0\.1"):
        detect(f"http://127.0.0.1:{free_port()}/path")
    strange: list[dict[str, object]] = [{}, {"/_localstack/health": ["services"]}]
    strange.append({"/_localstack/health": LOCALSTACK})  # and nothing of what only LocalStack has
    for documents in strange:
        with answering(documents) as url, pytest.raises(TargetError, match="neither MiniStack nor"):
            detect(url)


def test_functions_in_containers_reach_other_addresses() -> None:
    beside = Target("http://localhost:4600", "LocalStack", "4.14.0", is_in_container=True)
    assert beside.functions_endpoint_url == "http://localhost.localstack.cloud:4566"
    assert (beside.machine_host, beside.source_host) == ("host.docker.internal", "0.0.0.0")
    here = Target("http://localhost:4600", "LocalStack", "4.14.0")
    assert here.functions_endpoint_url == "http://localhost:4600"
    assert (here.machine_host, here.source_host) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize(
    ("kind", "bundles"), [("MiniStack", "local"), ("LocalStack", "lambda"), ("AWS", "aws")]
)
def test_bundles_are_for_the_python_that_runs_them(kind: str, bundles: str) -> None:
    assert Target("http://x", kind, "").bundles == bundles  # type: ignore[arg-type]
