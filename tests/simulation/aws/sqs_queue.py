"""One SQS queue in memory: its messages, who holds them, and until when."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.aws.calls import Answer

LONGEST_HIDING = timedelta(hours=12)
ACCOUNT_ID = "000000000000"
REGION = "us-east-1"


@dataclass(slots=True)
class Message:
    """A message of a queue; `shown_at` is when it can be received.

    `received_at` is when it was received last, `is_held` whether that receive hides it still.
    """

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    sent_at: datetime
    shown_at: datetime
    receives: int = 0
    first_received_at: datetime | None = None
    received_at: datetime | None = None
    source_arn: str | None = None

    def is_shown(self, now: datetime) -> bool:
        """Whether the message can be received."""
        return self.shown_at <= now

    def is_held(self, now: datetime) -> bool:
        """Whether a receive hides the message."""
        return self.received_at is not None and self.shown_at > now

    def system_attributes(self) -> dict[str, str]:
        """Return what SQS tells of the message."""
        told = {
            "SenderId": ACCOUNT_ID,
            "SentTimestamp": _milliseconds(self.sent_at),
            "ApproximateReceiveCount": str(self.receives),
        }
        if self.first_received_at is not None:
            told["ApproximateFirstReceiveTimestamp"] = _milliseconds(self.first_received_at)
        if self.source_arn is not None:
            told["DeadLetterQueueSourceArn"] = self.source_arn
        return told


@dataclass(slots=True)
class Queue:
    """A standard queue; `messages` are by their ids, in the order in which they were sent."""

    url: str
    visibility: timedelta
    retention: timedelta
    maximum_receives: int | None
    dead_letter_url: str | None
    maximum_message_bytes: int
    messages: dict[str, Message] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The queue's ARN."""
        return f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{self.url.rpartition('/')[2]}"

    def drop_expired(self, now: datetime) -> None:
        """Delete the messages that were kept for as long as the queue keeps any."""
        for message in list(self.messages.values()):
            if message.sent_at + self.retention <= now:
                del self.messages[message.message_id]

    def shown(self, now: datetime) -> list[Message]:
        """Return the messages that can be received."""
        return [message for message in self.messages.values() if message.is_shown(now)]

    def attributes(self, now: datetime) -> dict[str, str]:
        """Return what SQS tells of the queue, by its names; each message is counted once."""
        shown = sum(message.is_shown(now) for message in self.messages.values())
        held = sum(message.is_held(now) for message in self.messages.values())
        return {
            "ApproximateNumberOfMessages": str(shown),
            "ApproximateNumberOfMessagesNotVisible": str(held),
            "ApproximateNumberOfMessagesDelayed": str(len(self.messages) - shown - held),
            "QueueArn": self.arn,
            "VisibilityTimeout": str(int(self.visibility.total_seconds())),
            "MessageRetentionPeriod": str(int(self.retention.total_seconds())),
        }


def body_digest(body: str) -> str:
    """Return the MD5 of a body, by which SQS lets a sender check it."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def attributes_digest(attributes: Mapping[str, Any]) -> str:
    """Return the MD5 of message attributes: each part with its length, by the order of names."""
    parts = bytearray()
    for name, attribute in sorted(attributes.items()):
        is_text = "StringValue" in attribute
        value = attribute["StringValue"].encode() if is_text else attribute["BinaryValue"]
        for part in (name.encode(), attribute["DataType"].encode()):
            parts += len(part).to_bytes(4, "big") + part
        parts += (b"\x01" if is_text else b"\x02") + len(value).to_bytes(4, "big") + value
    return hashlib.md5(parts, usedforsecurity=False).hexdigest()


def message_bytes(body: str, attributes: Mapping[str, Any]) -> int:
    """Return the size of a message, as SQS bounds it."""
    size = len(body.encode(errors="surrogatepass"))
    for name, attribute in attributes.items():
        value = attribute.get("StringValue", "").encode() or attribute.get("BinaryValue", b"")
        size += len(name.encode()) + len(attribute["DataType"]) + len(value)
    return size


def is_valid_body(body: str) -> bool:
    """Whether all characters of a body are among those that SQS takes."""
    return all(
        character in "\t\n\r"
        or "\x20" <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
        for character in body
    )


def event_attributes(attributes: Mapping[str, Any]) -> Answer:
    """Return message attributes as an event of Lambda has them."""
    return {
        name: {
            "dataType": attribute["DataType"],
            "stringValue": attribute.get("StringValue"),
            "stringListValues": [],
            "binaryListValues": [],
        }
        for name, attribute in attributes.items()
    }


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))
