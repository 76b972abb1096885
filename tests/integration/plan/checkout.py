"""A copy of the checkout for the commands of a page, and the shell of a separate account there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from scripts.build_bundles import build_bundles
from scripts.build_model import ensure_model
from scripts.demo.deployment import ROOT, Deployment
from scripts.environments import interpreter
from scripts.terraform_tooling import terraform_command, terraform_environment

ACCOUNT_ID = "123456789012"
# What a command may change in the copy is copied there, or made; all else is the checkout's.
_COPIED = {"terraform", "build"}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# A program that leaves out the commands of a file, and says so.
_LEAVING_OUT = """#!/bin/sh
if grep -Fqx -- "$(basename "$0") $*" {left_out}; then
  echo "left out: $(basename "$0") $*"
  exit 0
fi
exec {command} "$@"
"""
# The environments stand: in a test no target makes them.
_MAKE = "{make} -o environments -o terraform-tool"


class Checkout:
    """A copy of what the pages speak of, in a shell of a separate account.

    `left_out` are the commands of `make`, `git` and `terraform` that are not run.
    """

    def __init__(self, folder: Path, endpoint_url: str, left_out: list[str]) -> None:
        self.folder = folder / "checkout"
        self.terraform = self.folder / "terraform"
        self.home = folder / "home"
        for path in (self.folder, self.home, self.folder / "build", folder / "programs"):
            path.mkdir()
        ignored = shutil.ignore_patterns(".terraform*", "tests", "*.tfstate*", "terraform.tfvars")
        shutil.copytree(ROOT / "terraform", self.terraform, ignore=ignored)
        for path in ROOT.iterdir():
            if path.name == ".venv" or not (path.name.startswith(".") or path.name in _COPIED):
                (self.folder / path.name).symlink_to(path)
        self._make_programs(folder / "programs", left_out)
        deployment = Deployment(folder, endpoint_url, endpoint_url)
        self._environment = deployment.environment() | terraform_environment(ROOT)
        for name in ("TF_DATA_DIR", "AWS_REGION", "AWS_DEFAULT_REGION"):
            del self._environment[name]
        self._environment |= {
            # The local AWS takes a key of twelve digits for the number of the account.
            "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
            "HOME": str(self.home),
            "PATH": os.pathsep.join(
                [str(folder / "programs"), str(self.folder / ".venv/bin"), os.environ["PATH"]]
            ),
            # `.venv` may be that of another checkout; the code is this one's.
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TF_VAR_endpoint_url": endpoint_url,
            # The provider waits a minute for them.
            "TF_VAR_lifecycle_rules": "null",
        }

    def add_bundles(self) -> None:
        """Put what `make bundles` and `make model` make there, for the Python of this machine."""
        self._add_build(build_bundles("local", ROOT).parent, ensure_model(ROOT))

    def run(self, script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run blocks of a page in the folder of the checkout, to their first error."""
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

    def _add_build(self, bundles: Path, model: Path) -> None:
        (self.folder / "build/models").mkdir()
        (self.folder / "build/aws").symlink_to(bundles)
        (self.folder / "build/models/all-MiniLM-L6-v2-int8").symlink_to(model)

    @staticmethod
    def _make_programs(programs: Path, left_out: list[str]) -> None:
        (programs / "left-out").write_text("".join(f"{line}\n" for line in left_out), "utf-8")
        reals = {name: shutil.which(name) or name for name in ("make", "git")}
        for name, real in {**reals, "terraform": terraform_command()}.items():
            command = _MAKE.format(make=real) if name == "make" else real
            text = _LEAVING_OUT.format(left_out=programs / "left-out", command=command)
            (programs / name).write_text(text, "utf-8")
            (programs / name).chmod(0o755)
        (programs / "aws").symlink_to(interpreter("local-aws").with_name("aws"))


def blocks_of(page: Path, language: str = "sh") -> list[str]:
    """The blocks of a language on a page."""
    text = page.read_text(encoding="utf-8")
    return [block[2] for block in _BLOCK.finditer(text) if block[1] == language]
