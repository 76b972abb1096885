"""What the handlers of the queue stages put together in the same way, from their settings."""

from shared import aws
from shared.messaging.publisher import JobPublisher
from shared.messaging.redelivery import Redelivery
from shared.messaging.stage import StageState
from shared.settings import PublishingStageSettings, StageSettings
from shared.state.failures import FailureLog
from shared.state.runs import RunStore
from shared.storage.s3 import S3ObjectStore


def object_store(settings: StageSettings) -> S3ObjectStore:
    """Return the deployment's bucket."""
    return S3ObjectStore(aws.s3_client(), settings.bucket_name)


def next_queue(settings: PublishingStageSettings) -> JobPublisher:
    """Return the publisher of the next stage's jobs."""
    return JobPublisher(aws.sqs_client(), settings.next_queue_url, settings.publish_copies)


def stage_state(settings: StageSettings) -> StageState:
    """Return the records that a stage accounts to."""
    client = aws.dynamodb_client()
    return StageState(
        runs=RunStore(client, settings.checkpoint_table),
        failures=FailureLog(client, settings.checkpoint_table),
        maximum_receives=settings.maximum_receives,
        redelivery=Redelivery(aws.sqs_client(), settings.queue_url, settings.retry_delay_seconds),
    )
