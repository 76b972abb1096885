"""The deployment last brought up: found when nothing is said, and never mixed with another."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.demo.announcement import announce, withdraw
from scripts.demo.deployment import Deployment
from services.cli.deployment import brought_up
from services.cli.deployment.brought_up import PLACE, last_brought_up
from services.cli.main import main
from shared.errors import SettingsError
from shared.platform import aws
from tests.unit.cli.a_run import RUN_ID
from tests.unit.cli.fake_api import OUTPUTS, FakeApi, running_api, write_outputs

ROOT = Path(__file__).resolve().parents[3]
CHAT = {"session_id": "s", "answer": "Yes.", "citations": []}
PATH = f"/_aws/execute-api/{OUTPUTS['api_id']}/{OUTPUTS['api_stage']}"
NO_LOCAL_SERVER = "is not the URL of a server on this machine"
REAL_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "REALKEY",
    "AWS_SECRET_ACCESS_KEY": "real-secret",
    "AWS_SESSION_TOKEN": "real-token",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


@dataclass
class Demo:
    """A demo of a checkout, as far as the command can tell."""

    checkout: Path
    api: FakeApi
    deployment: Deployment

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.api.server_port}"

    @property
    def document(self) -> Path:
        return self.checkout / PLACE


def a_demo(checkout: Path, api: FakeApi) -> Demo:
    api.refuses_without_key = True
    api.answer = (200, json.dumps(CHAT).encode())
    deployment = Deployment(
        directory=checkout / ".local" / "demo",
        endpoint_url=f"http://127.0.0.1:{api.server_port}",
        gateway_url="http://127.0.0.1:1",
        root=checkout,
    )
    write_outputs(deployment.outputs_path)
    announce(deployment)
    return Demo(checkout, api, deployment)


@pytest.fixture
def demo(checkout: Path) -> Iterator[Demo]:
    with running_api() as api:
        yield a_demo(checkout, api)


def test_nothing_needs_to_be_said_after_a_demo(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chat", "Who is Vision?"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["Yes.", "session s"]
    assert printed.err == f"using the demo of {demo.checkout}, at {demo.endpoint_url}\n"
    looked, asked = demo.api.asked
    assert (looked["path"], looked["key"]) == (f"{PATH}/retrieve", None)
    assert (asked["path"], asked["key"]) == (f"{PATH}/chat", OUTPUTS["api_key"])


def test_its_document_is_private_and_moves_with_the_checkout(demo: Demo, tmp_path: Path) -> None:
    assert demo.document.stat().st_mode & 0o777 == 0o600
    moved = demo.checkout.rename(tmp_path / "moved")
    found = last_brought_up(moved, tmp_path)
    assert found is not None
    assert found.outputs.api_key == OUTPUTS["api_key"]


def test_a_demo_that_is_taken_down_is_not_found(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    withdraw(demo.deployment)
    assert main(["chat", "x"]) == 2
    error = capsys.readouterr().err
    assert "--outputs FILE, --api-url or ULTRON_API_URL; `make demo` brings one up" in error


@pytest.mark.parametrize("arguments", [["chat", "x"], ["stage", "list"], ["run", "show", RUN_ID]])
def test_a_demo_that_is_down_is_said_to_be(
    arguments: list[str], checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_api() as api:
        demo = a_demo(checkout, api)
    assert main(arguments) == 1
    [error] = capsys.readouterr().err.splitlines()
    assert f"the demo of {checkout} is down: nothing answers at {demo.endpoint_url}" in error
    assert "`make demo` in that folder brings it up" in error


def test_a_stranger_at_its_endpoint_is_not_taken_for_it(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.api.refuses_without_key = False
    demo.api.answer = (404, b'{"message": "Not Found"}')
    assert main(["stage", "list"]) == 1
    [error] = capsys.readouterr().err.splitlines()
    assert f"is down: what answers at {demo.endpoint_url} is another server" in error
    assert len(demo.api.asked) == 1


def test_a_demo_without_its_outputs_is_said_to_be(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.deployment.outputs_path.unlink()
    assert main(["chat", "x"]) == 2
    assert "has no outputs any more; `make demo` in that folder" in capsys.readouterr().err


def changed(demo: Demo, **changes: Any) -> str:
    return json.dumps(json.loads(demo.document.read_text()) | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"endpoint_url": "https://sqs.eu-west-1.amazonaws.com"},
            NO_LOCAL_SERVER,
        ),
        (
            {"endpoint_url": "http://127.0.0.1.evil.example"},
            NO_LOCAL_SERVER,
        ),
        (
            {"endpoint_url": "http://127.0.0.1@evil.example"},
            NO_LOCAL_SERVER,
        ),
        ({"endpoint_url": "file:///tmp"}, NO_LOCAL_SERVER),
        ({"endpoint_url": "http://["}, "endpoint_url"),
        ({"region": ""}, "region"),
        ({"account": "1"}, "account"),
    ],
)
def test_credentials_go_to_no_other_machine(
    changes: dict[str, Any], words: str, demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.document.write_text(changed(demo, **changes))
    assert main(["stage", "list"]) == 2
    error = capsys.readouterr().err
    assert str(demo.document) in error
    assert words in error
    assert demo.api.asked == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"{}"])
def test_a_document_of_something_else_is_named(
    content: bytes, demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.document.write_bytes(content)
    assert main(["chat", "x"]) == 2
    assert f"{demo.document} does not describe a deployment" in capsys.readouterr().err


def test_where_a_document_is_no_file_that_is_said(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.document.unlink()
    demo.document.mkdir()
    assert main(["chat", "x"]) == 2
    assert str(demo.document) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        (["--api-url", "http://127.0.0.1:1"], None),
        (["--api-key", "k"], None),
        (["--name-prefix", "p"], None),
        ([], "ULTRON_API_URL"),
        ([], "ULTRON_API_KEY"),
        ([], "ULTRON_NAME_PREFIX"),
        ([], "ULTRON_BUCKET_NAME"),
        ([], "ULTRON_CHECKPOINT_TABLE"),
        ([], "ULTRON_INGEST_FUNCTION"),
        ([], "ULTRON_COMPACTOR_FUNCTION"),
        ([], "ULTRON_RETRIEVE_FUNCTION"),
        ([], "AWS_ENDPOINT_URL"),
    ],
)
def test_whoever_names_a_deployment_in_part_gets_no_part_of_the_demo(
    options: list[str],
    variable: str | None,
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if variable:
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert main(["chat", "x", *options]) == 2
    error = capsys.readouterr().err
    assert "say which deployment" in error
    assert "using" not in error
    assert demo.api.asked == []


def test_who_only_sets_an_endpoint_is_told_why_nothing_is_found(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", demo.endpoint_url)
    assert main(["chat", "x"]) == 2
    assert "while AWS_ENDPOINT_URL is set, the one that was last brought up is not used" in (
        capsys.readouterr().err
    )


def test_outputs_that_are_named_win_over_the_demo(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_outputs(tmp_path / "mine.json")
    with running_api() as mine:
        mine.answer = (200, json.dumps(CHAT).encode())
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{mine.server_port}")
        monkeypatch.setenv("ULTRON_OUTPUTS", str(tmp_path / "mine.json"))
        assert main(["chat", "x"]) == 0
        assert len(mine.asked) == 1
    assert demo.api.asked == []


@pytest.fixture
def real_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A person's AWS, in every way that it can be configured; a server that stands for it."""
    with running_api() as server:
        server.answer = (400, b'{"__type": "ParameterNotFound"}')
        url = f"http://127.0.0.1:{server.server_port}"
        config = tmp_path / "config"
        config.write_text(f"[profile work]\nregion = eu-west-2\nendpoint_url = {url}\n")
        credentials = tmp_path / "credentials"
        credentials.write_text("[work]\naws_access_key_id = A\naws_secret_access_key = B\n")
        settings = REAL_ACCOUNT | {
            "AWS_PROFILE": "work",
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_ENDPOINT_URL_SSM": url,
            "AWS_CA_BUNDLE": str(tmp_path / "no-such-bundle.pem"),
            "HTTP_PROXY": url,
            "http_proxy": url,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        aws.forget_clients()
        yield server
        aws.forget_clients()


@pytest.mark.parametrize("profile", ["work", "that-is-not-configured"])
def test_a_real_account_is_not_mixed_into_the_demo(
    profile: str, demo: Demo, real_account: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    main(["corpus", "list"])
    assert real_account.asked == []
    _, *asked = demo.api.asked
    assert asked
    for request in asked:
        assert "Credential=test/" in request["headers"]["Authorization"]
        assert "/us-east-1/ssm/" in request["headers"]["Authorization"]
        assert "X-Amz-Security-Token" not in request["headers"]
        assert "REALKEY" not in str(request)


def test_the_demo_is_not_mixed_into_a_real_account(
    demo: Demo, real_account: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name)
    main(["corpus", "list"])
    assert real_account.asked == []
    seen = len(demo.api.asked)
    main(["corpus", "list", "--name-prefix", "prod"])
    assert len(demo.api.asked) == seen
    assert real_account.asked
    for request in real_account.asked:
        assert "Credential=REALKEY/" in request["headers"]["Authorization"]
        assert "/eu-west-1/ssm/" in request["headers"]["Authorization"]


def test_around_the_present_folder_a_package_from_elsewhere_finds_one(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = demo.checkout / "terraform" / "modules"
    inside.mkdir(parents=True)
    elsewhere = tmp_path / "site-packages"
    found = last_brought_up(elsewhere, inside)
    assert found is not None
    assert found.checkout == demo.checkout
    assert last_brought_up(elsewhere, tmp_path) is None
    monkeypatch.setattr(os, "getuid", lambda: demo.document.stat().st_uid + 1)
    with pytest.raises(SettingsError, match="belongs to another user"):
        last_brought_up(elsewhere, inside)
    assert last_brought_up(demo.checkout, elsewhere) is not None


def test_the_checkout_is_that_of_the_package() -> None:
    assert brought_up.PACKAGE_CHECKOUT == ROOT


def checkout_with_package(folder: Path) -> Path:
    """A checkout with what the command is made of."""
    for package in ("services/__init__.py", "services/cli", "shared"):
        source = ROOT / package
        target = folder / package
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


def test_each_of_two_checkouts_finds_its_own_from_any_folder(tmp_path: Path) -> None:
    with running_api() as first_api, running_api() as second_api:
        demos = [
            a_demo(checkout_with_package(tmp_path / name), api)
            for name, api in (("first", first_api), ("second", second_api))
        ]
        for own, other in (demos, demos[::-1]):
            for folder in (own.checkout, other.checkout, Path("/")):
                before = len(own.api.asked), len(other.api.asked)
                notice = f"using the demo of {own.checkout}, at {own.endpoint_url}\n"
                process = subprocess.run(
                    [sys.executable, "-m", "services.cli", "chat", "x"],
                    env={"PYTHONPATH": str(own.checkout), "PYTHONSAFEPATH": "1"},
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert (process.returncode, process.stderr) == (0, notice)
                assert (len(own.api.asked), len(other.api.asked)) == (before[0] + 2, before[1])


def test_a_folder_that_was_deleted_hides_no_demo(demo: Demo, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert main(["chat", "x"]) == 0
    withdraw(demo.deployment)
    assert main(["chat", "x"]) == 2
