"""The preflight evaluates real settings by Terraform and asks the local AWS for its limits."""

import shutil
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from scripts.preflight import __main__ as preflight
from scripts.processes.process import BackgroundServer

ROOT = Path(__file__).resolve().parents[3]
TERRAFORM = ROOT / "terraform"
ACCOUNT_ID = "210987654321"
SETTINGS = f"""
expected_account_id = "{ACCOUNT_ID}"
region              = "eu-west-1"
bundle_directory    = "fixtures/bundles"
model_directory     = "fixtures/model"
bucket_name         = "preflight-of-a-test"
function_settings   = {{ retrieve = {{ reserved_concurrency = 3000 }} }}
corpora = {{ docs = {{ source = {{ kind = "jsonl", prefix = "sources/docs/" }} }} }}
"""


@pytest.fixture
def configuration(
    tmp_path: Path, local_aws: BackgroundServer, monkeypatch: pytest.MonkeyPatch
) -> Path:
    folder = tmp_path / "terraform"
    ignored = shutil.ignore_patterns(".terraform*", "tests", "*.tfstate*", "*.tfvars")
    shutil.copytree(TERRAFORM, folder, ignore=ignored)
    shutil.copytree(TERRAFORM / "tests/fixtures", folder / "fixtures")
    (folder / "terraform.tfvars").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT_ID)  # the local AWS takes it for the account
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "EXPECTED_ACCOUNT_ID", "EXPECTED_ROLE"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_findings_name_the_setting_to_change(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--configuration", str(configuration)]
    assert preflight.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "wrong    3005 environments are to be reserved" in printed
    assert "fine     the name preflight-of-a-test is free" in printed
    assert "fine     no function asks for more than 3008 MB" in printed

    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    s3.create_bucket(
        Bucket="preflight-of-a-test",
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    settings = configuration / "terraform.tfvars"
    settings.write_text(SETTINGS.replace("3000", "30"), encoding="utf-8")
    assert preflight.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "fine     the account can reserve 35 environments" in printed
    assert "wrong    this account has a bucket preflight-of-a-test" in printed
    assert not list(configuration.parent.glob(".preflight-*"))


def test_settings_that_terraform_refuses_are_said(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = configuration / "terraform.tfvars"
    settings.write_text(f"{SETTINGS}tags = {{ owner = search team }}\n", encoding="utf-8")
    assert preflight.main(["--configuration", str(configuration)]) == 1
    error = capsys.readouterr().err
    assert "Terraform refuses the settings" in error
    assert "tags = { owner = search team }" in error


def test_another_account_stops_it(
    configuration: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000000")
    assert preflight.main(["--configuration", str(configuration)]) == 1
    assert f"this is account 000000000000, but {ACCOUNT_ID}" in capsys.readouterr().err
