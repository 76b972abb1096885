"""The last three functions on the local AWS: their real handlers, a small real ONNX model."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.model_export.export import export_bundle
from scripts.processes.process import BackgroundServer
from services.embedder import handler as embedder_handler
from services.indexer import handler as indexer_handler
from services.retrieve import handler as retrieve_handler
from shared.embedding.model_files import publish_model_bundle
from shared.models.chunk import Chunk, ChunkMetadata, CoveredEntity
from shared.models.jobs import EmbedJob, PageJob
from shared.models.run import RunRecord
from shared.platform import aws
from shared.platform.observability import metrics
from shared.runs.failures import FailureLog
from shared.runs.run_store import RunStore
from shared.storage import jsonl, keys
from shared.storage.s3 import S3ObjectStore
from tests.integration.run_stores import hold_corpus, no_sweep, run_store
from tests.unit.embedding.conftest import ModelFolder, model_folder

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

__all__ = ["model_folder"]

CORPUS = "shelf"
MAXIMUM_RECEIVES = 3
Event = dict[str, Any]


@dataclass(frozen=True)
class Invocation:
    """What the runtime tells a handler."""

    aws_request_id: str = "invocation"
    function_name: str = "function"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:function"


@dataclass
class Line:
    """The end of the line: a bucket, a table, the queue of the indexer."""

    store: S3ObjectStore
    runs: RunStore
    failures: FailureLog
    sqs: "SQSClient"
    queue_url: str

    def start_run(self, number: int, pages: int) -> str:
        """Begin a run whose pages are fetched, derived and about to be chunked."""
        run_id = f"20261123T0{number}0000Z-{number:08x}"
        hold_corpus(self.runs, CORPUS, run_id)
        self.runs.planning.start_run(
            RunRecord(
                run_id=run_id, corpus=CORPUS, mode="incremental", status="planning",
                seq=number, started_at="now",
            )
        )  # fmt: skip
        jobs = [
            PageJob(
                corpus=CORPUS, run_id=run_id, page_id=f"p-{page}", seq=number, endpoint="objects",
                query={},
            )
            for page in range(pages)
        ]  # fmt: skip
        self.runs.joining.add_pages(jobs)
        self.runs.planning.finish_planning(run_id, {}, lease_seconds=3600)
        for job in jobs:
            self.runs.ledger.record_stage(job, "fetch", {})
            self.runs.ledger.record_stage(job, "derive", {})
        return run_id

    def chunked(self, run_id: str, page: int, parts: Sequence[Mapping[str, str]]) -> list[EmbedJob]:
        """Write the chunk files of a page, from entity keys to texts, and return its jobs."""
        number = int(run_id.rsplit("-", 1)[1], 16)
        jobs = []
        for part, texts in enumerate(parts):
            job = EmbedJob(
                corpus=CORPUS, run_id=run_id, page_id=f"p-{page}", seq=number, part=part,
                parts=len(parts), chunks_key="set below",
            )  # fmt: skip
            key = keys.chunks_key(job, part)
            self.store.put(key, jsonl.encode_models(lines_of(texts)))
            jobs.append(job.model_copy(update={"chunks_key": key}))
        self.runs.ledger.record_stage(jobs[0], "chunker", {"chunks": 0}, parts=len(parts))
        return jobs

    def take(self) -> list[str]:
        """Empty the queue of the indexer and return the bodies."""
        bodies: list[str] = []
        while True:
            received = self.sqs.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0
            ).get("Messages", [])
            if not received:
                return bodies
            for message in received:
                self.sqs.delete_message(
                    QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
                bodies.append(message["Body"])

    def embed(self, bodies: Sequence[str], receives: int = 1) -> list[str]:
        """Deliver messages to the embedder; returns the ids of those that failed."""
        return _failed(embedder_handler.handler(sqs_event(bodies, receives), Invocation()))

    def index(self, bodies: Sequence[str], receives: int = 1) -> list[str]:
        """Deliver messages to the indexer; returns the ids of those that failed."""
        return _failed(indexer_handler.handler(sqs_event(bodies, receives), Invocation()))

    def retrieve(self, **payload: Any) -> dict[str, Any]:
        """Invoke retrieve directly."""
        answer: dict[str, Any] = retrieve_handler.handler({"retrieve": payload}, Invocation())
        return answer


def lines_of(texts: Mapping[str, str]) -> Iterator[Chunk | CoveredEntity]:
    """The lines of a chunk file; an empty text makes an entity without chunks."""
    for key, text in texts.items():
        yield CoveredEntity(entity_key=key)
        if text:
            entity_type, source_id = key.split(":")
            metadata = ChunkMetadata(
                entity_type=entity_type, source_id=source_id, title="", source_path="raw/x"
            )
            yield Chunk(chunk_id=f"{key}-001", parent=key, text=text, metadata=metadata)


def sqs_event(bodies: Sequence[str], receives: int = 1) -> Event:
    """A batch as the event source mapping sends it; message ids are the positions."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": "taken",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def _failed(response: Event) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


@pytest.fixture
def line(
    local_aws: BackgroundServer,
    s3_client: "S3Client",
    sqs_client: "SQSClient",
    dynamodb_client: "DynamoDBClient",
    ssm_client: "SSMClient",
    bucket_name: str,
    checkpoint_table: str,
    queue_url: str,
    tmp_path: Path,
    model_folder: ModelFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> Line:
    store = S3ObjectStore(s3_client, bucket_name)
    export_bundle(
        model_folder(), tmp_path / "bundle", model_id="tiny", precision="fp32", source="test"
    )
    parameter_path = f"/{uuid.uuid4().hex}/corpora"
    corpus = {"name": CORPUS, "source": {"kind": "jsonl", "prefix": "sources/x/"}}
    ssm_client.put_parameter(
        Name=f"{parameter_path}/{CORPUS}", Value=json.dumps(corpus), Type="String"
    )
    variables = {
        "AWS_ENDPOINT_URL": local_aws.url,
        "BUCKET_NAME": bucket_name,
        "CHECKPOINT_TABLE": checkpoint_table,
        "QUEUE_URL": queue_url,
        "NEXT_QUEUE_URL": queue_url,
        "MAXIMUM_RECEIVES": str(MAXIMUM_RECEIVES),
        "COMPACT_QUEUE_URL": sqs_client.create_queue(QueueName=f"compact-{uuid.uuid4().hex}")[
            "QueueUrl"
        ],
        "CORPORA_PARAMETER_PATH": parameter_path,
        "DEFAULT_CORPUS": CORPUS,
        "MODEL_PREFIX": publish_model_bundle(store, tmp_path / "bundle"),
        "MODEL_DIR": str(tmp_path / "model"),
        "MANIFEST_RECHECK_SECONDS": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(metrics, "namespace", "test")  # Powertools read the environment long ago
    for cached in (
        aws.s3_client,
        aws.sqs_client,
        aws.dynamodb_client,
        aws.ssm_client,
        embedder_handler._stage,
        indexer_handler._stage,
        retrieve_handler._models,
        retrieve_handler._retriever,
    ):
        cached.cache_clear()
    runs = run_store(dynamodb_client, checkpoint_table, no_sweep)
    failures = FailureLog(dynamodb_client, checkpoint_table)
    return Line(store, runs, failures, sqs_client, queue_url)
