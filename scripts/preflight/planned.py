"""What the settings of a deployment come to, as Terraform itself evaluates them."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from scripts.preflight.caller import Caller, PreflightError
from scripts.terraform_tooling import terraform_command

# What a plan would compute without asking AWS for anything.
_EXPRESSION = """jsonencode({
  expected_account_id = var.expected_account_id,
  region              = var.region,
  name_prefix         = var.name_prefix,
  bucket_name         = var.bucket_name,
  access_logs         = var.api_access_logs_enabled,
  corpora             = length(var.corpora),
  functions = {
    for name, settings in local.functions : name => {
      memory_mb            = settings.memory_mb,
      reserved_concurrency = settings.reserved_concurrency,
      maximum_concurrency  = settings.maximum_concurrency,
      layers = length(concat(
        local.bundles.functions[name].layers, lookup(var.extra_layer_arns, name, []),
      )),
    }
  },
})
"""
# A backend would be asked for a state, which is not needed here.
_WITHOUT_BACKEND = 'terraform {\n  backend "local" {}\n}\n'
_NOT_COPIED = shutil.ignore_patterns(".terraform", "tests", "*.tfstate*", "*.tfplan", "*.example")
_LAST_LINES = 20


class PlannedFunction(BaseModel):
    """The limits of one function; none where Terraform leaves them to AWS."""

    memory_mb: int
    reserved_concurrency: int | None
    maximum_concurrency: int | None
    layers: int

    @property
    def reserved(self) -> int:
        """Environments that are kept for it."""
        return max(self.reserved_concurrency or 0, 0)


class Planned(BaseModel):
    """The settings that an account can refuse."""

    expected_account_id: str
    region: str | None
    name_prefix: str
    bucket_name: str | None
    access_logs: bool
    corpora: Annotated[int, Field(ge=0)]
    functions: dict[str, PlannedFunction]

    def bucket(self, caller: Caller) -> str:
        """Name of the bucket, as `terraform/locals.tf` makes it."""
        if self.bucket_name is not None:
            return self.bucket_name
        if self.name_prefix == "ultron":
            return f"ultron-embeddings-{caller.account_id}"
        return f"{self.name_prefix}-embeddings-{caller.account_id}-{caller.region}"

    def function_name(self, name: str) -> str:
        """The function as AWS knows it."""
        return f"{self.name_prefix}-{name}"


def has_settings(configuration: Path) -> bool:
    """Whether there is a file of values, or a variable of the shell, for the configuration."""
    files = ("terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json")
    return "TF_VAR_expected_account_id" in os.environ or any(
        any(configuration.glob(pattern)) for pattern in files
    )


def read_planned(configuration: Path, environment: Mapping[str, str]) -> Planned:
    """Evaluate the settings beside a configuration, without a state and without AWS.

    The copy in which Terraform does it lies beside the configuration, so that relative paths hold.

    Raises:
        PreflightError: Terraform refuses them; its own message is part of it.
    """
    with tempfile.TemporaryDirectory(prefix=".preflight-", dir=configuration.parent) as folder:
        copy = Path(folder)
        shutil.copytree(configuration, copy, ignore=_NOT_COPIED, dirs_exist_ok=True)
        (copy / "backend_override.tf").write_text(_WITHOUT_BACKEND, encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="preflight-data-") as data:
            variables = {**environment, "TF_DATA_DIR": data}
            _terraform(["init", "-no-color"], copy, variables, "")
            # Terraform's console reads one line.
            expression = " ".join(_EXPRESSION.split())
            printed = _terraform(["console", "-no-color"], copy, variables, f"{expression}\n")
    # It shows the text of the document as a quoted string.
    return Planned.model_validate_json(json.loads(printed.strip().splitlines()[-1]))


def _terraform(arguments: list[str], folder: Path, variables: Mapping[str, str], typed: str) -> str:
    done = subprocess.run(
        [terraform_command(), *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        said = "\n".join(lines[-_LAST_LINES:])
        raise PreflightError(f"Terraform refuses the settings:\n{said}")
    return done.stdout
