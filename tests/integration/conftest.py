"""A local AWS for the integration tests: the project's own, on a free port, for the session."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from scripts.local_aws.account import CREDENTIALS, REGION
from scripts.local_aws.server import local_aws as local_aws_server
from scripts.processes.process import BackgroundServer, ensure_running
from tests.integration.line.indexed_corpus import Shelf
from tests.integration.line.run_of_pages import Line

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    """The running local AWS; `.url` is its endpoint."""
    directory = tmp_path_factory.mktemp("local-aws")
    server = ensure_running(local_aws_server(ROOT, directory)).server
    yield server
    server.stop()
    server.remove_files()


@pytest.fixture(scope="session")
def aws_client(local_aws: BackgroundServer) -> Callable[[str], Any]:
    """Make a boto3 client of a service, by name, for the local AWS."""

    def make(service: str) -> Any:
        session = boto3.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
        # The stubs know a closed list of names; each fixture below states its client's type.
        make_client: Callable[..., Any] = session.client
        return make_client(service, endpoint_url=local_aws.url, config=config)

    return make


@pytest.fixture(scope="session")
def s3_client(aws_client: Callable[[str], Any]) -> "S3Client":
    """S3 of the local AWS."""
    client: S3Client = aws_client("s3")
    return client


@pytest.fixture(scope="session")
def sqs_client(aws_client: Callable[[str], Any]) -> "SQSClient":
    """SQS of the local AWS."""
    client: SQSClient = aws_client("sqs")
    return client


@pytest.fixture(scope="session")
def dynamodb_client(aws_client: Callable[[str], Any]) -> "DynamoDBClient":
    """DynamoDB of the local AWS."""
    client: DynamoDBClient = aws_client("dynamodb")
    return client


@pytest.fixture(scope="session")
def ssm_client(aws_client: Callable[[str], Any]) -> "SSMClient":
    """Systems Manager (parameters) of the local AWS."""
    client: SSMClient = aws_client("ssm")
    return client


@pytest.fixture(scope="session")
def secrets_client(aws_client: Callable[[str], Any]) -> "SecretsManagerClient":
    """Secrets Manager of the local AWS."""
    client: SecretsManagerClient = aws_client("secretsmanager")
    return client


@pytest.fixture(scope="session")
def lambda_client(aws_client: Callable[[str], Any]) -> "LambdaClient":
    """Lambda of the local AWS."""
    client: LambdaClient = aws_client("lambda")
    return client


@pytest.fixture
def checkpoint_table(dynamodb_client: "DynamoDBClient") -> Iterator[str]:
    """Name of an empty table with the keys and the expiry attribute of the project's one."""
    name = f"checkpoints-{uuid.uuid4().hex[:12]}"
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
    dynamodb_client.get_waiter("table_exists").wait(TableName=name)
    dynamodb_client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )
    yield name
    dynamodb_client.delete_table(TableName=name)


@pytest.fixture
def bucket_name(s3_client: "S3Client") -> str:
    """Name of an empty bucket; it goes with the local AWS."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def queue_url(sqs_client: "SQSClient") -> Iterator[str]:
    """URL of an empty queue."""
    url = sqs_client.create_queue(QueueName=f"queue-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    yield url
    sqs_client.delete_queue(QueueUrl=url)


@pytest.fixture
def shelf(dynamodb_client: "DynamoDBClient", checkpoint_table: str, tmp_path: Path) -> Shelf:
    """An empty corpus."""
    return Shelf(dynamodb_client, checkpoint_table, tmp_path)


@pytest.fixture
def line(dynamodb_client: "DynamoDBClient", checkpoint_table: str) -> Line:
    """A corpus without runs, of three pages."""
    line = Line(dynamodb_client, checkpoint_table)
    line.source.planned = ["a", "b", "c"]
    return line
