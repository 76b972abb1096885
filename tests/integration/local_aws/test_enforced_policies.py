"""With policies enforced, a function can do what its role allows, and nothing else."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from scripts.local_aws.account import CREDENTIALS, REGION
from scripts.local_aws.process import BackgroundServer, ensure_running
from scripts.local_aws.server import local_aws as local_aws_server

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


def test_a_role_reaches_its_own_queue_only(enforcing: BackgroundServer) -> None:
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    make: Callable[..., Any] = session.client
    sqs, iam, functions = (
        make(service, endpoint_url=enforcing.url, verify=str(enforcing.certificate))
        for service in ("sqs", "iam", "lambda")
    )
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


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
