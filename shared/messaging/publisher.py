"""Publishes jobs to a queue: that of the next stage, or that of maintenance."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from shared.errors import UltronError
from shared.models.base import Contract

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_BATCH_SIZE = 10
_ATTEMPTS = 4


class PublishError(UltronError):
    """Some jobs could not be sent; the stage must fail, so that it is delivered again."""

    code = "PUBLISH"


class JobPublisher:
    """Sends jobs in batches of ten.

    `copies` sends every message that many times: more than one is the delivery drill, which shows
    on any AWS that each stage tolerates what SQS may do by itself.
    """

    def __init__(self, client: "SQSClient", queue_url: str, copies: int = 1) -> None:
        self._client = client
        self._queue_url = queue_url
        self._copies = copies

    def publish(self, jobs: Iterable[Contract]) -> None:
        """Send all jobs.

        Raises:
            PublishError: a message stayed unsent after several attempts.
        """
        bodies = (job.model_dump_json() for job in jobs for _ in range(self._copies))
        while batch := list(islice(bodies, _BATCH_SIZE)):
            self._send(batch)

    def _send(self, bodies: Sequence[str]) -> None:
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)
        ]
        for _ in range(_ATTEMPTS):
            response = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            failed = {failure["Id"] for failure in response.get("Failed", [])}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
        raise PublishError(
            f"{len(entries)} of {len(bodies)} messages could not be sent to {self._queue_url}"
        )
