"""The first three functions on the local AWS: their real handlers, driven by hand."""

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.derive import handler as derive_handler
from services.fetch import handler as fetch_handler
from services.ingest import handler as ingest_handler
from shared.models.jobs import ChunkJob
from shared.models.run import RunProgress, RunRecord
from shared.storage.s3 import S3ObjectStore
from tests.integration.run_stores import corpus_state, run_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

QUEUES = ("page", "derive", "chunk", "compact")
Event = dict[str, Any]


@dataclass(frozen=True)
class Clients:
    """Clients of the local AWS."""

    s3: "S3Client"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    ssm: "SSMClient"
    secrets: "SecretsManagerClient"


@dataclass(frozen=True)
class LambdaContext:
    """What the runtime tells a handler."""

    aws_request_id: str
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:function"


class Pipeline:
    """Bucket, table, queues and parameters of one test, and what its functions left in them."""

    def __init__(self, clients: Clients, bucket_name: str, table_name: str) -> None:
        self._clients = clients
        self._name = f"test-{uuid.uuid4().hex[:12]}"
        self.bucket_name = bucket_name
        self.table_name = table_name
        self.runs = run_store(clients.dynamodb, table_name, self._sweep)
        self.state = corpus_state(clients.dynamodb, table_name)
        self.store = S3ObjectStore(clients.s3, bucket_name)
        self.queues = {
            queue: clients.sqs.create_queue(QueueName=f"{self._name}-{queue}")["QueueUrl"]
            for queue in QUEUES
        }
        self.put_secret("marvel", {"public_key": "1234", "private_key": "abcd"})

    def _sweep(self, run: RunRecord) -> None:
        """Stand in for the compactor: nothing is to be deleted."""
        self.runs.endings.finish_sweep(run.run_id, 0)

    def close(self) -> None:
        for url in self.queues.values():
            self._clients.sqs.delete_queue(QueueUrl=url)

    def environment(self, own_queue: str | None, next_queue: str) -> dict[str, str]:
        """The variables of a function, as Terraform sets them."""
        variables = {
            "BUCKET_NAME": self.bucket_name,
            "CHECKPOINT_TABLE": self.table_name,
            "CORPORA_PARAMETER_PATH": f"/{self._name}/corpora",
            "MODEL_PREFIX": "models/tiny/1/",
            "SOURCE_SECRET_PREFIX": f"{self._name}/sources/",
            "NEXT_QUEUE_URL": self.queues[next_queue],
            "COMPACT_QUEUE_URL": self.queues["compact"],
            "STAGE_QUEUE_URLS": json.dumps(list(self.queues.values())),
            "OUTBOUND_ALLOWED_HOSTS": "127.0.0.1",
            # The first refusal is the last: a test must not wait.
            "MAXIMUM_WAIT_SECONDS": "0",
        }
        return variables | ({"QUEUE_URL": self.queues[own_queue]} if own_queue else {})

    def put_corpus(
        self, name: str, source: dict[str, Any], mapping: dict[str, Any] | None = None
    ) -> None:
        self._clients.ssm.put_parameter(
            Name=f"/{self._name}/corpora/{name}",
            Value=json.dumps({"name": name, "source": source, "mapping": mapping}),
            Type="String",
            Overwrite=True,
        )

    def put_secret(self, name: str, document: dict[str, str]) -> None:
        self._clients.secrets.create_secret(
            Name=f"{self._name}/sources/{name}", SecretString=json.dumps(document)
        )

    def ingest(self, corpus: str, request_id: str = "request-1", **event: str) -> dict[str, Any]:
        event = {"corpus": corpus, "request_id": request_id, **event}
        answer: dict[str, Any] = ingest_handler.handler(event, LambdaContext("invocation"))
        return answer

    def steer(self, action: str, run_id: str) -> dict[str, Any]:
        """Ask ingest for something to be done with a run."""
        event = {"action": action, "run_id": run_id}
        answer: dict[str, Any] = ingest_handler.handler(event, LambdaContext("invocation"))
        return answer

    def fetch(self, event: Event) -> list[Event]:
        """Deliver messages to fetch; returns those that failed."""
        return _failures(fetch_handler.handler(event, LambdaContext("invocation")))

    def derive(self, event: Event) -> list[Event]:
        """Deliver messages to derive; returns those that failed."""
        return _failures(derive_handler.handler(event, LambdaContext("invocation")))

    def take(self, queue: str) -> Event:
        """Empty a queue into an event as the event source mapping would send it."""
        records: list[Event] = []
        while True:
            received = self._clients.sqs.receive_message(
                QueueUrl=self.queues[queue], MaxNumberOfMessages=10, WaitTimeSeconds=0
            ).get("Messages", [])
            if not received:
                return {"Records": records}
            for message in received:
                self._clients.sqs.delete_message(
                    QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"]
                )
                records.append(_record(message["MessageId"], message["Body"]))

    def count(self, queue: str) -> int:
        """How many messages a queue holds, those to come later included."""
        attributes = self._clients.sqs.get_queue_attributes(
            QueueUrl=self.queues[queue],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"],
        )["Attributes"]
        return sum(int(value) for value in attributes.values())

    def run_all(self) -> None:
        """Let fetch and derive do all that is waiting."""
        assert self.fetch(self.take("page")) == []
        assert self.derive(self.take("derive")) == []

    def finish(self) -> None:
        """Stand in for the later stages: say of every waiting chunk job that nothing is left."""
        for record in self.take("chunk")["Records"]:
            job = ChunkJob.model_validate_json(record["body"])
            self.runs.ledger.record_stage(job, "chunker", {}, parts=0)

    def progress(self, answer: dict[str, Any]) -> RunProgress:
        return self.runs.reader.get_run(answer["run_id"])


def _record(message_id: str, body: str) -> Event:
    return {
        "messageId": message_id,
        "receiptHandle": "taken",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def _failures(response: Event) -> list[Event]:
    failures: list[Event] = response["batchItemFailures"]
    return failures
