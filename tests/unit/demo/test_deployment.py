"""What a deployment's files, environment and variables hold."""

import json
import os
import stat
from pathlib import Path

import pytest

from scripts.demo.deployment import (
    GATEWAY_PORT_VARIABLE,
    Deployment,
    demo_deployment,
    demo_servers,
    deployment_on,
    local_servers,
    port_setting,
)
from scripts.demo.errors import StackError
from scripts.demo.variables import local_variables
from scripts.local_aws.server import PORT_VARIABLE
from scripts.processes.os_processes import process_identity
from scripts.processes.ports import ANY_PORT
from shared.models.corpus import Corpus
from shared.models.sources import MarvelSource


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(
        directory=tmp_path / "deployment",
        endpoint_url="http://127.0.0.1:1111",
        gateway_url="http://127.0.0.1:2222",
    )


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    (tmp_path / "bundles.json").write_text(json.dumps({"architecture": "arm64"}))
    return tmp_path


def test_the_api_key_is_long_kept_and_private(deployment: Deployment) -> None:
    key = deployment.api_key()
    assert len(key) >= 20
    assert deployment.api_key() == key
    mode = (deployment.directory / "api-key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_the_persons_aws_is_hidden_from_commands(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("no_proxy", "intranet")
    environment = deployment.environment()
    assert "AWS_PROFILE" not in environment
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["AWS_ENDPOINT_URL"] == deployment.endpoint_url
    assert environment["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert environment["PATH"]


def test_the_corpus_variable_is_a_corpus_that_the_functions_read(
    deployment: Deployment, bundles: Path
) -> None:
    variables = local_variables(deployment, bundles, bundles)
    [(name, document)] = variables["corpora"].items()
    source = Corpus.model_validate({"name": name, **document}).source
    assert isinstance(source, MarvelSource)
    assert source.base_url == deployment.gateway_url
    assert variables["outbound_allowed_hosts"] == ["127.0.0.1:2222"]
    assert variables["endpoint_url"] == deployment.endpoint_url
    assert variables["architecture"] == "arm64"
    assert variables["expected_account_id"] == "000000000000"
    json.dumps(variables)


def test_changes_win_over_the_local_variables(deployment: Deployment, bundles: Path) -> None:
    variables = local_variables(deployment, bundles, bundles, {"publish_copies": 2, "region": "x"})
    assert variables["publish_copies"] == 2
    assert variables["region"] == "x"


def test_every_variable_is_one_that_terraform_declares(
    deployment: Deployment, bundles: Path
) -> None:
    files = (deployment.root / "terraform").glob("variables*.tf")
    declared = "".join(path.read_text() for path in files)
    for name in local_variables(deployment, bundles, bundles):
        assert f'variable "{name}"' in declared


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the servers of a deployment need to be described."""
    python = tmp_path / ".venv-local-aws" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return tmp_path


def test_two_deployments_share_no_file(checkout: Path) -> None:
    one, two = (local_servers(checkout / name, checkout) for name in ("one", "two"))
    for first, second in zip(one, two, strict=True):
        assert first.directory != second.directory
        assert first.port == second.port == ANY_PORT
    states = {
        deployment_on(servers, checkout / name, checkout).state_path
        for name, servers in (("one", one), ("two", two))
    }
    assert len(states) == 2


@pytest.mark.parametrize("is_named", [True, False])
def test_a_port_that_the_environment_names_is_fixed(
    checkout: Path, is_named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, port in ((PORT_VARIABLE, "1001"), (GATEWAY_PORT_VARIABLE, "1002")):
        monkeypatch.delenv(name, raising=False)
        if is_named:
            monkeypatch.setenv(name, port)
    servers = demo_servers(checkout)
    assert [server.port for server in servers] == ([1001, 1002] if is_named else [4566, 4570])
    assert {server.is_port_fixed for server in servers} == {is_named}


def test_a_running_demo_is_found_where_it_is_whatever_the_environment_says(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make down` in another shell would else destroy what a stranger has at the usual port."""
    wanted = demo_servers(checkout)
    for server, port in zip(wanted, (1001, 1002), strict=True):
        server.directory.mkdir(parents=True)
        record = {"pid": os.getpid(), "identity": process_identity(os.getpid()), "port": port}
        (server.directory / "process.json").write_text(json.dumps(record))
    monkeypatch.setenv(PORT_VARIABLE, "4566")
    deployment, servers = demo_deployment(checkout)
    assert deployment.endpoint_url == "http://127.0.0.1:1001"
    assert deployment.gateway_url == "http://127.0.0.1:1002"
    assert servers.local_aws.running_pid() == os.getpid()
    assert deployment.log_path == servers.local_aws.log_path


@pytest.mark.parametrize("text", ["0", "65536", "-1", "x", "4566 ", "٤٥"])
def test_a_port_variable_that_is_no_port_is_named(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PORT", text)
    with pytest.raises(StackError, match="SOME_PORT must be a port"):
        port_setting("SOME_PORT", 1)


@pytest.mark.parametrize(
    ("text", "port", "is_named"), [("", 4566, False), ("65535", 65535, True), ("1", 1, True)]
)
def test_a_port_variable_is_read(
    text: str, port: int, is_named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PORT", text)
    assert port_setting("SOME_PORT", 4566) == (port, is_named)
