"""The preflight against a real HTTP endpoint that answers as STS does."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.preflight import __main__ as preflight
from scripts.preflight.caller import (
    Caller,
    PreflightError,
    require_account,
    require_region,
    require_role,
)

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT_ID = "123456789012"
ARN = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/deployer/somebody"
IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>{ARN}</Arn><UserId>U</UserId><Account>{ACCOUNT_ID}</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
EXPIRED = """<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code>
<Message>The security token included in the request is expired</Message></Error></ErrorResponse>"""


def main(arguments: list[str]) -> int:
    """Run it where there are no settings."""
    return preflight.main(["--configuration", str(ROOT / "docs"), *arguments])


class Sts(ThreadingHTTPServer):
    """Answers every request with `status` and `body`."""

    status = 200
    body = IDENTITY


class Handler(BaseHTTPRequestHandler):
    server: Sts

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = self.server.body.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output quiet."""


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sts]:
    server = Sts(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "EXPECTED_ACCOUNT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "1234")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abcd")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_shows_account_region_and_caller(sts: Sts, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--expected-account-id", ACCOUNT_ID]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"account  {ACCOUNT_ID}", "region   eu-west-1", f"caller   {ARN}"]
    assert "not AWS itself" in lines[3]
    assert lines[4] == "This is the expected account."


def test_the_expected_account_may_come_from_the_environment(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPECTED_ACCOUNT_ID", "000000000000")
    assert main([]) == 1
    assert f"this is account {ACCOUNT_ID}, but 000000000000 is expected" in capsys.readouterr().err


def test_without_an_expectation_it_only_shows(sts: Sts, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "set EXPECTED_ACCOUNT_ID" in capsys.readouterr().out


def test_a_missing_region_stops_it(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("error: no region is set; set AWS_DEFAULT_REGION")


def test_missing_credentials_stop_it(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("error: no AWS credentials were found; log in")


def test_an_unknown_profile_stops_it(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert main([]) == 1
    error = capsys.readouterr().err
    assert "nobody" in error
    assert "choose another AWS_PROFILE" in error


def test_refused_credentials_stop_it(sts: Sts, capsys: pytest.CaptureFixture[str]) -> None:
    sts.status, sts.body = 403, EXPIRED
    assert main([]) == 1
    error = capsys.readouterr().err
    assert "AWS refuses the credentials (ExpiredToken)" in error
    assert "abcd" not in error


def test_an_unreachable_endpoint_stops_it(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert main([]) == 1
    assert "AWS could not be asked who you are" in capsys.readouterr().err


@pytest.mark.parametrize("expected", ["", "12345678901", "1234567890123", "12345678901x"])
def test_an_expectation_that_is_no_account_id_is_refused(expected: str) -> None:
    caller = Caller(ACCOUNT_ID, "eu-west-1", ARN, None)
    with pytest.raises(PreflightError, match="an account id has 12 digits"):
        require_account(caller, expected)


CALLER = Caller(ACCOUNT_ID, "eu-west-1", ARN, None)


def test_another_region_is_refused() -> None:
    require_region(CALLER, "eu-west-1")
    with pytest.raises(PreflightError, match=r"eu-west-1, but the settings say us-east-1; set AWS"):
        require_region(CALLER, "us-east-1")


@pytest.mark.parametrize("name", ["deployer", "somebody"])
def test_the_role_and_its_session_are_known_by_name(name: str) -> None:
    require_role(CALLER, name)


@pytest.mark.parametrize("name", ["deploy", "assumed-role", ""])
def test_another_role_is_refused(name: str) -> None:
    with pytest.raises(PreflightError, match="is expected; take on that role"):
        require_role(CALLER, name)
