"""Reads a dead-letter queue without emptying it, for which SQS has no call.

The command receives the messages, which hides them for a while, reads them, and shows them again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# Long enough to look through thousands of messages; after it they show again by themselves.
_HIDDEN_SECONDS = 60
# Asks all of SQS's servers: without waiting only some of them answer.
_WAIT_SECONDS = 1
_BATCH_SIZE = 10


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """A message that a stage gave up; `attributes` are those that its sender gave it."""

    message_id: str
    body: str
    sent_at: datetime | None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """About how many messages are visible, and how many another process has received."""

    visible: int
    hidden: int


@dataclass(slots=True)
class HeldMessages:
    """The messages that this process reads; they are hidden from other processes meanwhile."""

    client: "SQSClient"
    queue_url: str
    wait_seconds: int
    _receipts: dict[str, str] = field(default_factory=dict)
    _deleted: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[DeadLetterMessage]:
        """Yield each message once, until none is left that is not hidden."""
        while True:
            received = self.client.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=_BATCH_SIZE,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=self.wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            new = [message for message in received if message["MessageId"] not in self._receipts]
            for message in received:
                self._receipts[message["MessageId"]] = message["ReceiptHandle"]
            if not new:  # none, or messages whose hidden time ended: SQS returns them again
                return
            for message in new:
                yield _read(message)

    def delete(self, message: DeadLetterMessage) -> None:
        """Delete a message for good."""
        self.client.delete_message(
            QueueUrl=self.queue_url, ReceiptHandle=self._receipts[message.message_id]
        )
        self._deleted.add(message.message_id)

    def release(self) -> None:
        """Show the messages again that were not deleted."""
        left = [handle for name, handle in self._receipts.items() if name not in self._deleted]
        for start in range(0, len(left), _BATCH_SIZE):
            # Such a message becomes visible by itself when its hidden time ends.
            self.client.change_message_visibility_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(left[start : start + _BATCH_SIZE])
                ],
            )


@contextmanager
def held_messages(
    client: "SQSClient", queue_url: str, *, is_thorough: bool = True
) -> Iterator[HeldMessages]:
    """Hold the messages of a queue for the block.

    Without `is_thorough`, an empty queue takes no time, and a message in the queue may be missed.
    """
    held = HeldMessages(client, queue_url, _WAIT_SECONDS if is_thorough else 0)
    try:
        yield held
    finally:
        held.release()


def count_messages(client: "SQSClient", queue_url: str) -> MessageCounts:
    """Return how many messages a queue has, by SQS's own count, which is a minute behind."""
    answer = client.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    counts = answer["Attributes"]
    return MessageCounts(
        visible=int(counts["ApproximateNumberOfMessages"]),
        hidden=int(counts["ApproximateNumberOfMessagesNotVisible"]),
    )


def _read(message: "MessageTypeDef") -> DeadLetterMessage:
    sent = message.get("Attributes", {}).get("SentTimestamp")
    return DeadLetterMessage(
        message_id=message["MessageId"],
        body=message["Body"],
        sent_at=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        attributes={
            name: attribute["StringValue"]
            for name, attribute in message.get("MessageAttributes", {}).items()
            if "StringValue" in attribute
        },
    )
