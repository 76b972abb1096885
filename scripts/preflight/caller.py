"""Who would deploy, to which account and region: asked by `sts:GetCallerIdentity` alone."""

import re
from dataclasses import dataclass

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})


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
        client = session.client("sts", config=CONFIG)
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


def require_region(caller: Caller, expected_region: str) -> None:
    """Stop unless the caller's region is the one that the settings name.

    Raises:
        PreflightError: it is another one.
    """
    if caller.region != expected_region:
        raise PreflightError(
            f"the region is {caller.region}, but the settings say {expected_region}; set "
            f"AWS_DEFAULT_REGION={expected_region}, or change the variable `region`"
        )


def require_role(caller: Caller, expected_role: str) -> None:
    """Stop unless the caller is the role, or the user, of a name.

    Raises:
        PreflightError: it is another one.
    """
    names = caller.arn.rpartition(":")[2].split("/")[1:]
    if expected_role not in names:
        raise PreflightError(
            f"the caller is {caller.arn}, but {expected_role} is expected; take on that role, or "
            "choose another AWS_PROFILE"
        )
