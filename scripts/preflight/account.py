"""What an account allows and has already: reads only, and what may not be read is unknown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

ResultT = TypeVar("ResultT")
ClientMaker = Callable[[str], Any]

# "Rules" of "Amazon EventBridge (CloudWatch Events)": Service Quotas, codes of the service.
_RULES_QUOTA = {"ServiceCode": "events", "QuotaCode": "L-244521F2"}


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be asked, and AWS's reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Environments of functions: those of the account, and of them those that nothing reserves.

    `own` are reserved by the functions that are asked about, where they exist already.
    """

    limit: int
    unreserved: int
    own: int


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of the default event bus, and how many it may have."""

    present: int
    quota: int


def asked(question: Callable[[], ResultT]) -> ResultT | Unknown:
    """The answer of AWS, or why there is none."""
    try:
        return question()
    except ClientError as error:
        return Unknown(str(error.response.get("Error", {}).get("Code", "an error")))
    except BotoCoreError as error:
        return Unknown(str(error))


def concurrency(client: ClientMaker, function_names: list[str]) -> Concurrency:
    """How many environments the account has, and what the named functions reserve of them.

    Raises:
        ClientError, BotoCoreError: AWS refuses, or does not answer.
    """
    functions = client("lambda")
    limit = functions.get_account_settings()["AccountLimit"]
    own = 0
    for name in function_names:
        try:
            found = functions.get_function_concurrency(FunctionName=name)
        except functions.exceptions.ResourceNotFoundException:
            continue
        own += found.get("ReservedConcurrentExecutions", 0)
    return Concurrency(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"], own)


def log_role(client: ClientMaker) -> str | None:
    """ARN of the role by which API Gateway writes logs, if the account has one.

    Raises:
        ClientError, BotoCoreError: AWS refuses, or does not answer.
    """
    role: str | None = client("apigateway").get_account().get("cloudwatchRoleArn")
    return role or None


def bucket_state(client: ClientMaker, bucket: str, deployment_parameter: str) -> str:
    """`free`, `ours` where the deployment stands, `mine` in this account, or `taken` by another.

    Raises:
        ClientError, BotoCoreError: AWS refuses, or does not answer.
    """
    try:
        client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return "free"
        if status in (301, 403):
            return "taken"
        raise
    parameters = client("ssm")
    try:
        parameters.get_parameter(Name=deployment_parameter)
    except parameters.exceptions.ParameterNotFound:
        return "mine"
    return "ours"


def rules(client: ClientMaker) -> Rules:
    """How many rules there are, and may be.

    Raises:
        ClientError, BotoCoreError: AWS refuses, or does not answer.
    """
    pages = client("events").get_paginator("list_rules").paginate()
    present = sum(len(page["Rules"]) for page in pages)
    quota = client("service-quotas").get_service_quota(**_RULES_QUOTA)["Quota"]["Value"]
    return Rules(present, int(quota))
