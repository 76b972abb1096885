"""Which files of a deployment the repository takes, and which provider they bind."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.terraform_tooling import PROVIDER_VERSIONS

ROOT = Path(__file__).resolve().parents[3]
TERRAFORM = ROOT / "terraform"
LOCK_NAME = ".terraform.lock.hcl"


def is_ignored(path: str) -> bool:
    done = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False)
    assert done.returncode in (0, 1)
    return done.returncode == 0


@pytest.mark.parametrize(
    "path",
    [
        "terraform/terraform.tfvars", "terraform/production.tfvars", "terraform/eu.auto.tfvars",
        "terraform/eu.auto.tfvars.json", "terraform/account/terraform.tfvars", "keys.json",
        "terraform/keys.json", ".env", ".env.local", "terraform/terraform.tfstate.backup",
    ],
)  # fmt: skip
def test_what_may_hold_a_secret_is_not_committed(path: str) -> None:
    assert is_ignored(path)


def test_examples_and_the_lock_file_are_committed() -> None:
    examples = [*TERRAFORM.glob("*.tfvars.example"), TERRAFORM / LOCK_NAME]
    assert len(examples) >= 3
    assert [path.name for path in examples if is_ignored(str(path))] == []


def test_every_module_binds_the_provider_to_what_is_tested() -> None:
    bounds = {
        found
        for path in TERRAFORM.rglob("terraform.tf")
        for found in re.findall(r'"hashicorp/aws"\n\s+version = "(.*)"', path.read_text("utf-8"))
    }
    lowest, beyond = PROVIDER_VERSIONS
    assert bounds == {"~> {}.{}".format(*lowest)}
    assert beyond == (lowest[0] + 1, 0)


def test_the_lock_file_has_the_archives_of_all_platforms() -> None:
    text = (TERRAFORM / LOCK_NAME).read_text(encoding="utf-8")
    found = re.search(r'version     = "(\d+)\.(\d+)\.\d+"', text)
    assert found is not None
    assert (int(found[1]), int(found[2])) >= PROVIDER_VERSIONS[0]
    # 14 platforms, and the list of the protocols that the provider speaks.
    assert len(set(re.findall(r'"zh:[0-9a-f]{64}"', text))) == 15
    assert re.search(r'"h1:[A-Za-z0-9+/]{43}="', text)
