"""Sets when SQS delivers a message again that failed, or that has to wait.

A queue hides a message for six times its function's timeout, which is half an hour for the
embedder: right for a worker that died, far too long for an error that was seen at once.

SQS counts each receive, and gives up a message that was received too often, whatever the reason. So
a stage sends a waiting job as a new message before the old one comes near that limit.
"""

from math import ceil
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from shared.models.base import Contract
from shared.models.jobs import Job
from shared.platform.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_LONGEST_DELAY_SECONDS = 900  # also the most that SQS delays a new message
# SQS hides a message for half a day at most, counted from its receipt, and refuses what ends later:
# some of that has passed when a worker knows that it has to wait.
_LONGEST_HIDING_SECONDS = 42_000


class Redelivery:
    """Brings failed messages back after a delay that doubles with each receive."""

    def __init__(self, client: "SQSClient", queue_url: str, first_delay_seconds: int) -> None:
        self._client = client
        self._queue_url = queue_url
        self._first_delay_seconds = first_delay_seconds

    def schedule(self, record: SQSRecord, receives: int) -> None:
        """Hide the message for its delay; where that fails, the queue's own timeout holds."""
        delay = self._first_delay_seconds * 2 ** (receives - 1)
        self._hide(record, min(delay, _LONGEST_DELAY_SECONDS))

    def postpone(self, record: SQSRecord, seconds: float) -> None:
        """Hide the message until then, or for most of half a day."""
        self._hide(record, min(ceil(seconds), _LONGEST_HIDING_SECONDS))

    def send_again(self, job: Job, seconds: float) -> None:
        """Send the job as a new message, which comes after so long, a quarter of an hour at most.

        Raises what the client raises: then the old message still has to come back.
        """
        self.send_later(job.model_copy(update={"postponements": job.postponements + 1}), seconds)

    def send_later(self, job: Contract, seconds: float) -> None:
        """Send a job that keeps no account of how often it waited; as `send_again` otherwise."""
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=job.model_dump_json(),
            DelaySeconds=min(ceil(seconds), _LONGEST_DELAY_SECONDS),
        )

    def give_up(self, record: SQSRecord) -> None:
        """Show the message at once after its last receive, so that SQS moves it to the DLQ now."""
        self._hide(record, 0)

    def _hide(self, record: SQSRecord, seconds: int) -> None:
        try:
            self._client.change_message_visibility(
                QueueUrl=self._queue_url,
                ReceiptHandle=record.receipt_handle,
                VisibilityTimeout=seconds,
            )
        except (ClientError, BotoCoreError) as error:
            logger.warning(
                "a message keeps the queue's visibility timeout",
                extra={"message_id": record.message_id, "error": type(error).__name__},
            )
