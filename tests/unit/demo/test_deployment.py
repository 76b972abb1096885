"""What a deployment's files, environment and variables hold."""

import json
import stat
from pathlib import Path

import pytest

from scripts.demo.deployment import Deployment, local_deployment, port_setting
from scripts.demo.errors import StackError
from scripts.demo.variables import local_variables
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


def test_two_deployments_share_no_file_and_no_port(tmp_path: Path) -> None:
    python = tmp_path / ".venv-local-aws" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    one, servers_of_one = local_deployment(tmp_path / "one", 1001, 1002, tmp_path)
    two, servers_of_two = local_deployment(tmp_path / "two", 2001, 2002, tmp_path)
    assert one.state_path != two.state_path
    for first, second in zip(servers_of_one, servers_of_two, strict=True):
        assert first.port != second.port
        assert first.directory != second.directory
    assert [server.url for server in servers_of_one] == [one.endpoint_url, one.gateway_url]


@pytest.mark.parametrize("text", ["0", "65536", "-1", "x", "4566 ", "٤٥"])
def test_a_port_variable_that_is_no_port_is_named(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PORT", text)
    with pytest.raises(StackError, match="SOME_PORT must be a port"):
        port_setting("SOME_PORT", 1)


@pytest.mark.parametrize(("text", "port"), [("", 4566), ("65535", 65535), ("1", 1)])
def test_a_port_variable_is_read(text: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PORT", text)
    assert port_setting("SOME_PORT", 4566) == port
