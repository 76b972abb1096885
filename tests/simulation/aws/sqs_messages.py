"""What SQS takes of messages, by itself and in batches, and how long it hides them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.aws.calls import Answer
from tests.simulation.aws.sqs_queue import (
    LONGEST_HIDING,
    Message,
    attributes_digest,
    body_digest,
    is_valid_body,
    message_bytes,
)

PREFIX = "AWS.SimpleQueueService."
"""What many error codes of SQS begin with."""

_MOST_ENTRIES = 10
_LONGEST_DELAY_SECONDS = 900
_LONGEST_WAIT_SECONDS = 20


class RefusedError(Exception):
    """SQS answers a call, or an entry of a batch, with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def new_message(
    message_id: str, request: Mapping[str, Any], most_bytes: int, now: datetime
) -> Message:
    """Make the message that a request sends.

    Raises:
        RefusedError: SQS would not take it.
    """
    body, attributes = request["MessageBody"], request.get("MessageAttributes", {})
    delay_seconds = request.get("DelaySeconds", 0)
    if not body:
        raise RefusedError(
            "MissingParameter", "The request must contain the parameter MessageBody."
        )
    if not is_valid_body(body):
        raise RefusedError("InvalidMessageContents", "Invalid characters were found in the message")
    if message_bytes(body, attributes) > most_bytes:
        raise RefusedError(
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than"
            f" {most_bytes} bytes.",
        )
    _check_bounds("DelaySeconds", delay_seconds, 0, _LONGEST_DELAY_SECONDS)
    shown_at = now + timedelta(seconds=delay_seconds)
    return Message(message_id, body, dict(attributes), now, shown_at)


def asked_hiding(request: Mapping[str, Any], visibility: timedelta) -> timedelta:
    """Return how long a request to receive hides messages; `visibility` is what the queue does.

    Raises:
        RefusedError: a number of the request is out of its bounds.
    """
    seconds = request.get("VisibilityTimeout", visibility.total_seconds())
    _check_bounds("MaxNumberOfMessages", request.get("MaxNumberOfMessages", 1), 1, _MOST_ENTRIES)
    _check_bounds("VisibilityTimeout", seconds, 0, LONGEST_HIDING.total_seconds())
    _check_bounds("WaitTimeSeconds", request.get("WaitTimeSeconds", 0), 0, _LONGEST_WAIT_SECONDS)
    return timedelta(seconds=seconds)


def hide(message: Message | None, request: Mapping[str, Any], now: datetime) -> None:
    """Hide a held message for as long as a request says.

    SQS does not say what the handle of an earlier receive does while a later one holds the message:
    here it does the same as that of the later one, which is the worse for who holds it.

    Raises:
        RefusedError: the message is gone, is not held, or was held for too long already.
    """
    seconds, handle = request["VisibilityTimeout"], request["ReceiptHandle"]
    _check_bounds("VisibilityTimeout", seconds, 0, LONGEST_HIDING.total_seconds())
    if message is None:
        raise RefusedError(
            "InvalidParameterValue",
            f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist"
            " or is not available for visibility timeout change.",
        )
    if message.received_at is None or not message.is_held(now):
        raise RefusedError(
            f"{PREFIX}MessageNotInflight", "The message referred to is not in flight."
        )
    shown_at = now + timedelta(seconds=seconds)
    if shown_at > message.received_at + LONGEST_HIDING:
        raise RefusedError(
            "InvalidParameterValue",
            f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total"
            " VisibilityTimeout for the message is beyond the limit [43200 seconds].",
        )
    message.shown_at = shown_at


def check_batch(entries: Sequence[Mapping[str, Any]], most_bytes: int) -> None:
    """Refuse a batch as a whole where it has too many entries, too few or too many bytes.

    Raises:
        RefusedError: names the reason.
    """
    identities = [entry["Id"] for entry in entries]
    total_bytes = sum(
        message_bytes(entry.get("MessageBody", ""), entry.get("MessageAttributes", {}))
        for entry in entries
    )
    if not entries:
        raise RefusedError(
            f"{PREFIX}EmptyBatchRequest", "There should be at least one entry in the request."
        )
    if len(entries) > _MOST_ENTRIES:
        raise RefusedError(
            f"{PREFIX}TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are 10. You have sent {len(entries)}.",
        )
    if len(set(identities)) < len(identities):
        raise RefusedError(f"{PREFIX}BatchEntryIdsNotDistinct", "Two or more entries have one Id")
    if total_bytes > most_bytes:
        raise RefusedError(
            f"{PREFIX}BatchRequestTooLong",
            f"Batch requests cannot be longer than {most_bytes} bytes. You have sent {total_bytes}"
            " bytes.",
        )


def shown_message(message: Message, handle: str, request: Mapping[str, Any]) -> Answer:
    """Return a received message with those of its attributes that a request asks for."""
    shown: Answer = {
        "MessageId": message.message_id,
        "ReceiptHandle": handle,
        "MD5OfBody": body_digest(message.body),
        "Body": message.body,
    }
    asked = {*request.get("AttributeNames", ()), *request.get("MessageSystemAttributeNames", ())}
    told = message.system_attributes()
    if system := {name: told[name] for name in told if name in asked or "All" in asked}:
        shown["Attributes"] = system
    wanted = set(request.get("MessageAttributeNames", ()))
    given = message.attributes
    if own := {name: given[name] for name in given if name in wanted or "All" in wanted}:
        shown["MessageAttributes"] = own
        shown["MD5OfMessageAttributes"] = attributes_digest(own)
    return shown


def _check_bounds(parameter: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise RefusedError(
            "InvalidParameterValue",
            f"Value {value} for parameter {parameter} is invalid. Reason: Must be between"
            f" {least:.0f} and {most:.0f}, if provided.",
        )
