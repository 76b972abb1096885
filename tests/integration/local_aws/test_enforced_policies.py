"""With policies enforced, a function can do what its role allows, and nothing else."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from scripts.local_aws.account import CREDENTIALS, REGION
from scripts.local_aws.server import local_aws as local_aws_server
from scripts.processes.process import BackgroundServer, ensure_running

ROOT = Path(__file__).resolve().parents[3]

# Sends in a batch, which AWS authorises as sqs:SendMessage.
FUNCTION = """
import boto3
from botocore.exceptions import ClientError
def handler(event, context):
    entries = [{"Id": "1", "MessageBody": "x"}]
    try:
        boto3.client("sqs").send_message_batch(QueueUrl=event["url"], Entries=entries)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "sent"
"""


@pytest.fixture
def enforcing(tmp_path: Path) -> Iterator[BackgroundServer]:
    server = ensure_running(local_aws_server(ROOT, tmp_path / "aws", enforce_policies=True)).server
    yield server
    server.stop()


def clients(server: BackgroundServer, key_id: str, secret: str) -> Callable[[str], Any]:
    """Makes clients of services by name, for whoever has the key."""
    session = boto3.Session(
        aws_access_key_id=key_id, aws_secret_access_key=secret, region_name=REGION
    )
    make: Callable[..., Any] = session.client
    return partial(
        make,
        endpoint_url=server.url,
        verify=str(server.certificate),
        config=Config(s3={"addressing_style": "path"}),
    )


def administrator(server: BackgroundServer) -> Callable[[str], Any]:
    return clients(server, CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])


def test_a_role_reaches_its_own_queue_only(enforcing: BackgroundServer) -> None:
    sqs, iam, functions = map(administrator(enforcing), ("sqs", "iam", "lambda"))
    own, other = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("own", "other"))
    arn = sqs.get_queue_attributes(QueueUrl=own, AttributeNames=["QueueArn"])["Attributes"]
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = iam.create_role(
        RoleName="sender",
        AssumeRolePolicyDocument=_policy({**trust, "Action": "sts:AssumeRole"}),
    )
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn["QueueArn"]}
    iam.put_role_policy(RoleName="sender", PolicyName="send", PolicyDocument=_policy(allowed))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("sender.py", FUNCTION)
    functions.create_function(
        FunctionName="sender",
        Runtime="python3.12",
        Role=role["Role"]["Arn"],
        Handler="sender.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=30,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="sender")

    def send_to(url: str) -> Any:
        payload = json.dumps({"url": url}).encode()
        return json.load(functions.invoke(FunctionName="sender", Payload=payload)["Payload"])

    assert send_to(own) == "sent"
    assert "AccessDenied" in send_to(other)


# What `terraform/permissions.tf` gives a function that reads `indexes/*/manifest.json`.
READS: list[dict[str, Any]] = [
    {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::corpora/indexes/*/manifest.json",
    },
    {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::corpora",
        "Condition": {"StringLike": {"s3:prefix": ["indexes/*/manifest.json", "indexes/*"]}},
    },
]


@pytest.fixture
def reader(enforcing: BackgroundServer) -> Any:
    """S3 as such a function sees it: one manifest is there, and an object that is not for it."""
    s3, iam = map(administrator(enforcing), ("s3", "iam"))
    s3.create_bucket(Bucket="corpora")
    for key in ("indexes/a/model=m/manifest.json", "raw/secret.jsonl.gz"):
        s3.put_object(Bucket="corpora", Key=key, Body=b"x")
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=_policy(*READS))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    return clients(enforcing, key["AccessKeyId"], key["SecretAccessKey"])("s3")


def status_of(call: Callable[..., Any], **arguments: Any) -> int:
    try:
        answer = call(Bucket="corpora", **arguments)
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_a_list_has_to_name_a_prefix_that_may_be_read(reader: Any) -> None:
    for prefix in ("indexes/", "indexes/a/"):
        assert status_of(reader.list_objects_v2, Prefix=prefix) == 200
    assert status_of(reader.list_objects_v2) == 403
    for prefix in ("", "raw/", "i", "indexes"):
        assert status_of(reader.list_objects_v2, Prefix=prefix) == 403
    assert status_of(reader.head_bucket) == 403  # which the project asks nowhere


def test_an_absent_object_is_absent_for_who_may_read_it_and_nothing_for_others(reader: Any) -> None:
    for call in (reader.get_object, reader.head_object):
        assert status_of(call, Key="indexes/a/model=m/manifest.json") == 200
        assert status_of(call, Key="indexes/b/model=m/manifest.json") == 404
        assert status_of(call, Key="raw/secret.jsonl.gz") == 403
        assert status_of(call, Key="raw/absent.jsonl.gz") == 403


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
