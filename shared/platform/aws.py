"""The only place that makes AWS clients; each is made once a process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import boto3
import botocore.session
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

# What a person has configured for other accounts, by botocore's names: read by no client of a
# `LocalAccount`.
_NOTHING_CONFIGURED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ca_bundle": (None, None, None, None),
}

_made: list[BaseClient] = []


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """A local AWS: all that a client needs to reach it."""

    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


_local_account: LocalAccount | None = None


@contextmanager
def clients_of(account: LocalAccount) -> Iterator[None]:
    """Let the clients that the block makes be those of a local AWS.

    They read no profile, no variable and no proxy of the environment: neither do the credentials of
    a real account reach a local AWS, nor the local ones a real account.
    """
    global _local_account
    forget_clients()
    _local_account = account
    try:
        yield
    finally:
        _local_account = None
        forget_clients()


@cache
def s3_client() -> "S3Client":
    """Return the process's S3 client."""
    return _kept(_session().client("s3", endpoint_url=_endpoint_url(), config=_config()))


@cache
def sqs_client() -> "SQSClient":
    """Return the process's SQS client."""
    return _kept(_session().client("sqs", endpoint_url=_endpoint_url(), config=_config()))


@cache
def dynamodb_client() -> "DynamoDBClient":
    """Return the process's DynamoDB client."""
    return _kept(_session().client("dynamodb", endpoint_url=_endpoint_url(), config=_config()))


@cache
def ssm_client() -> "SSMClient":
    """Return the process's SSM client."""
    return _kept(_session().client("ssm", endpoint_url=_endpoint_url(), config=_config()))


@cache
def events_client() -> "EventBridgeClient":
    """Return the process's EventBridge client."""
    return _kept(_session().client("events", endpoint_url=_endpoint_url(), config=_config()))


@cache
def secrets_client() -> "SecretsManagerClient":
    """Return the process's Secrets Manager client."""
    return _kept(
        _session().client("secretsmanager", endpoint_url=_endpoint_url(), config=_config())
    )


@cache
def lambda_client(answer_timeout_seconds: int = 12) -> "LambdaClient":
    """Return the process's Lambda client, which waits that long for a function, at most twice.

    By default both attempts fit in the 29 seconds that a caller behind API Gateway has.
    """
    attempts = Config(
        read_timeout=answer_timeout_seconds, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return _kept(
        _session().client("lambda", endpoint_url=_endpoint_url(), config=_config().merge(attempts))
    )


def forget_clients() -> None:
    """Close every client; the next call of each function above makes a new one.

    For a process that is copied: connections and credentials do not outlive that.
    """
    for cached in (
        s3_client, sqs_client, dynamodb_client, ssm_client, events_client, secrets_client,
        lambda_client, _session,
    ):  # fmt: skip
        cached.cache_clear()
    while _made:
        _made.pop().close()


@cache
def _session() -> boto3.Session:
    account = _local_account
    if account is None:
        return boto3.Session()
    return boto3.Session(
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key,
        region_name=account.region,
        botocore_session=botocore.session.Session(session_vars=_NOTHING_CONFIGURED),
    )


def _endpoint_url() -> str | None:
    return _local_account.endpoint_url if _local_account else None


def _config() -> Config:
    return _CONFIG.merge(Config(proxies={})) if _local_account else _CONFIG


def _kept(client: ClientT) -> ClientT:
    _made.append(client)
    return client
