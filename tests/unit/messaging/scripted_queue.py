"""A queue behind a real client: it holds what SQS would hold, and refuses what a script says."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.us-east-1.amazonaws.com/000000000000/jobs"

Refuses = Callable[[int, str], bool]
"""Whether SQS leaves a message out of a batch: the number of the call, from 0, and the body."""


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class ScriptedQueue:
    """`messages` in the order in which they were taken; `batches` as they were sent."""

    def __init__(self, refuses: Refuses = lambda call, body: False) -> None:  # noqa: ARG005
        client: Any = boto3.client("sqs", region_name="us-east-1")
        client.meta.events.register("before-send.sqs.SendMessageBatch", self._answer)
        self.client: SQSClient = client
        self.messages: list[str] = []
        self.batches: list[list[str]] = []
        self._refuses = refuses

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        body: Any = request.body
        entries = json.loads(body)["Entries"]
        call = len(self.batches)
        self.batches.append([entry["MessageBody"] for entry in entries])
        failed = [entry for entry in entries if self._refuses(call, entry["MessageBody"])]
        taken = [entry for entry in entries if entry not in failed]
        self.messages += [entry["MessageBody"] for entry in taken]
        answer = {
            "Successful": [_taken(entry) for entry in taken],
            "Failed": [
                {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"}
                for entry in failed
            ],
        }
        raw = _Body(json.dumps(answer).encode())
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)


def _taken(entry: dict[str, str]) -> dict[str, str]:
    return {"Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": "-"}


def sizes_of(batches: Sequence[Sequence[str]]) -> list[int]:
    """The bytes of each batch."""
    return [sum(len(body.encode()) for body in batch) for batch in batches]
