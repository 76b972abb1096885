"""The only place that makes AWS clients; each is made once a process."""

from functools import cache
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.client import BaseClient
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

ClientT = TypeVar("ClientT", bound=BaseClient)

# Standard mode backs off with jitter; a stage's own retries sit above it (SQS redelivery).
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=3,
    read_timeout=30,
    max_pool_connections=32,
    s3={"addressing_style": "path"},
)


_made: list[BaseClient] = []


@cache
def s3_client() -> "S3Client":
    """Return the process's S3 client."""
    return _kept(boto3.client("s3", config=_CONFIG))


@cache
def sqs_client() -> "SQSClient":
    """Return the process's SQS client."""
    return _kept(boto3.client("sqs", config=_CONFIG))


@cache
def dynamodb_client() -> "DynamoDBClient":
    """Return the process's DynamoDB client."""
    return _kept(boto3.client("dynamodb", config=_CONFIG))


@cache
def ssm_client() -> "SSMClient":
    """Return the process's SSM client."""
    return _kept(boto3.client("ssm", config=_CONFIG))


@cache
def events_client() -> "EventBridgeClient":
    """Return the process's EventBridge client."""
    return _kept(boto3.client("events", config=_CONFIG))


@cache
def secrets_client() -> "SecretsManagerClient":
    """Return the process's Secrets Manager client."""
    return _kept(boto3.client("secretsmanager", config=_CONFIG))


@cache
def lambda_client(answer_timeout_seconds: int = 12) -> "LambdaClient":
    """Return the process's Lambda client, which waits that long for a function, at most twice.

    By default both attempts fit in the 29 seconds that a caller behind API Gateway has.
    """
    attempts = Config(
        read_timeout=answer_timeout_seconds, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return _kept(boto3.client("lambda", config=_CONFIG.merge(attempts)))


def forget_clients() -> None:
    """Close every client; the next call of each function above makes a new one.

    For a process that is copied: connections and credentials do not outlive that.
    """
    for cached in (
        s3_client, sqs_client, dynamodb_client, ssm_client, events_client, secrets_client,
        lambda_client,
    ):  # fmt: skip
        cached.cache_clear()
    while _made:
        _made.pop().close()


def _kept(client: ClientT) -> ClientT:
    _made.append(client)
    return client
