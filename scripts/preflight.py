"""Shows which account, region and caller a deployment would use, and stops where they are wrong.

`make preflight EXPECTED_ACCOUNT_ID=123456789012`. Reads only; needs no permission beyond
`sts:GetCallerIdentity`, which every caller has.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

from shared.platform.command_line import complain, run_command
from shared.platform.printing import printable

_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})


class PreflightError(Exception):
    """A deployment would go to the wrong place, or nowhere; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who would deploy, and where to."""

    account_id: str
    region: str
    arn: str
    endpoint_url: str | None


def identify() -> Caller:
    """Ask AWS who we are.

    Raises:
        PreflightError: there is no region, no credentials, or AWS does not accept them.
    """
    try:
        session = boto3.Session()
        if session.region_name is None:
            raise PreflightError(
                "no region is set; set AWS_DEFAULT_REGION, or one in the profile that AWS_PROFILE "
                "names"
            )
        # The regional endpoint of STS shows that the region exists and is enabled.
        client = session.client("sts", config=_CONFIG)
        answer = client.get_caller_identity()
    except ProfileNotFound as error:
        raise PreflightError(f"{error}; choose another AWS_PROFILE or configure it") from error
    except NoCredentialsError as error:
        raise PreflightError(
            "no AWS credentials were found; log in (`aws sso login`) or set AWS_PROFILE"
        ) from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        raise PreflightError(
            f"AWS refuses the credentials ({code}); log in again or choose another AWS_PROFILE"
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise PreflightError(f"AWS could not be asked who you are: {error}") from error
    endpoint_url = client.meta.endpoint_url
    is_aws = re.fullmatch(r"https://[^/]*\.amazonaws\.com(\.cn)?", endpoint_url) is not None
    return Caller(
        account_id=answer["Account"],
        region=session.region_name,
        arn=answer["Arn"],
        endpoint_url=None if is_aws else endpoint_url,
    )


def require_account(caller: Caller, expected_account_id: str) -> None:
    """Stop unless the caller is in the account that the deployment is meant for.

    Raises:
        PreflightError: the account is another one, or what is expected is no account id.
    """
    if re.fullmatch(r"\d{12}", expected_account_id) is None:
        raise PreflightError(
            f"the expected account id is {expected_account_id!r}; an account id has 12 digits"
        )
    if caller.account_id != expected_account_id:
        raise PreflightError(
            f"this is account {caller.account_id}, but {expected_account_id} is expected; "
            "choose another AWS_PROFILE, or another expected account if that was the mistake"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the caller; returns 0, or 1 where a deployment must not go on."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.preflight",
        description="Show account, region and caller; stop where they are wrong.",
    )
    parser.add_argument(
        "--expected-account-id",
        default=os.environ.get("EXPECTED_ACCOUNT_ID") or None,
        help="the account to deploy to (default: EXPECTED_ACCOUNT_ID)",
    )
    expected_account_id = parser.parse_args(arguments).expected_account_id
    try:
        caller = identify()
        print(f"account  {printable(caller.account_id)}")
        print(f"region   {caller.region}")
        print(f"caller   {printable(caller.arn)}")
        if caller.endpoint_url is not None:
            print(f"endpoint {caller.endpoint_url} (not AWS itself)")
        if expected_account_id is None:
            print("No account is expected: set EXPECTED_ACCOUNT_ID to have this checked.")
        else:
            require_account(caller, expected_account_id)
            print("This is the expected account.")
    except PreflightError as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
