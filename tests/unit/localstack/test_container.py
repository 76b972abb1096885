"""`make localstack-up` without Docker, with half of it, or with its port taken: one sentence."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.local_aws.services import QUESTIONS
from scripts.localstack import container
from scripts.localstack.__main__ import main
from scripts.localstack.host import SERVICES, LocalStackHost

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


def test_a_port_that_was_asked_for_and_is_in_use_is_said(
    docker: GivenDocker, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    docker('[ "$6" != port ]')
    said = sentence(capsys)
    assert f"Port {taken_port}" in said
    assert "ULTRON_LOCAL_AWS_PORT" in said


# A Docker that starts nothing, and keeps what it was asked and on which port.
KEEPS = (
    'case "$6" in port) exit 1;; up) echo "$ULTRON_LOCAL_AWS_PORT" >"$(dirname "$0")/port";; esac'
)


def test_the_usual_port_in_use_is_said_and_another_taken(
    docker: GivenDocker,
    taken_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("ULTRON_LOCAL_AWS_PORT")
    monkeypatch.setattr("scripts.localstack.__main__.DEFAULT_PORT", taken_port)
    docker(KEEPS)
    assert main(["up"]) == 1, "nothing listens, for this Docker starts nothing"
    chosen = (tmp_path / "port").read_text().strip()
    captured = capsys.readouterr()
    assert captured.out == (
        f"Port {taken_port} is taken by another program: LocalStack gets port {chosen}.\n"
    )
    assert f"Nothing answers at http://127.0.0.1:{chosen}" in captured.err


def test_one_that_runs_is_found_on_its_port(
    docker: GivenDocker, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port that is published says where; the one asked for must be the same."""
    docker('[ "$6" != port ] || echo 127.0.0.1:1')
    assert f"runs already on port 1, and port {taken_port} was asked for" in sentence(capsys)


def test_two_clones_share_no_container(docker: GivenDocker, tmp_path: Path) -> None:
    docker("exit 0")
    here = container.compose_command()
    assert "--project-name" in here
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "ROOT", tmp_path)
        assert container.compose_command() != here


def test_a_docker_that_hangs_is_given_up(
    docker: GivenDocker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(container, "QUESTION_DEADLINE_SECONDS", 0.3)
    docker('case "$1" in info) exec sleep 60;; esac')
    assert "daemon does not answer" in sentence(capsys)
    monkeypatch.setattr(container, "QUESTION_DEADLINE_SECONDS", 30)
    monkeypatch.setattr(container, "DOWN_DEADLINE_SECONDS", 0.3)
    docker('case "$6" in down) exec sleep 60;; esac')
    assert "`docker compose down` did not end within" in sentence(capsys, "down")


def test_a_port_that_is_none_is_said(
    docker: GivenDocker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ULTRON_LOCAL_AWS_PORT", "http")
    assert "ULTRON_LOCAL_AWS_PORT must be a port" in sentence(capsys)


def test_a_container_that_does_not_start_is_a_failure(
    docker: GivenDocker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker('case "$6" in port) exit 1;; up) exit 7;; esac')
    assert "ended with status 7" in sentence(capsys)


def test_both_ways_make_the_same_choices(tmp_path: Path) -> None:
    """The settings of the compose file are those with which localstack-host is started."""
    composed = container.COMPOSE_FILE.read_text(encoding="utf-8")
    chosen = LocalStackHost(tmp_path, tmp_path).environment({})
    assert chosen["SERVICES"] == SERVICES
    for name in ("SERVICES", "EAGER_SERVICE_LOADING", "PROVIDER_OVERRIDE_CLOUDWATCH"):
        assert re.search(rf'^      {name}: "?{re.escape(chosen[name])}"?$', composed, re.MULTILINE)
    assert SERVICES.split(",") == [question.service for question in QUESTIONS]
