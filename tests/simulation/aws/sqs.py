"""An SQS client in memory: the shapes of boto3, at a time and in an order that a test sets."""

import json
import random
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.aws.calls import (
    Answer,
    Clock,
    ServiceAnswers,
    ServiceErrors,
    check_parameters,
)
from tests.simulation.aws.sqs_messages import (
    PREFIX,
    RefusedError,
    asked_hiding,
    check_batch,
    hide,
    new_message,
    shown_message,
)
from tests.simulation.aws.sqs_queue import (
    REGION,
    Message,
    Queue,
    attributes_digest,
    body_digest,
    event_attributes,
)

_ERRORS = {
    "QueueDoesNotExist": f"{PREFIX}NonExistentQueue",
    "BatchRequestTooLong": f"{PREFIX}BatchRequestTooLong",
    "EmptyBatchRequest": f"{PREFIX}EmptyBatchRequest",
    "TooManyEntriesInBatchRequest": f"{PREFIX}TooManyEntriesInBatchRequest",
    "BatchEntryIdsNotDistinct": f"{PREFIX}BatchEntryIdsNotDistinct",
    "MessageNotInflight": f"{PREFIX}MessageNotInflight",
    "ReceiptHandleIsInvalid": "ReceiptHandleIsInvalid",
    "InvalidMessageContents": "InvalidMessageContents",
}
_QUEUE = frozenset({"QueueUrl"})
_BATCH = _QUEUE | {"Entries"}
_MESSAGE = frozenset({"DelaySeconds", "MessageAttributes"})
_RECEIVE = frozenset(
    {
        "MaxNumberOfMessages",
        "VisibilityTimeout",
        "WaitTimeSeconds",
        "AttributeNames",
        "MessageSystemAttributeNames",
        "MessageAttributeNames",
    }
)


class MemorySQS:
    """Keeps standard queues; each call is done at once, as a whole, and waits for nothing.

    `clock` tells the time, and `random` decides the order in which messages are received.
    """

    def __init__(self, clock: Clock, random: random.Random) -> None:
        self._clock = clock
        self._random = random
        self._queues: dict[str, Queue] = {}
        # By receipt handle: the queue and the id of the message, also of one that is deleted.
        self._receipts: dict[str, tuple[Queue, str]] = {}
        self.exceptions = ServiceErrors(_ERRORS)
        self._answers = ServiceAnswers("sqs", clock, self.exceptions)

    def add_queue(
        self,
        url: str,
        visibility_seconds: float = 30,
        maximum_receives: int | None = None,
        dead_letter_url: str | None = None,
        retention_seconds: float = 345_600,
        maximum_message_bytes: int = 262_144,
    ) -> None:
        """Make an empty queue.

        A message that was received `maximum_receives` times moves to the queue of
        `dead_letter_url` instead of being received once more. `maximum_message_bytes` bounds a
        message, and a batch as a whole: 256 KiB, or 1 MiB for queues that allow it.
        """
        if (maximum_receives is None) != (dead_letter_url is None):
            raise ValueError("maximum_receives and dead_letter_url go together")
        self._queues[url] = Queue(
            url,
            timedelta(seconds=visibility_seconds),
            timedelta(seconds=retention_seconds),
            maximum_receives,
            dead_letter_url,
            maximum_message_bytes,
        )

    def messages(self, url: str) -> tuple[Message, ...]:
        """Return what a queue holds, shown or not, as it was sent; no call of boto3.

        The caller must not change them.
        """
        return tuple(self._live(url).messages.values())

    def waiting(self, url: str) -> int:
        """Return how many messages of a queue can be received now; no call of boto3."""
        queue = self._live(url)
        return len(queue.shown(self._clock())) if queue.messages else 0

    def next_visible_at(self, url: str) -> datetime | None:
        """Return from when on a message can be received, None in an empty queue; no boto3 call."""
        messages = self._live(url).messages.values()
        return min((message.shown_at for message in messages), default=None)

    def event_record(self, message: Mapping[str, Any]) -> Answer:
        """Return a received message as a record of an event of Lambda; no call of boto3.

        The message is as `receive_message` returned it, with all of its attributes.
        """
        queue, _ = self._receipts[message["ReceiptHandle"]]
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": dict(message["Attributes"]),
            "messageAttributes": event_attributes(message.get("MessageAttributes", {})),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": queue.arn,
            "awsRegion": REGION,
        }

    def send_message(self, **request: Any) -> Answer:
        """Send a message."""
        check_parameters("SendMessage", request, _QUEUE | {"MessageBody"}, _MESSAGE)
        return self._single("SendMessage", request, self._send)

    def send_message_batch(self, **request: Any) -> Answer:
        """Send up to ten messages, each of which is sent or refused by itself."""
        check_parameters("SendMessageBatch", request, _BATCH, frozenset())
        required = frozenset({"Id", "MessageBody"})
        for entry in request["Entries"]:
            check_parameters("SendMessageBatch with an entry", entry, required, _MESSAGE)
        return self._batch("SendMessageBatch", request, self._send)

    def _send(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        message_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        message = new_message(message_id, request, queue.maximum_message_bytes, self._clock())
        queue.messages[message_id] = message
        sent = {"MessageId": message_id, "MD5OfMessageBody": body_digest(message.body)}
        if message.attributes:
            sent["MD5OfMessageAttributes"] = attributes_digest(message.attributes)
        return sent

    def receive_message(self, **request: Any) -> Answer:
        """Receive messages that are shown, in any order, and hide them for a while."""
        check_parameters("ReceiveMessage", request, _QUEUE, _RECEIVE)
        queue = self._queue("ReceiveMessage", request)
        most = request.get("MaxNumberOfMessages", 1)
        try:
            hidden = asked_hiding(request, queue.visibility)
        except RefusedError as error:
            self._answers.fail("ReceiveMessage", error.code, str(error))
        received = [self._hold(queue, message, hidden) for message in self._pick(queue, most)]
        shown = [shown_message(message, handle, request) for message, handle in received]
        return self._answers.answer({"Messages": shown} if shown else {})

    def _pick(self, queue: Queue, most: int) -> list[Message]:
        """Choose messages to receive; those that were received too often move away."""
        shown = queue.shown(self._clock())
        picked: list[Message] = []
        for message in self._random.sample(shown, len(shown)):
            if len(picked) == most:
                break
            if queue.maximum_receives is None or message.receives < queue.maximum_receives:
                picked.append(message)
            else:
                self._move(queue, message)
        return picked

    def _move(self, queue: Queue, message: Message) -> None:
        # It keeps its id and when it was sent, from which the other queue counts how long it is
        # kept. SQS does not say how its receives are counted there; here they begin again.
        del queue.messages[message.message_id]
        self._queues[str(queue.dead_letter_url)].messages[message.message_id] = Message(
            message.message_id,
            message.body,
            message.attributes,
            message.sent_at,
            self._clock(),
            source_arn=queue.arn,
        )

    def _hold(self, queue: Queue, message: Message, hidden: timedelta) -> tuple[Message, str]:
        now = self._clock()
        message.receives += 1
        message.first_received_at = message.first_received_at or now
        message.received_at = now
        message.shown_at = now + hidden
        handle = f"{len(self._receipts):08d}-{message.message_id}"
        self._receipts[handle] = queue, message.message_id
        return message, handle

    def delete_message(self, **request: Any) -> Answer:
        """Delete a message by the handle of any of its receives; a missing one is no error."""
        check_parameters("DeleteMessage", request, _QUEUE | {"ReceiptHandle"}, frozenset())
        return self._single("DeleteMessage", request, self._delete)

    def delete_message_batch(self, **request: Any) -> Answer:
        """Delete up to ten messages."""
        check_parameters("DeleteMessageBatch", request, _BATCH, frozenset())
        return self._batch("DeleteMessageBatch", request, self._delete)

    def _delete(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        queue.messages.pop(self._message_id(queue, request), None)
        return {}

    def change_message_visibility(self, **request: Any) -> Answer:
        """Hide a held message for so many seconds from now on; with 0 it is shown at once."""
        required = _QUEUE | {"ReceiptHandle", "VisibilityTimeout"}
        check_parameters("ChangeMessageVisibility", request, required, frozenset())
        return self._single("ChangeMessageVisibility", request, self._change_visibility)

    def change_message_visibility_batch(self, **request: Any) -> Answer:
        """Hide or show up to ten messages."""
        check_parameters("ChangeMessageVisibilityBatch", request, _BATCH, frozenset())
        return self._batch("ChangeMessageVisibilityBatch", request, self._change_visibility)

    def _change_visibility(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        message = queue.messages.get(self._message_id(queue, request))
        hide(message, request, self._clock())
        return {}

    def _message_id(self, queue: Queue, request: Mapping[str, Any]) -> str:
        found = self._receipts.get(request["ReceiptHandle"])
        if found is None or found[0] is not queue:
            raise RefusedError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
        return found[1]

    def get_queue_attributes(self, **request: Any) -> Answer:
        """Tell of a queue; its counts are exact, and not a minute behind as those of SQS."""
        optional = frozenset({"AttributeNames"})
        check_parameters("GetQueueAttributes", request, _QUEUE, optional)
        queue = self._queue("GetQueueAttributes", request)
        told = queue.attributes(self._clock())
        if queue.dead_letter_url is not None:
            target = self._queues[queue.dead_letter_url].arn
            policy = {"deadLetterTargetArn": target, "maxReceiveCount": queue.maximum_receives}
            told["RedrivePolicy"] = json.dumps(policy)
        asked = request.get("AttributeNames", [])
        if unknown := set(asked) - told.keys() - {"All", "RedrivePolicy"}:
            raise NotImplementedError(f"queue attributes {', '.join(sorted(unknown))}")
        found = {name: text for name, text in told.items() if name in asked or "All" in asked}
        return self._answers.answer({"Attributes": found} if found else {})

    def _live(self, url: str) -> Queue:
        queue = self._queues[url]
        queue.drop_expired(self._clock())
        return queue

    def _queue(self, operation: str, request: Mapping[str, Any]) -> Queue:
        if request["QueueUrl"] not in self._queues:
            message = "The specified queue does not exist."
            self._answers.fail(operation, f"{PREFIX}NonExistentQueue", message)
        return self._live(request["QueueUrl"])

    def _single(
        self,
        operation: str,
        request: Mapping[str, Any],
        act: Callable[[Queue, Mapping[str, Any]], Answer],
    ) -> Answer:
        queue = self._queue(operation, request)
        try:
            return self._answers.answer(act(queue, request))
        except RefusedError as error:
            self._answers.fail(operation, error.code, str(error))

    def _batch(
        self,
        operation: str,
        request: Mapping[str, Any],
        act: Callable[[Queue, Mapping[str, Any]], Answer],
    ) -> Answer:
        queue, entries = self._queue(operation, request), request["Entries"]
        try:
            check_batch(entries, queue.maximum_message_bytes)
        except RefusedError as error:
            self._answers.fail(operation, error.code, str(error))
        answer: Answer = {"Successful": [], "Failed": []}
        for entry in entries:
            try:
                answer["Successful"].append({"Id": entry["Id"], **act(queue, entry)})
            except RefusedError as error:
                failed = {"Id": entry["Id"], "SenderFault": True}
                answer["Failed"].append({**failed, "Code": error.code, "Message": str(error)})
        return self._answers.answer({name: found for name, found in answer.items() if found})
