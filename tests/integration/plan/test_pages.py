"""The pages about Terraform: what their blocks say is done, in order, on a copy of terraform/.

What needs an account or minutes is replaced: `make`, `git` and `ultron` only note that they were
called, and `apply` plans.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from scripts.demo.deployment import ROOT, Deployment
from scripts.processes.process import BackgroundServer
from scripts.terraform_tooling import terraform_command, terraform_environment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCOUNT_ID = "123456789012"
SHARED_STATE = "how-to/share-the-state.md"
STATE_BUCKET = "example-terraform-state"
STATE_KEY = "ultron/terraform.tfstate"
NOTING = """#!/bin/sh
echo "$(basename "$0") $*" >> {calls}
"""
# There is no state, so no output, after a plan.
PLANNING = """#!/bin/sh
echo "terraform $*" >> {calls}
case "$1" in
apply) exec {terraform} plan -no-color -lock=false ;;
output) echo '{{}}' ;;
*) exec {terraform} "$@" ;;
esac
"""


class Checkout:
    """A copy of what the pages about Terraform speak of, in a shell of a separate account."""

    def __init__(self, folder: Path, endpoint_url: str) -> None:
        self.folder = folder / "checkout"
        self.terraform = self.folder / "terraform"
        self._calls = folder / "calls"
        self._programs = folder / "programs"
        ignored = shutil.ignore_patterns(".terraform*", "tests", "*.tfstate*", "terraform.tfvars")
        shutil.copytree(ROOT / "terraform", self.terraform, ignore=ignored)
        fixtures = ROOT / "terraform/tests/fixtures"
        (self.folder / "build/models").mkdir(parents=True)
        (self.folder / "build/aws").symlink_to(fixtures / "bundles")
        (self.folder / "build/models/all-MiniLM-L6-v2-int8").symlink_to(fixtures / "model")
        self._programs.mkdir()
        (self.folder / ".venv/bin").mkdir(parents=True)
        for program in ("make", "git"):
            self._write(self._programs / program, NOTING)
        self._write(self._programs / "terraform", PLANNING)
        self._write(self.folder / ".venv/bin/ultron", NOTING)
        deployment = Deployment(folder, endpoint_url, endpoint_url)
        self._environment = deployment.environment() | terraform_environment(ROOT)
        # The local AWS takes a key of twelve digits for the number of the account.
        self._environment |= {
            "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
            "PATH": os.pathsep.join([str(self._programs), os.environ["PATH"]]),
            "TF_VAR_endpoint_url": endpoint_url,
        }
        del self._environment["TF_DATA_DIR"]

    def run(self, script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a block of a page in the folder of the checkout, to its first error."""
        return subprocess.run(
            ["bash", "-euc", script],
            env=self._environment | variables,
            cwd=self.folder,
            input="yes\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    def calls(self) -> list[str]:
        """The programs that were called, with their arguments, since the last question."""
        calls = self._calls.read_text(encoding="utf-8").splitlines()
        self._calls.unlink()
        return calls

    def _write(self, path: Path, text: str) -> None:
        calls, terraform = shlex.quote(str(self._calls)), shlex.quote(terraform_command())
        path.write_text(text.format(calls=calls, terraform=terraform), encoding="utf-8")
        path.chmod(0o755)


@pytest.fixture(scope="module")
def checkout(local_aws: BackgroundServer, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("pages"), local_aws.url)


def block_of(page: str, language: str = "sh") -> str:
    """The first block of a language on a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    assert found is not None
    return found[1]


def test_the_way_to_aws_plans_the_example(checkout: Checkout) -> None:
    done = checkout.run(block_of("start/aws.md"))
    assert done.returncode == 0, done.stdout
    assert re.search(r"Plan: \d{3} to add, 0 to change, 0 to destroy", done.stdout)
    assert checkout.calls() == [
        f"make preflight EXPECTED_ACCOUNT_ID={ACCOUNT_ID}", "make model", "make bundles TARGET=aws",
        "terraform init", "terraform apply", "terraform output -json",
        "ultron ingest --outputs outputs.json --corpus handbook --wait",
    ]  # fmt: skip


STATE = {
    "version": 4, "terraform_version": "1.9.0", "serial": 7, "lineage": "example", "resources": [],
    "outputs": {"api_url": {"value": "https://api.example", "type": "string"}},
}  # fmt: skip


def test_a_state_is_moved_to_the_bucket_and_locked_there(
    local_aws: BackgroundServer, tmp_path: Path
) -> None:
    checkout = Checkout(tmp_path, local_aws.url)
    (checkout.terraform / "backend.tf").write_text(block_of(SHARED_STATE, "hcl"), encoding="utf-8")
    (checkout.terraform / "terraform.tfstate").write_text(json.dumps(STATE), encoding="utf-8")
    s3 = client_of_the_account(local_aws)
    s3.create_bucket(
        Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    s3.put_object(Bucket=STATE_BUCKET, Key=f"{STATE_KEY}.tflock", Body=b"{}")
    here = {
        "AWS_ENDPOINT_URL_S3": local_aws.url, "AWS_ENDPOINT_URL_STS": local_aws.url,
        "TF_CLI_ARGS_init": "-no-color -backend-config=use_path_style=true",
        "TF_INPUT": "1",
    }  # fmt: skip

    refused = checkout.run(block_of(SHARED_STATE), **here)
    assert refused.returncode != 0
    assert "Error acquiring the state lock" in refused.stdout

    s3.delete_object(Bucket=STATE_BUCKET, Key=f"{STATE_KEY}.tflock")
    moved = checkout.run(block_of(SHARED_STATE), **here)
    assert moved.returncode == 0, moved.stdout
    kept = json.loads(s3.get_object(Bucket=STATE_BUCKET, Key=STATE_KEY)["Body"].read())
    assert kept["outputs"] == STATE["outputs"]
    listed = s3.list_objects_v2(Bucket=STATE_BUCKET)["Contents"]
    assert [found["Key"] for found in listed] == [STATE_KEY], "the lock is given back"


def client_of_the_account(local_aws: BackgroundServer) -> "S3Client":
    client: S3Client = boto3.client(
        "s3", endpoint_url=local_aws.url, aws_access_key_id=ACCOUNT_ID,
        aws_secret_access_key="test", region_name="eu-west-1",
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    return client
