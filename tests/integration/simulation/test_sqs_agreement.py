"""The SQS client in memory and a local AWS give the same answers and errors."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.integration.simulation.agreement import Call, disagreements, outcome
from tests.simulation.aws.sqs import MemorySQS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# Stands for the handle of the message that was received last.
HANDLE = "{handle}"
ATTRIBUTES = {"reason": {"StringValue": "because", "DataType": "String"}}
COUNTS = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]


def send(body: str, **request: Any) -> Call:
    return "send_message", {"MessageBody": body, **request}


def receive(most: int = 1, **request: Any) -> Call:
    asked = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    return "receive_message", {"MaxNumberOfMessages": most, **asked, **request}


def hide(seconds: int, handle: str = HANDLE) -> Call:
    request = {"ReceiptHandle": handle, "VisibilityTimeout": seconds}
    return "change_message_visibility", request


def delete(handle: str = HANDLE) -> Call:
    return "delete_message", {"ReceiptHandle": handle}


def send_batch(*bodies: str, identities: str = "abcdefghijk", **request: Any) -> Call:
    pairs = zip(identities, bodies, strict=False)
    entries = [{"Id": name, "MessageBody": body, **request} for name, body in pairs]
    return "send_message_batch", {"Entries": entries}


COUNT: Call = ("get_queue_attributes", {"AttributeNames": COUNTS})
CALLS: list[Call] = [
    receive(),
    COUNT,
    send("first", MessageAttributes=ATTRIBUTES),
    receive(),
    receive(),
    COUNT,
    hide(100),
    hide(0),
    receive(),
    receive(),
    hide(43_200),
    delete(),
    COUNT,
    send("later", DelaySeconds=900),
    receive(),
    COUNT,
    send("\x00"),
    send("\ufffe"),
    send("tab\tline\nå 😀"),
    receive(VisibilityTimeout=7),
    delete(),
    receive(0),
    receive(11),
    send_batch(*"abcdefghij"),
    COUNT,
    receive(10),
    receive(10),
    COUNT,
    ("change_message_visibility_batch", {"Entries": [
        {"Id": "one", "ReceiptHandle": HANDLE, "VisibilityTimeout": 0}]}),
    COUNT,
    ("delete_message_batch", {"Entries": [{"Id": "one", "ReceiptHandle": HANDLE}]}),
    COUNT,
    send_batch(),
    send_batch(*"abcdefghijk"),
    send_batch("x", "y", identities="aa"),
    delete("no handle"),
    hide(5, "no handle"),
    ("send_message", {"QueueUrl": "http://127.0.0.1/000000000000/no-queue", "MessageBody": "x"}),
]  # fmt: skip
# Left out, as MiniStack takes them and AWS refuses them: to hide a message that nobody holds, to
# hide one for more than 43,200 seconds or for less than none, to delay one by more than 900; and to
# delete one again by its handle, which AWS takes. The client in memory does as AWS does.


class Caller:
    """Makes calls on one queue, with the handle of what was received last."""

    def __init__(self, client: object, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._handle = "none"

    def __call__(self, call: Call) -> Any:
        request = {"QueueUrl": self._queue_url, **self._with_handle(call[1])}
        return outcome(self._client, (call[0], request), self._shown)

    def _with_handle(self, request: Mapping[str, Any]) -> dict[str, Any]:
        entries = [self._with_handle(entry) for entry in request.get("Entries", [])]
        asked = {**request, **({"Entries": entries} if "Entries" in request else {})}
        return {name: self._handle if v == HANDLE else v for name, v in asked.items()}

    def _shown(self, answer: Mapping[str, Any]) -> Any:
        messages = answer.get("Messages", [])
        if messages:
            self._handle = messages[-1]["ReceiptHandle"]
        return {
            # Their order is not defined, nor is what of several is received last.
            "messages": sorted(map(_told, messages)),
            "attributes": answer.get("Attributes"),
            "digests": (answer.get("MD5OfMessageBody"), answer.get("MD5OfMessageAttributes")),
            "done": [entry["Id"] for entry in answer.get("Successful", [])],
            "failed": [(entry["Id"], entry["Code"]) for entry in answer.get("Failed", [])],
        }


def _told(message: Mapping[str, Any]) -> tuple[Any, ...]:
    attributes = message["Attributes"]
    return (
        message["Body"],
        message["MD5OfBody"],
        attributes["ApproximateReceiveCount"],
        str(message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")),
    )


def test_the_same_calls_have_the_same_outcomes(sqs_client: "SQSClient", queue_url: str) -> None:
    memory = MemorySQS(partial(datetime, 2026, 3, 1, tzinfo=UTC), random.Random(1))
    memory.add_queue(queue_url, maximum_message_bytes=1024 * 1024)
    found = disagreements(CALLS, Caller(memory, queue_url), Caller(sqs_client, queue_url))
    assert not found, "\n".join(found)
