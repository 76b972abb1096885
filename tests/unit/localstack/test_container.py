"""`make localstack-up` without Docker, with half of it, or with its port taken: one sentence."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.localstack import container
from scripts.localstack.__main__ import main
from scripts.localstack.host import SERVICES

GivenDocker = Callable[[str], None]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GivenDocker:
    """Puts a `docker` on the PATH that does what a line of shell says."""

    def put(script: str) -> None:
        path = tmp_path / "docker"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


@pytest.fixture
def taken_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = int(server.getsockname()[1])
        monkeypatch.setenv("ULTRON_LOCAL_AWS_PORT", str(port))
        yield port


def sentence(capsys: pytest.CaptureFixture[str], action: str = "up") -> str:
    """What the command says as it fails, in one line."""
    assert main([action]) == 1
    [line] = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("action", ["up", "down"])
def test_a_missing_docker_is_said(
    action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = sentence(capsys, action)
    assert "`docker` is not on the PATH" in said
    assert "make demo" in said


def test_a_docker_without_compose_is_said(
    docker: GivenDocker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker('[ "$1" != compose ]')
    assert "has no `docker compose`" in sentence(capsys)


def test_a_daemon_that_does_not_answer_is_said(
    docker: GivenDocker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker('[ "$1" != info ]')
    assert "daemon does not answer" in sentence(capsys)


def test_a_port_in_use_is_said(
    docker: GivenDocker, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    docker("exit 0")
    said = sentence(capsys)
    assert f"Port {taken_port}" in said
    assert "ULTRON_LOCAL_AWS_PORT" in said


def test_a_port_that_is_none_is_said(
    docker: GivenDocker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ULTRON_LOCAL_AWS_PORT", "http")
    assert "ULTRON_LOCAL_AWS_PORT must be a port" in sentence(capsys)


def test_a_container_that_does_not_start_is_a_failure(
    docker: GivenDocker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker('case "$*" in *up*) exit 7;; esac')
    assert "ended with status 7" in sentence(capsys)


def test_both_ways_load_the_same_services() -> None:
    composed = container.COMPOSE_FILE.read_text(encoding="utf-8")
    assert f"SERVICES: {SERVICES}\n" in composed
