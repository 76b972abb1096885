"""The SQS client in memory does what AWS documents of standard queues."""

import random
from datetime import timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError

from tests.simulation.aws.sqs import MemorySQS
from tests.simulation.conftest import SetClock

URL = "https://sqs.us-east-1.amazonaws.com/000000000000/stage"
DEAD_URL = f"{URL}-dlq"


@pytest.fixture
def queue(sqs: MemorySQS) -> MemorySQS:
    sqs.add_queue(DEAD_URL, 60, retention_seconds=1000)
    sqs.add_queue(URL, 60, maximum_receives=2, dead_letter_url=DEAD_URL, retention_seconds=500)
    return sqs


def send(client: MemorySQS, body: str = "body", **request: Any) -> str:
    message_id: str = client.send_message(QueueUrl=URL, MessageBody=body, **request)["MessageId"]
    return message_id


def receive(client: MemorySQS, most: int = 10, url: str = URL, **request: Any) -> list[Any]:
    answer = client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=most, AttributeNames=["All"], **request
    )
    return list(answer.get("Messages", []))


def hide(client: MemorySQS, message: Any, seconds: int) -> None:
    handle = message["ReceiptHandle"]
    client.change_message_visibility(QueueUrl=URL, ReceiptHandle=handle, VisibilityTimeout=seconds)


def delete(client: MemorySQS, message: Any) -> None:
    client.delete_message(QueueUrl=URL, ReceiptHandle=message["ReceiptHandle"])


def counts(client: MemorySQS, url: str = URL) -> list[int]:
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    told = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(told[name]) for name in names]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"].removeprefix("AWS.SimpleQueueService.")


def test_a_received_message_is_hidden_and_comes_again(queue: MemorySQS, clock: SetClock) -> None:
    send(queue)
    (first,) = receive(queue)
    assert receive(queue) == []
    assert counts(queue) == [0, 1, 0]
    assert queue.next_visible_at(URL) == clock() + timedelta(seconds=60)
    clock.put_on(60)
    (second,) = receive(queue)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    told = second["Attributes"]
    assert told["ApproximateReceiveCount"] == "2"
    assert told["SentTimestamp"] == told["ApproximateFirstReceiveTimestamp"] == "1772366400250"


def test_the_handle_of_an_earlier_receive_deletes_too(queue: MemorySQS, clock: SetClock) -> None:
    send(queue)
    (first,) = receive(queue)
    clock.put_on(60)
    receive(queue)
    delete(queue, first)
    delete(queue, first)
    assert queue.messages(URL) == ()
    assert queue.next_visible_at(URL) is None
    with pytest.raises(queue.exceptions.ReceiptHandleIsInvalid):
        queue.delete_message(QueueUrl=URL, ReceiptHandle="unknown")


def test_what_was_received_too_often_moves(queue: MemorySQS, clock: SetClock) -> None:
    message_id = send(queue)
    for _ in range(2):
        hide(queue, receive(queue)[0], 0)
    assert queue.waiting(URL) == 1
    assert receive(queue) == []
    assert (queue.waiting(URL), queue.waiting(DEAD_URL)) == (0, 1)
    clock.put_on(999)
    (dead,) = receive(queue, url=DEAD_URL)
    assert dead["MessageId"] == message_id
    assert dead["Attributes"]["DeadLetterQueueSourceArn"].endswith(":stage")
    assert dead["Attributes"]["ApproximateReceiveCount"] == "1"
    # It is kept for as long as its new queue says, from when it was first sent.
    clock.put_on(1)
    assert queue.messages(DEAD_URL) == ()


def test_messages_are_kept_for_a_while(queue: MemorySQS, clock: SetClock) -> None:
    send(queue)
    clock.put_on(499)
    assert queue.waiting(URL) == 1
    clock.put_on(1)
    assert counts(queue) == [0, 0, 0]


def test_delays(queue: MemorySQS, clock: SetClock) -> None:
    send(queue, DelaySeconds=90)
    assert counts(queue) == [0, 0, 1]
    assert receive(queue) == []
    clock.put_on(90)
    assert len(receive(queue)) == 1
    with pytest.raises(ClientError) as error:
        send(queue, DelaySeconds=901)
    assert code_of(error) == "InvalidParameterValue"


def test_hiding_a_message(queue: MemorySQS, clock: SetClock) -> None:
    queue.add_queue(URL, 60)
    send(queue)
    (message,) = receive(queue)
    hide(queue, message, 43_200)
    clock.put_on(10)
    with pytest.raises(ClientError, match="Total VisibilityTimeout") as error:
        hide(queue, message, 43_191)
    assert code_of(error) == "InvalidParameterValue"
    hide(queue, message, 43_190)
    with pytest.raises(ClientError):
        hide(queue, message, 43_201)
    hide(queue, message, 0)
    assert queue.waiting(URL) == 1
    with pytest.raises(queue.exceptions.MessageNotInflight):
        hide(queue, message, 5)
    delete(queue, message)
    with pytest.raises(ClientError, match="does not exist") as error:
        hide(queue, message, 5)
    assert code_of(error) == "InvalidParameterValue"


def test_batches(queue: MemorySQS) -> None:
    entries: list[Any] = [{"Id": str(n), "MessageBody": f"body {n}"} for n in range(9)]
    entries.append({"Id": "bad", "MessageBody": "\ufffe"})
    answer = queue.send_message_batch(QueueUrl=URL, Entries=entries)
    assert len(answer["Successful"]) == 9
    assert [(failed["Id"], failed["Code"]) for failed in answer["Failed"]] == [
        ("bad", "InvalidMessageContents")
    ]
    handles = [message["ReceiptHandle"] for message in receive(queue)]
    shown: list[Any] = [
        {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
        for number, handle in enumerate(handles)
    ]
    queue.change_message_visibility_batch(QueueUrl=URL, Entries=shown)
    assert queue.waiting(URL) == 9
    again = queue.change_message_visibility_batch(QueueUrl=URL, Entries=shown[:1])
    assert again["Failed"][0]["Code"].endswith("MessageNotInflight")
    deleted = [{"Id": entry["Id"], "ReceiptHandle": entry["ReceiptHandle"]} for entry in shown]
    deleted.append({"Id": "bad", "ReceiptHandle": "unknown"})
    assert len(queue.delete_message_batch(QueueUrl=URL, Entries=deleted)["Failed"]) == 1
    assert queue.messages(URL) == ()


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(n), "MessageBody": "x"} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "same", "MessageBody": "x"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": str(n), "MessageBody": "x" * 200_000} for n in range(2)], "BatchRequestTooLong"),
    ],
)
def test_batches_that_are_refused(queue: MemorySQS, entries: list[Any], code: str) -> None:
    with pytest.raises(ClientError) as error:
        queue.send_message_batch(QueueUrl=URL, Entries=entries)
    assert code_of(error) == code
    assert queue.messages(URL) == ()


def test_messages_that_are_refused(queue: MemorySQS) -> None:
    for body, code in (
        ("", "MissingParameter"),
        ("x" * 262_145, "InvalidParameterValue"),
        ("\x00", "InvalidMessageContents"),
    ):
        with pytest.raises(ClientError) as error:
            send(queue, body)
        assert code_of(error) == code
    with pytest.raises(queue.exceptions.QueueDoesNotExist):
        receive(queue, url="https://other")
    with pytest.raises(NotImplementedError, match="MessageGroupId"):
        send(queue, MessageGroupId="group")


def order_of(seed: int, clock: SetClock) -> list[str]:
    client = MemorySQS(clock, random.Random(seed))
    client.add_queue(URL)
    for number in range(10):
        send(client, str(number))
    return [message["Body"] for message in receive(client)]


def test_the_order_is_that_of_the_random_numbers(clock: SetClock) -> None:
    assert order_of(1, clock) == order_of(1, clock)
    assert order_of(1, clock) != order_of(2, clock)


def test_a_record_of_an_event(queue: MemorySQS) -> None:
    attributes = {"reason": {"StringValue": "because", "DataType": "String"}}
    message_id = send(queue, "text", MessageAttributes=attributes)
    (message,) = receive(queue, MessageAttributeNames=["All"])
    record = SQSRecord(queue.event_record(message))
    assert (record.message_id, record.body) == (message_id, "text")
    assert record.receipt_handle == message["ReceiptHandle"]
    assert record.attributes.approximate_receive_count == "1"
    reason = record.message_attributes["reason"]
    assert reason is not None
    assert reason.string_value == "because"
    assert record.event_source_arn == "arn:aws:sqs:us-east-1:000000000000:stage"
    assert (record.event_source, record.aws_region) == ("aws:sqs", "us-east-1")
