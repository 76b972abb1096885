"""One pipeline, one clock and one server of sites for the whole suite; a corpus for each case."""

import uuid
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from scripts.local_aws.account import CREDENTIALS, REGION
from scripts.processes.process import BackgroundServer
from services.derive import handler as derive_handler
from services.fetch import handler as fetch_handler
from services.ingest import handler as ingest_handler
from shared.platform import aws, source_wiring, wiring
from shared.platform.observability import metrics
from shared.web.http_get import HttpClient, HttpLimits
from shared.web.retry import Timing
from tests.integration.conformance.driver import Clock, Driver
from tests.integration.conformance.server import SiteServer, running_site_server
from tests.integration.sources.pipeline import Clients, Pipeline

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

_CACHED_CLIENTS = (
    aws.s3_client,
    aws.sqs_client,
    aws.dynamodb_client,
    aws.ssm_client,
    aws.secrets_client,
)
# The tests really wait so long for a server that stalls; a busy machine answers well within it.
_LIMITS = HttpLimits(read_timeout_seconds=1.5)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def table_name(dynamodb_client: "DynamoDBClient") -> Iterator[str]:
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    dynamodb_client.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "PK", "AttributeType": "S"},
            {"AttributeName": "SK", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "PK", "KeyType": "HASH"},
            {"AttributeName": "SK", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    dynamodb_client.delete_table(TableName=name)


@pytest.fixture(scope="module")
def pipeline(
    s3_client: "S3Client",
    sqs_client: "SQSClient",
    dynamodb_client: "DynamoDBClient",
    ssm_client: "SSMClient",
    secrets_client: "SecretsManagerClient",
    local_aws: BackgroundServer,
    table_name: str,
    clock: Clock,
) -> Iterator[Pipeline]:
    """The real handlers on the local AWS; the time of their sources is `clock`."""
    clients = Clients(s3_client, sqs_client, dynamodb_client, ssm_client, secrets_client)
    bucket_name = f"conformance-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=bucket_name)
    pipeline = Pipeline(clients, bucket_name, table_name)
    timing = partial(Timing, monotonic=clock.monotonic, sleep=clock.sleep, uniform=max)
    for make_client in _CACHED_CLIENTS:
        make_client.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ENDPOINT_URL", local_aws.url)
        patch.setattr(metrics, "namespace", "test")  # Powertools read the environment long ago
        patch.setattr(source_wiring, "Timing", timing)
        patch.setattr(wiring, "table_clock", lambda _: clock)
        patch.setattr(source_wiring, "HttpClient", partial(HttpClient, _LIMITS))
        for part, own, following in (
            (ingest_handler._steering, None, "page"),
            (fetch_handler._stage, "page", "derive"),
            (derive_handler._stage, "derive", "chunk"),
        ):
            part.cache_clear()
            with pytest.MonkeyPatch.context() as environment:
                for name, value in pipeline.environment(own, following).items():
                    environment.setenv(name, value)
                environment.setenv("MAXIMUM_WAIT_SECONDS", "60")
                part()  # what a cold start does: settings and clients are made once
        yield pipeline
    pipeline.close()
    for make_client in _CACHED_CLIENTS:
        make_client.cache_clear()


@pytest.fixture(scope="module")
def server() -> Iterator[SiteServer]:
    with running_site_server() as running:
        yield running


@pytest.fixture
def driver(pipeline: Pipeline, clock: Clock) -> Driver:
    return Driver(pipeline, clock)


@pytest.fixture
def corpus() -> str:
    """The name of a separate corpus."""
    return f"corpus-{uuid.uuid4().hex[:12]}"
