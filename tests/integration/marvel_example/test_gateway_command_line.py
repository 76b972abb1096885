"""`python -m examples.marvel` as a process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.marvel.catalog.expansion import demo_catalog
from tests.integration.marvel_example.gateway_client import WireClient

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "examples.marvel"]


@contextmanager
def started(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its readiness line; it is stopped in the end, whatever happens."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def client_of(readiness_line: str) -> WireClient:
    match = re.search(r"http://\S+", readiness_line)
    assert match, readiness_line
    return WireClient(match[0])


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_stops_cleanly(signal_number: int) -> None:
    with started("--verbose") as (process, line):
        total = sum(demo_catalog().counts().values())
        pattern = rf"Marvel gateway ready at http://127\.0\.0\.1:\d+ with {total} entities\n"
        assert re.fullmatch(pattern, line)
        assert client_of(line).get("/comics", limit=1).status == 200
        process.send_signal(signal_number)
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, "")
        assert errors == "GET /v1/public/comics?limit=1 200\n"


def test_options_reach_the_gateway() -> None:
    arguments = ("--throttle-after", "3", "--daily-limit", "2", "--fail-once", "/events")
    with started(*arguments) as (_, line):
        client = client_of(line)
        statuses = [client.get("/events").status for _ in range(4)]
        assert statuses == [500, 200, 200, 429]


def test_keys_come_from_the_environment() -> None:
    keys = {"MARVEL_PUBLIC_KEY": "5678", "MARVEL_PRIVATE_KEY": "efgh"}
    with started(environment=keys) as (_, line):
        client = client_of(line)
        assert client.get("/events").json()["message"] == "The passed API key is invalid."
        signed = "ts=1&apikey=5678&hash=de148a99dd0eaef2318e295c80ff614b"
        assert client.send("GET", f"/v1/public/events?{signed}").status == 200


def test_another_corpus_is_served_with_its_own_attribution(tmp_path: Path) -> None:
    uri = "http://gateway.marvel.com/v1/public/events/5"
    event = {"id": 5, "title": "Of the archive", "resourceURI": uri}
    (tmp_path / "events-1.jsonl").write_text(json.dumps(event), "utf-8")
    with started("--data", str(tmp_path)) as (_, line):
        assert line.endswith("with 1 entities\n")
        content = client_of(line).get("/events/5").json()
        assert content["data"]["results"] == [event]
        assert content["attributionText"] == "Data provided by Marvel. © MARVEL"


def test_a_taken_port_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [*COMMAND, "--port", str(port)],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"marvel_gateway: port {port} of 127.0.0.1 is taken: "
        "stop what uses it or choose another with --port.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--port", "65536"], 2, "must be a number from 0 to 65535"),
        (["--port", "http"], 2, "must be a number from 0 to 65535"),
        (["--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1:0"),
        (["--throttle-after", "0"], 1, "--throttle-after '0'"),
        (["--throttle-window-seconds", "x"], 1, "--throttle-window-seconds 'x'"),
        (["--daily-limit", "-1"], 1, "--daily-limit '-1'"),
        (["--fail-once", "("], 1, "--fail-once '('"),
        (["--data", "nowhere"], 1, "nowhere: there is no such file or directory"),
    ],
)
def test_bad_options_are_named(arguments: list[str], status: int, message: str) -> None:
    result = subprocess.run(
        [*COMMAND, "--port", "0", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr
