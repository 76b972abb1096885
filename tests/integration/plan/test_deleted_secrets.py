"""A destroy and an apply soon after it, where a secret can be restored for seven days."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import restore_secrets
from scripts.demo.deployment import ROOT, Deployment
from scripts.processes.process import BackgroundServer
from scripts.terraform_tooling import run_terraform, terraform_command, terraform_environment

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NAME = "window/sources/tickets"
VALUE = '{"token": "a token"}'
CONFIGURATION = f"""
provider "aws" {{}}

module "corpora" {{
  source                      = {json.dumps(str(ROOT / "terraform/modules/corpora"))}
  name_prefix                 = "window"
  schedule_pattern            = "."
  model_ids                   = []
  secret_values               = {{}}
  secret_recovery_window_days = 7
  corpora = {{
    tickets = {{
      source = {{
        kind = "http_json"
        url  = "https://example.com"
        auth = {{ secret_name = "tickets" }}
      }}
    }}
  }}
}}
"""


def test_an_apply_after_a_destroy_takes_the_secret_back(
    local_aws: BackgroundServer,
    secrets_client: "SecretsManagerClient",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "main.tf").write_text(CONFIGURATION, encoding="utf-8")
    for name, value in Deployment(tmp_path, local_aws.url, local_aws.url).environment().items():
        monkeypatch.setenv(name, value)
    environment = terraform_environment(ROOT)
    del environment["TF_DATA_DIR"]
    run_terraform(["init", "-no-color"], tmp_path, environment, capture=True)
    secrets_client.create_secret(Name=NAME, SecretString=VALUE)
    secrets_client.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)

    apply = [terraform_command(), "apply", "-auto-approve", "-no-color"]
    refused = subprocess.run(apply, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    # AWS would say that it is scheduled for deletion, the local AWS says that it exists.
    assert f"creating Secrets Manager Secret ({NAME})" in refused.stderr

    assert restore_secrets.main([NAME, "--directory", str(tmp_path)]) == 0
    run_terraform(["apply", "-auto-approve", "-no-color"], tmp_path, environment)
    assert secrets_client.get_secret_value(SecretId=NAME)["SecretString"] == VALUE


@pytest.mark.parametrize("name", ["tickets", "ultron/tickets", "/sources/tickets", "a/sources/"])
def test_a_name_of_no_source_changes_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert restore_secrets.main([name]) == 1
    assert "ultron/sources/tickets" in capsys.readouterr().err
