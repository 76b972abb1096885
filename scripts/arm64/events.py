"""One real event for each function: a small corpus goes down the line by hand, then is asked.

The stack is deployed on a local AWS with its stages switched off. The messages that AWS would hand
to a function are taken from its queue and given to the one under test.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.arm64.function_process import FunctionError, FunctionProcess
from services.cli.stage.stages import STAGES, Stage
from shared.runs.run_reader import RunReader

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

CORPUS = "letters"
NOTES = {
    "1": ("The cellar", "The key to the cellar hangs behind the kitchen door."),
    "2": ("Bread", "Bread needs flour, water, salt, yeast and a night of patience."),
    "3": ("The train", "The train to Zürich leaves at 07:15 from platform 4."),
    "4": ("The bill", "Invoices are due thirty days after they are sent."),
}
QUESTION, ANSWER_TITLE = "When must I pay the bill?", "The bill"
_ROUNDS = 20
_BATCH = 10
_WAIT_SECONDS = 1

# Invokes the function of this name with an event.
Invoke = Callable[[str, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Line:
    """The queues of a deployed stack, the records of its runs, and the functions under test."""

    sqs: "SQSClient"
    queue_urls: Mapping[str, str]
    runs: RunReader
    invoke: Invoke

    def ingest(self) -> None:
        """Start a run and take its messages from stage to stage until it has succeeded.

        Raises:
            FunctionError: a function fails a message, or the run comes to no good end.
        """
        request = {"corpus": CORPUS, "mode": "full", "request_id": uuid.uuid4().hex}
        answer = self.invoke("ingest", request)
        if "run_id" not in answer:
            raise FunctionError(f"ingest started no run: {answer}")
        for _ in range(_ROUNDS):
            taken = sum(self.work_off(stage) for stage in STAGES.values())
            progress = self.runs.get_run(answer["run_id"])
            if progress.is_ended and not taken:
                if progress.run.status == "succeeded":
                    return
                break
        raise FunctionError(f"the run over four notes ended as {progress.run.status}")

    def work_off(self, stage: Stage) -> int:
        """Give the function of a stage what waits in its queue; how many messages that was.

        Raises:
            FunctionError: it failed one.
        """
        url = self.queue_urls[stage.queue]
        messages = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=_WAIT_SECONDS,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return 0
        answer = self.invoke(stage.name, queue_event(stage.queue, messages))
        if answer != {"batchItemFailures": []}:
            raise FunctionError(f"{stage.name} failed a message of its queue: {answer}")
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)


def queue_event(queue: str, messages: list[Any]) -> dict[str, Any]:
    """Messages as Lambda's poller hands them to a function."""
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
            "awsRegion": "us-east-1",
        }
        for message in messages
    ]
    return {"Records": records}


def proxy_event(
    method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
) -> dict[str, Any]:
    """A request as API Gateway's proxy integration hands it to a function."""
    parameters = dict(query) if query else None
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "queryStringParameters": parameters,
        "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": path,
            "httpMethod": method,
            "path": path,
            "stage": "v1",
            "requestId": str(uuid.uuid4()),
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def retrieve_event() -> dict[str, Any]:
    """The question of `GET /retrieve`."""
    return proxy_event("GET", "/retrieve", {"q": QUESTION, "corpus": CORPUS, "k": "4"})


def chat_event() -> dict[str, Any]:
    """The same question of `POST /chat`."""
    return proxy_event("POST", "/chat", body={"message": QUESTION, "corpus": CORPUS})


def answer_of(function: str, response: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a proxy response.

    Raises:
        FunctionError: it is no 200.
    """
    if response.get("statusCode") != 200:
        raise FunctionError(f"{function} did not answer {QUESTION!r} but: {response}")
    body: dict[str, Any] = json.loads(response["body"])
    return body


def invoker(functions: Mapping[str, FunctionProcess]) -> Invoke:
    """Invokes functions that run as processes."""
    return lambda name, event: functions[name].invoke(event)
