"""A separate deployment for each test of the command."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from scripts.processes.process import BackgroundServer
from shared.platform import aws
from tests.integration.cli.site import MakeClient, Site, new_prefix

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient


@pytest.fixture
def local_aws_url(local_aws: BackgroundServer) -> str:
    """Endpoint of the local AWS."""
    return local_aws.url


@pytest.fixture
def site(
    local_aws: BackgroundServer,
    aws_client: MakeClient,
    s3_client: "S3Client",
    sqs_client: "SQSClient",
    dynamodb_client: "DynamoDBClient",
    ssm_client: "SSMClient",
    lambda_client: "LambdaClient",
    bucket_name: str,
    checkpoint_table: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Site]:
    """An empty deployment, which the command finds by its name prefix alone."""
    found = Site(
        name_prefix=new_prefix(),
        bucket_name=bucket_name,
        table_name=checkpoint_table,
        s3=s3_client,
        sqs=sqs_client,
        dynamodb=dynamodb_client,
        ssm=ssm_client,
        events=aws_client("events"),
        functions=lambda_client,
        capsys=capsys,
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.url)
    monkeypatch.setenv("ULTRON_NAME_PREFIX", found.name_prefix)
    aws.forget_clients()
    yield found
    aws.forget_clients()
