"""Terraform is never waited for without end; its failures come with the words of the local AWS."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.demo import terraform
from scripts.demo.deployment import Deployment
from scripts.demo.errors import StackError
from scripts.demo.stack import deploy
from scripts.demo.terraform import run_terraform
from scripts.processes.errors import LocalProcessError

LOG = "2026-01-01 ERROR exception during call chain: _DeadlockError\n"


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    log_path = tmp_path / "log.txt"
    log_path.write_text(LOG)
    made = Deployment(tmp_path / "d", "http://127.0.0.1:1", "http://x", tmp_path, log_path=log_path)
    made.terraform_directory.mkdir(parents=True)
    return made


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a `terraform` on the PATH that does what a line of shell says."""

    def put(script: str) -> None:
        path = tmp_path / "terraform"
        path.write_text(f'#!/bin/sh\n[ "$1" = version ] && exit 0\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("HOME", str(tmp_path))

    return put


@pytest.mark.parametrize("action", sorted(terraform.DEADLINE_SECONDS))
def test_an_overdue_terraform_is_ended_and_the_local_aws_quoted(
    action: str,
    deployment: Deployment,
    program: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(terraform.DEADLINE_SECONDS, action, 1.0)
    program("echo 'Still creating...'; exec sleep 601")
    with pytest.raises(StackError) as caught:
        run_terraform(deployment, action)
    said = str(caught.value)
    assert f"`terraform {action}` did not end within 1 s and was ended" in said
    assert LOG.strip() in said


def test_a_failure_is_quoted_with_the_local_aws(
    deployment: Deployment, program: Callable[[str], None]
) -> None:
    program("echo 'Error: reading REST APIs: 500'; exit 1")
    with pytest.raises(StackError) as caught:
        run_terraform(deployment, "apply")
    said = str(caught.value)
    assert "`terraform apply` failed: reading REST APIs: 500" in said
    assert LOG.strip() in said


def test_nothing_is_applied_to_a_local_aws_that_does_not_answer(
    deployment: Deployment, program: Callable[[str], None], tmp_path: Path
) -> None:
    program(f"touch {tmp_path / 'ran'}")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(LocalProcessError, match=r"(?s)apigateway.*_DeadlockError"):
        deploy(Deployment(deployment.directory, url, "http://x", log_path=deployment.log_path), {})
    assert not (tmp_path / "ran").exists()
