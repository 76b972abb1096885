"""Publishes jobs to a queue: that of the next stage, or that of maintenance."""

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from shared.batching import bounded_batches
from shared.errors import UltronError
from shared.models.base import Contract
from shared.models.jobs import LARGEST_MESSAGE_BYTES

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

_MOST_MESSAGES = 10
# SQS bounds a batch as it bounds a message. AWS raised both from 256 KiB to 1 MiB in 2025, but not
# for the queues that there were, nor on every stand-in: this holds everywhere.
_MOST_BYTES = 256 * 1024
_ATTEMPTS = 4
_LONGEST_WAIT_SECONDS = 1.0
_NAMED = 3
# Characters that SQS takes in no message. JSON may write them as escapes instead.
_NO_CHARACTER_OF_SQS = re.compile("[\ufffe\uffff]")


class PublishError(UltronError):
    """Some jobs could not be sent; the stage must fail, so that it is delivered again."""

    code = "PUBLISH"


class JobPublisher:
    """Sends jobs in batches, each of ten messages and 256 KiB at most.

    `copies` sends every message that many times: more than one is the delivery drill, which shows
    on any AWS that each stage tolerates what SQS may do by itself. `wait` sleeps for so many
    seconds before what SQS left out of a batch is sent again.
    """

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        copies: int = 1,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._copies = copies
        self._wait = wait

    def publish(self, jobs: Iterable[Contract]) -> None:
        """Send all jobs; those that are too large for a message cost only themselves.

        Raises:
            PublishError: a message stayed unsent after several attempts, so that what follows was
                not sent; or, once all others are sent, jobs are too large; names some.
        """
        too_large: list[str] = []
        bodies = self._bodies(jobs, too_large)
        for batch in bounded_batches(
            bodies, len, most_items=_MOST_MESSAGES, most_bytes=_MOST_BYTES
        ):
            self._send(batch)
        if too_large:
            raise PublishError(
                f"{len(too_large)} jobs are larger than the {LARGEST_MESSAGE_BYTES} bytes of a "
                f"message to {self._queue_url} and were not sent: "
                f"{'; '.join(too_large[:_NAMED])}; what they carry has to be shortened"
            )

    def _bodies(self, jobs: Iterable[Contract], too_large: list[str]) -> Iterator[bytes]:
        for job in jobs:
            body = _NO_CHARACTER_OF_SQS.sub(_escaped, job.model_dump_json()).encode()
            if len(body) > LARGEST_MESSAGE_BYTES:
                too_large.append(f"{_named(job)} has {len(body)} bytes")
                continue
            for _ in range(self._copies):
                yield body

    def _send(self, bodies: Sequence[bytes]) -> None:
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": body.decode()} for number, body in enumerate(bodies)
        ]
        failures: list[BatchResultErrorEntryTypeDef] = []
        for attempt in range(_ATTEMPTS):
            if attempt > 0:
                # Full jitter: what was throttled must not come back at once, and together.
                longest = min(_LONGEST_WAIT_SECONDS, 0.1 * 2**attempt)
                self._wait(random.uniform(0, longest))  # noqa: S311 - jitter, not cryptography
            response = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            failures = response.get("Failed", [])
            failed = {failure["Id"] for failure in failures}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
        codes = sorted({failure.get("Code", "no code") for failure in failures})
        raise PublishError(
            f"{len(entries)} of {len(bodies)} messages could not be sent to {self._queue_url} "
            f"({', '.join(codes)})"
        )


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _named(job: Contract) -> str:
    kind = type(job).__name__
    page_id = getattr(job, "page_id", None)
    return kind if page_id is None else f"{kind} of page {page_id}"
