"""What the handlers and the command build in the same way from their settings."""

import time

from shared.corpora.corpus_state import CorpusState
from shared.messaging.publisher import JobPublisher
from shared.messaging.record_stage import StageState
from shared.messaging.redelivery import Redelivery
from shared.models.maintenance import SweepJob
from shared.models.run import RunRecord
from shared.platform import aws
from shared.platform.settings import PublishingStageSettings, StageSettings
from shared.runs.failures import FailureLog
from shared.runs.run_store import RunStore, open_run_store
from shared.storage.s3 import S3ObjectStore
from shared.table.table_clock import ResponseClock, TableClock, utc_now


def object_store(settings: StageSettings) -> S3ObjectStore:
    """Return the deployment's bucket."""
    return S3ObjectStore(aws.s3_client(), settings.bucket_name)


def next_queue(settings: PublishingStageSettings) -> JobPublisher:
    """Return the publisher of the next stage's jobs."""
    return JobPublisher(aws.sqs_client(), settings.next_queue_url, settings.publish_copies)


def run_store(checkpoint_table: str, compact_queue_url: str) -> RunStore:
    """Return the records of runs; a full run whose pages are done asks the compactor to sweep."""
    publisher = JobPublisher(aws.sqs_client(), compact_queue_url)

    def request_sweep(run: RunRecord) -> None:
        publisher.publish([SweepJob(corpus=run.corpus, run_id=run.run_id, seq=run.seq)])

    client = aws.dynamodb_client()
    return open_run_store(client, checkpoint_table, table_clock(checkpoint_table), request_sweep)


def corpus_state(checkpoint_table: str) -> CorpusState:
    """Return what is remembered of corpora between runs."""
    return CorpusState(aws.dynamodb_client(), checkpoint_table, table_clock(checkpoint_table))


def table_clock(checkpoint_table: str) -> TableClock:
    """Return the time that all who use the table agree on."""
    return ResponseClock(aws.dynamodb_client(), checkpoint_table, utc_now, time.monotonic)


def stage_state(settings: StageSettings) -> StageState:
    """Return the records that a stage accounts to."""
    return StageState(
        runs=run_store(settings.checkpoint_table, settings.compact_queue_url),
        failures=FailureLog(aws.dynamodb_client(), settings.checkpoint_table),
        maximum_receives=settings.maximum_receives,
        redelivery=Redelivery(aws.sqs_client(), settings.queue_url, settings.retry_delay_seconds),
    )
