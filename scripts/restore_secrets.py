"""Takes back secrets that a `terraform destroy` deleted, so that the next apply finds them.

    python -m scripts.restore_secrets ultron/sources/tickets

Secrets Manager keeps a deleted secret, and its name, for `secret_recovery_window_days`. Until then
an apply that makes the secret again fails. This restores each secret that is named, with its value,
and imports it into Terraform's state: call it after the failed apply, then apply again.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from scripts.terraform_tooling import (
    TerraformError,
    repository_root,
    run_terraform,
    terraform_environment,
)
from shared.platform.command_line import complain, run_command


class RestoreError(Exception):
    """A secret could not be taken back; the message says which, and why."""


def restore(name: str) -> str:
    """Undo the deletion of a secret; its ARN. One that was not deleted stays as it is.

    Raises:
        RestoreError: there is no such secret, or AWS cannot be asked.
    """
    try:
        client = boto3.client("secretsmanager")
        described = client.describe_secret(SecretId=name)
        if "DeletedDate" in described:
            client.restore_secret(SecretId=name)
    except (BotoCoreError, ClientError) as error:
        raise RestoreError(f"the secret {name} cannot be restored: {error}") from error
    return described["ARN"]


def address(name: str) -> str:
    """Where Terraform has a secret of this name.

    Raises:
        RestoreError: it is no secret of a source.
    """
    prefix, found, key = name.partition("/sources/")
    if not (prefix and found and key):
        raise RestoreError(f"{name} is no name like ultron/sources/tickets, as the apply says it")
    return f"module.corpora.aws_secretsmanager_secret.source[{json.dumps(key)}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Restore and import each secret; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.restore_secrets",
        description="Take back secrets that `terraform destroy` deleted.",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="such as ultron/sources/tickets")
    parser.add_argument(
        "--directory", type=Path, default=repository_root() / "terraform", help="of Terraform"
    )
    options = parser.parse_args(arguments)
    try:
        addresses = {name: address(name) for name in options.names}
        # The data of this folder's `terraform init` is where a person's own commands have it.
        environment = terraform_environment(repository_root())
        del environment["TF_DATA_DIR"]
        for name in options.names:
            arn = restore(name)
            print(f"{name} is restored")
            command = ["import", "-input=false", "-no-color", addresses[name], arn]
            run_terraform(command, options.directory, environment)
    except (RestoreError, TerraformError) as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
