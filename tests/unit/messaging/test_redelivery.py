"""Where SQS cannot hide a message, the queue's own timeout holds, and nothing fails for it."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from shared.messaging.redelivery import Redelivery
from tests.unit.messaging.scripted_queue import URL

RECORD = SQSRecord({"receiptHandle": "r", "messageId": "m"})


class _Refusal(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def refuse(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    """What SQS answers of a message whose visibility timeout is over."""
    raw = _Refusal(b'{"__type": "com.amazonaws.sqs#ReceiptHandleIsInvalid"}')
    return AWSResponse(request.url, 400, HTTPHeaders(), raw)


def be_away(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    raise EndpointConnectionError(endpoint_url=request.url)


@pytest.mark.parametrize("answer", [refuse, be_away])
def test_a_message_that_cannot_be_hidden_is_left_to_its_queue(
    answer: Callable[..., AWSResponse],
) -> None:
    client: Any = boto3.client(
        "sqs", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1})
    )
    asked: list[str] = []

    def asked_then(request: AWSPreparedRequest, **options: Any) -> AWSResponse:
        asked.append(request.url)
        return answer(request, **options)

    client.meta.events.register("before-send.sqs.ChangeMessageVisibility", asked_then)
    redelivery = Redelivery(client, URL, first_delay_seconds=10)
    redelivery.schedule(RECORD, receives=1)
    redelivery.postpone(RECORD, 60.0)
    redelivery.give_up(RECORD)
    assert len(asked) == 3
