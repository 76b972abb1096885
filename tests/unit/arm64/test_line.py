"""Taking messages down the line by hand: what a function fails is not passed over."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scripts.arm64.events import Line, answer_of, proxy_event
from scripts.arm64.function_process import FunctionError
from services.cli.stage.stages import STAGES

URLS = {stage.queue: f"http://sqs/{stage.queue}" for stage in STAGES.values()}


class Queue:
    """Holds one message for each queue; remembers what was deleted."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def receive_message(self, **request: Any) -> dict[str, Any]:
        if request["QueueUrl"] in self.deleted:
            return {}
        message = {
            "MessageId": "1",
            "ReceiptHandle": "r",
            "Body": "{}",
            "MD5OfBody": "x",
            "Attributes": {"ApproximateReceiveCount": "1"},
        }
        return {"Messages": [message]}

    def delete_message(self, **request: Any) -> None:
        self.deleted.append(request["QueueUrl"])


def line(queue: Queue, answers: Mapping[str, Any], status: str = "succeeded") -> Line:
    progress = SimpleNamespace(is_ended=True, run=SimpleNamespace(status=status))
    runs = SimpleNamespace(get_run=lambda _: progress)
    given: dict[str, Any] = {stage.name: {"batchItemFailures": []} for stage in STAGES.values()}
    every = {"ingest": {"run_id": "run"}} | given | dict(answers)
    return Line(cast(Any, queue), URLS, cast(Any, runs), lambda name, _: every[name])


def test_every_queue_is_worked_off() -> None:
    queue = Queue()
    line(queue, {}).ingest()
    assert set(queue.deleted) == set(URLS.values())


def test_a_failed_message_is_kept_and_told() -> None:
    queue = Queue()
    failed = {"batchItemFailures": [{"itemIdentifier": "1"}]}
    with pytest.raises(FunctionError, match="embedder failed a message of its queue"):
        line(queue, {"embedder": failed}).ingest()
    assert URLS["embed-jobs"] not in queue.deleted


def test_a_run_that_does_not_start_or_not_succeed_is_told() -> None:
    with pytest.raises(FunctionError, match="ingest started no run"):
        line(Queue(), {"ingest": {"error": "x"}}).ingest()
    with pytest.raises(FunctionError, match="ended as failed"):
        line(Queue(), {}, "failed").ingest()


def test_a_problem_is_no_answer() -> None:
    assert answer_of("retrieve", {"statusCode": 200, "body": '{"a": 1}'}) == {"a": 1}
    with pytest.raises(FunctionError, match="retrieve did not answer"):
        answer_of("retrieve", {"statusCode": 503, "body": "{}"})


def test_a_query_is_given_once_and_as_lists() -> None:
    event = proxy_event("GET", "/retrieve", {"q": "x"})
    assert event["queryStringParameters"] == {"q": "x"}
    assert event["multiValueQueryStringParameters"] == {"q": ["x"]}
