"""A deployment as the command finds it: its parameter, queues, table, bucket and a function."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.cli.deployment.published import PublishedDeployment
from services.cli.main import main
from services.cli.stage.stages import STAGES
from shared.corpora.corpus_state import CorpusState
from shared.runs.failures import FailureLog
from shared.runs.run_store import RunStore
from shared.storage.s3 import S3ObjectStore
from tests.integration.run_stores import corpus_state, no_sweep, run_store

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

ACCOUNT = "arn:aws:{}:us-east-1:000000000000:{}"
# Answers what the ingest function answers, and takes every batch of a queue for done.
CODE = """
def handler(event, context):
    if "Records" in event:
        return {"batchItemFailures": []}
    if event.get("corpus") == "held":
        return {"run_id": "20261123T060000Z-00000001", "status": "busy"}
    return {"run_id": "20261123T060000Z-00000002", "status": "running", "event": event}
"""
Answer = dict[str, Any]


@dataclass
class Site:
    """The deployment, and the command run against it."""

    name_prefix: str
    bucket_name: str
    table_name: str
    s3: "S3Client"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    ssm: "SSMClient"
    events: "EventBridgeClient"
    functions: "LambdaClient"
    capsys: "pytest.CaptureFixture[str]"

    def __post_init__(self) -> None:
        self.queue_urls: dict[str, str] = {}
        self.dead_letter_queue_urls = {"ingest": self._queue("ingest-dlq")}
        for stage in STAGES.values():
            dead = self._queue(f"{stage.queue}-dlq")
            self.dead_letter_queue_urls[stage.queue] = dead
            self.queue_urls[stage.queue] = self._queue(stage.queue)
        self.publish()

    def _queue(self, name: str) -> str:
        return self.sqs.create_queue(QueueName=f"{self.name_prefix}-{name}")["QueueUrl"]

    def publish(self, **schedule: str | None) -> None:
        """Write what Terraform writes of a deployment."""
        document = {
            "name_prefix": self.name_prefix,
            "bucket_name": self.bucket_name,
            "checkpoint_table": self.table_name,
            "corpora_parameter_path": f"/{self.name_prefix}/corpora",
            "default_corpus": "marvel",
            "functions": {
                name: f"{self.name_prefix}-{name}"
                for name in ("ingest", *(stage.name for stage in STAGES.values()))
            },
            "queue_urls": self.queue_urls,
            "dead_letter_queue_urls": self.dead_letter_queue_urls,
            "models": {"tiny": {}, "large": {}},
            "schedule": {
                "ingest_function_arn": ACCOUNT.format(
                    "lambda", f"function:{self.name_prefix}-ingest"
                ),
                "dead_letter_arn": ACCOUNT.format("sqs", f"{self.name_prefix}-ingest-dlq"),
                "compact_queue_arn": ACCOUNT.format("sqs", f"{self.name_prefix}-compact-jobs"),
                "rule_prefix": self.name_prefix,
                "default_incremental": "cron(0 6 * * ? *)",
                "maintenance": "cron(0 3 ? * SUN *)",
            }
            | schedule,
            "region": "us-east-1",
        }
        self.ssm.put_parameter(
            Name=f"/{self.name_prefix}/deployment",
            Value=json.dumps(document),
            Type="String",
            Overwrite=True,
        )

    def add_function(self, name: str) -> str:
        """Create a function that does nothing; its name."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("worker.py", CODE)
        function_name = f"{self.name_prefix}-{name}"
        self.functions.create_function(
            FunctionName=function_name,
            Runtime="python3.12",
            Role="arn:aws:iam::000000000000:role/test",
            Handler="worker.handler",
            Code={"ZipFile": code.getvalue()},
        )
        return function_name

    @property
    def published(self) -> PublishedDeployment:
        return PublishedDeployment.read(self.ssm, self.name_prefix)

    @property
    def store(self) -> S3ObjectStore:
        return S3ObjectStore(self.s3, self.bucket_name)

    @property
    def runs(self) -> RunStore:
        return run_store(self.dynamodb, self.table_name, no_sweep)

    @property
    def state(self) -> CorpusState:
        return corpus_state(self.dynamodb, self.table_name)

    @property
    def failures(self) -> FailureLog:
        return FailureLog(self.dynamodb, self.table_name)

    def ultron(self, *arguments: str, status: int = 0) -> str:
        """Run the command; what it printed, on standard error when it failed."""
        self.capsys.readouterr()
        found = main([*arguments])
        printed = self.capsys.readouterr()
        assert found == status, printed
        return printed.out if status == 0 else printed.err

    def answer(self, *arguments: str) -> Answer:
        """Run the command and read its JSON."""
        answer: Answer = json.loads(self.ultron(*arguments, "--json"))
        return answer

    def rules(self) -> dict[str, Answer]:
        """The rules of EventBridge that are there, by name, each with its one target."""
        found: dict[str, Answer] = {}
        for rule in self.events.list_rules(NamePrefix=self.name_prefix)["Rules"]:
            [target] = self.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            found[rule["Name"].removeprefix(f"{self.name_prefix}-")] = {
                "expression": rule["ScheduleExpression"],
                "state": rule["State"],
                "target": target,
            }
        return found


def new_prefix() -> str:
    return f"site-{uuid.uuid4().hex[:8]}"


MakeClient = Callable[[str], Any]
