"""Shows where a deployment would go and whether the account takes it: `make preflight`.

    python -m scripts.preflight [--expected-account-id ID] [--expected-role NAME]

It reads only. Without permission for a call beyond `sts:GetCallerIdentity`, it says what it could
not find out.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from scripts.preflight import account, checks
from scripts.preflight.caller import (
    CONFIG,
    Caller,
    PreflightError,
    identify,
    require_account,
    require_region,
    require_role,
)
from scripts.preflight.planned import Planned, has_settings, read_planned
from scripts.terraform_tooling import TerraformError, repository_root, terraform_environment
from shared.platform.command_line import complain, run_command
from shared.platform.printing import printable


def findings_of(planned: Planned, caller: Caller) -> list[checks.Finding]:
    """Ask the account for its limits, and compare."""

    def client(service: str) -> Any:
        make: Any = boto3.client
        return make(service, config=CONFIG)

    reserving = [
        planned.function_name(name) for name, one in planned.functions.items() if one.reserved
    ]
    concurrency = account.asked(partial(account.concurrency, client, reserving))
    bucket = planned.bucket(caller)
    state = account.asked(
        partial(account.bucket_state, client, bucket, f"/{planned.name_prefix}/deployment")
    )
    role = account.asked(partial(account.log_role, client)) if planned.access_logs else None
    return [
        checks.check_reservations(planned, concurrency),
        checks.check_queues(planned, concurrency),
        checks.check_memory(planned, concurrency),
        checks.check_layers(planned),
        checks.check_log_role(planned, role),
        checks.check_bucket(bucket, state),
        checks.check_rules(planned, account.asked(partial(account.rules, client))),
    ]


def check_settings(configuration: Path, caller: Caller) -> int:
    """Compare the settings with the account; returns the exit status.

    Raises:
        PreflightError: the account or the region is another one, or Terraform refuses the settings.
        TerraformError: there is no usable Terraform.
    """
    if not has_settings(configuration):
        print(f"No settings are checked: there is no terraform.tfvars in {configuration}.")
        return 0
    planned = read_planned(configuration, terraform_environment(repository_root()))
    require_account(caller, planned.expected_account_id)
    print("This is the account of the settings.")
    if planned.region is not None:
        require_region(caller, planned.region)
    findings = findings_of(planned, caller)
    for line in checks.lines(findings):
        print(printable(line))
    return 1 if any(finding.verdict == "wrong" for finding in findings) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the caller and the findings; returns 0, or 1 where a deployment must not go on."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.preflight",
        description="Show account, region and caller; stop where they or the settings are wrong.",
    )
    parser.add_argument(
        "--expected-account-id",
        default=os.environ.get("EXPECTED_ACCOUNT_ID") or None,
        help="the account to deploy to (default: EXPECTED_ACCOUNT_ID)",
    )
    parser.add_argument(
        "--expected-role",
        default=os.environ.get("EXPECTED_ROLE") or None,
        help="name of the role, or the user, that deploys (default: EXPECTED_ROLE)",
    )
    parser.add_argument(
        "--configuration",
        type=Path,
        default=Path("terraform"),
        help="folder of the Terraform configuration and its terraform.tfvars (default: terraform)",
    )
    options = parser.parse_args(arguments)
    try:
        caller = identify()
        print(f"account  {printable(caller.account_id)}")
        print(f"region   {caller.region}")
        print(f"caller   {printable(caller.arn)}")
        if caller.endpoint_url is not None:
            print(f"endpoint {caller.endpoint_url} (not AWS itself)")
        if options.expected_role is not None:
            require_role(caller, options.expected_role)
        if options.expected_account_id is None:
            print("No account is expected: set EXPECTED_ACCOUNT_ID to have this checked.")
        else:
            require_account(caller, options.expected_account_id)
            print("This is the expected account.")
        return check_settings(options.configuration, caller)
    except (PreflightError, TerraformError) as error:
        complain(error)
        return 1


if __name__ == "__main__":
    sys.exit(run_command(main))
