"""When a failed message comes back.

A queue hides a message for six times its function's timeout, which is half an hour for the
embedder: right for a worker that died, far too long for an error that was seen at once.
"""

from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from shared.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_LONGEST_DELAY_SECONDS = 900


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
                "a failed message keeps the queue's visibility timeout",
                extra={"message_id": record.message_id, "error": type(error).__name__},
            )
