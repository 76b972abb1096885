"""The local AWS is started, used and stopped for real."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.local_aws.server import local_aws as local_aws_server
from scripts.processes.errors import PortTakenError
from scripts.processes.os_processes import live_group_members
from scripts.processes.ports import is_port_free
from scripts.processes.process import BackgroundServer, ensure_running

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parents[3]

FUNCTION = """
import os, sys
class LeaseHeldError(Exception):
    pass
def handler(event, context):
    if event.get("fail"):
        raise LeaseHeldError("held")
    return {"environment": dict(os.environ), "pid": os.getpid(), "version": sys.version_info[:2]}
"""


def _zip(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("probe.py", source)
    return buffer.getvalue()


def _invoke_probe(client: "LambdaClient", name: str) -> dict[str, object]:
    client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=f"arn:aws:iam::{ACCOUNT_ID}:role/any",
        Handler="probe.handler",
        Code={"ZipFile": _zip(FUNCTION)},
        Environment={"Variables": {"GIVEN": "yes", "OWN_DIRECTORY": "/tmp/model"}},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    answer: dict[str, object] = json.load(client.invoke(FunctionName=name)["Payload"])
    return answer


def _query_call(url: str, service: str, parameters: dict[str, str]) -> str:
    """One call in the query protocol, which Terraform speaks and boto3 no longer does."""
    scope = f"test/20260101/{REGION}/{service}/aws4_request"
    request = Request(
        url + "/",
        data=urlencode(parameters).encode(),
        headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"},
    )
    with urlopen(request) as response:
        text: str = response.read().decode()
        return text


def test_objects_are_kept_and_conditional_writes_refused(
    s3_client: "S3Client", bucket_name: str
) -> None:
    s3_client.put_object(Bucket=bucket_name, Key="a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(s3_client.exceptions.ClientError, match="PreconditionFailed"):
        s3_client.put_object(Bucket=bucket_name, Key="a", Body=b"2", IfNoneMatch="*")
    assert s3_client.get_object(Bucket=bucket_name, Key="a")["Body"].read() == b"1"


def test_checkpoint_table_has_expiry(
    dynamodb_client: "DynamoDBClient", checkpoint_table: str
) -> None:
    described = dynamodb_client.describe_time_to_live(TableName=checkpoint_table)
    assert described["TimeToLiveDescription"].get("AttributeName") == "ttl"


def test_functions_see_the_endpoint_and_nothing_of_the_person(
    local_aws: BackgroundServer, lambda_client: "LambdaClient"
) -> None:
    answer = _invoke_probe(lambda_client, "environment-probe")
    environment = answer["environment"]
    assert isinstance(environment, dict)
    assert environment["GIVEN"] == "yes"
    assert environment["AWS_ENDPOINT_URL"] == local_aws.url
    assert environment["AWS_REGION"] == REGION
    assert environment["OWN_DIRECTORY"].startswith(local_aws.environment["TMPDIR"])
    assert environment["OWN_DIRECTORY"].endswith("/tmp/model")
    assert answer["version"] == list(sys.version_info[:2])
    foreign = set(os.environ) - set(local_aws.environment)
    assert not {name for name in foreign if name in environment and not name.startswith("AWS_")}


def test_a_functions_error_is_named_after_its_class(lambda_client: "LambdaClient") -> None:
    _invoke_probe(lambda_client, "failing-probe")
    answer = lambda_client.invoke(FunctionName="failing-probe", Payload=b'{"fail": true}')
    assert answer["FunctionError"] == "Unhandled"
    error = json.load(answer["Payload"])
    assert (error["errorType"], error["errorMessage"]) == ("LeaseHeldError", "held")


def test_alarms_read_back_whole_in_the_query_protocol(local_aws: BackgroundServer) -> None:
    version = {"Version": "2010-08-01"}
    for name, statistic in (("slow & late", "ExtendedStatistic"), ("plain", "Statistic")):
        _query_call(
            local_aws.url,
            "monitoring",
            version
            | {
                "Action": "PutMetricAlarm",
                "AlarmName": name,
                "Namespace": "AWS/Lambda",
                "MetricName": "Duration",
                "Dimensions.member.1.Name": "FunctionName",
                "Dimensions.member.1.Value": "retrieve",
                statistic: "p95" if statistic == "ExtendedStatistic" else "Sum",
                "Period": "300",
                "EvaluationPeriods": "1",
                "Threshold": "2000",
                "ComparisonOperator": "GreaterThanThreshold",
            },
        )

    def describe(name: str) -> str:
        return _query_call(
            local_aws.url,
            "monitoring",
            version | {"Action": "DescribeAlarms", "AlarmNames.member.1": name},
        )

    dimension = "<member><Name>FunctionName</Name><Value>retrieve</Value></member>"
    for text in (describe("plain"), describe("slow & late")):
        assert f"<Dimensions>{dimension}</Dimensions>" in text
        assert "<Period>300</Period>" in text
        assert text.count("<AlarmName>") == 1
    assert "<Statistic>Sum</Statistic>" in describe("plain")
    assert "<ExtendedStatistic>p95</ExtendedStatistic>" in describe("slow & late")
    assert "<Statistic>" not in describe("slow & late")


def test_stop_leaves_no_process_no_file_and_a_free_port(tmp_path: Path) -> None:
    started = ensure_running(local_aws_server(ROOT, tmp_path / "aws"))
    assert started.is_new
    server, port = started.server, started.server.port
    found = ensure_running(local_aws_server(ROOT, tmp_path / "aws"))
    assert (found.server, found.is_new) == (server, False), "a second start reuses the first"
    pid = server.running_pid()
    assert pid is not None
    client = _client_of(server)
    worker = _invoke_probe(client, "child-probe")["pid"]
    assert worker in live_group_members(pid)

    assert server.stop()
    assert not live_group_members(pid)
    assert is_port_free(port)
    assert not server.stop()
    server.remove_files()
    assert not (tmp_path / "aws").exists()


def test_a_taken_port_is_named(local_aws: BackgroundServer, tmp_path: Path) -> None:
    other = local_aws_server(ROOT, tmp_path / "aws", local_aws.port, is_port_fixed=True)
    with pytest.raises(PortTakenError, match=f"Port {local_aws.port}.*ULTRON_LOCAL_AWS_PORT"):
        ensure_running(other)
    assert local_aws.is_healthy(), "the one that was there is left alone"


def test_commands_start_tell_and_stop(tmp_path: Path) -> None:
    options = ["--directory", str(tmp_path / "aws")]

    def run(action: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "scripts.local_aws", action, *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    assert run("status").returncode == 3
    try:
        assert run("start").returncode == 0
        assert run("start").stdout.startswith("The local AWS runs already")
        assert run("status").returncode == 0
    finally:
        stopped = run("stop")
    assert stopped.returncode == 0
    assert run("stop").returncode == 3


def _client_of(server: BackgroundServer) -> "LambdaClient":
    import boto3

    return boto3.client("lambda", endpoint_url=server.url, region_name=REGION)
