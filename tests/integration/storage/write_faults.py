"""Conditional writes of a real client that S3 does not decide, or whose answers the network loses.

The client's own retries are real: a fault is what the client sees instead of, or after, the answer
of the local AWS.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Fault = Literal["undecided", "answer lost"]

_UNDECIDED = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>ConditionalRequestConflict</Code>"
    b"<Message>A conflicting operation is under way.</Message></Error>"
)


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class ConditionalWrites:
    """Counts the conditional writes that were sent, and lets number `due`, from 0, meet a fault.

    With `times` the fault comes so often in a row.
    """

    def __init__(self, client: "S3Client") -> None:
        self._client: Any = client
        self.sent = 0
        self.faults_left = 0
        self._due: int | None = None
        self._fault: Fault = "undecided"

    @contextmanager
    def failing(
        self, fault: Fault = "undecided", due: int | None = None, times: int = 1
    ) -> Iterator[None]:
        """Watch the client's writes meanwhile."""
        self.sent, self._due, self._fault, self.faults_left = 0, due, fault, times
        events = self._client.meta.events
        events.register("before-send.s3.PutObject", self._before_send)
        try:
            yield
        finally:
            events.unregister("before-send.s3.PutObject", self._before_send)

    def _before_send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        if not {"If-Match", "If-None-Match"} & set(request.headers):
            return None
        number = self.sent
        self.sent += 1
        if self._due is None or number < self._due or self.faults_left == 0:
            return None
        self.faults_left -= 1
        if self._fault == "undecided":
            return AWSResponse(request.url, 409, HTTPHeaders(), _Body(_UNDECIDED))
        self._client._endpoint.http_session.send(request)  # made, but the answer is dropped
        raise ConnectionClosedError(endpoint_url=request.url)
