"""Sessions in a real DynamoDB table, and whole turns through the handler in new processes."""

import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from scripts.processes.process import BackgroundServer
from services.orchestrator.chat_request import MAXIMUM_MESSAGE_CHARACTERS, ChatRequest
from services.orchestrator.conversation import ChatDefaults, ChatGraph, Retriever
from services.orchestrator.generator import Passage
from services.orchestrator.quotation.extractive import ExtractiveGenerator
from services.orchestrator.retrieve_client import RetrieveCall, Retrieved
from services.orchestrator.sessions import dynamodb_sessions
from tests.integration.conftest import ROOT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

SESSION_TTL_DAYS = 7
SECONDS_PER_DAY = 86_400

RETRIEVE_CODE = """
RESULTS = [
    ("character:1-001", "Ultron", "Hank Pym created Ultron in 1968. Ultron hates the Avengers."),
    ("character:2-001", "Hank Pym", "Hank Pym is a biochemist. He is married to Janet van Dyne."),
]

def handler(event, context):
    search = event["retrieve"]
    if search["corpus"] != "demo":
        return {"error": {"code": "NOT_FOUND", "message": "no such corpus", "status": 404}}
    results = [
        {"id": i, "score": 0.5, "snippet": s, "meta": {"title": t, "urls": [], "attribution": "x"}}
        for i, t, s in RESULTS
    ]
    return {"results": results[: search["k"]]}
"""

RUN_HANDLER = """
import json, sys
from aws_lambda_powertools.utilities.typing import LambdaContext
from services.orchestrator.handler import handler
context = LambdaContext()
context._function_name = context._invoked_function_arn = context._aws_request_id = "test"
context._memory_limit_in_mb = 512
bodies = json.load(sys.stdin)
answers = []
for body in bodies:
    request = {"path": "/chat", "resource": "/chat", "httpMethod": "POST", "headers": {},
        "requestContext": {"requestId": "r"}, "body": json.dumps(body), "isBase64Encoded": False}
    response = handler(request, context)
    answers.append([response["statusCode"], json.loads(response["body"])])
print("ANSWERS " + json.dumps(answers))
"""


class FixedPassages:
    """Finds the same passage whatever is asked; waits for `together` first where that is given."""

    def __init__(self, text: str, together: threading.Barrier | None = None) -> None:
        self._passage = Passage("a:1-001", "Ultron", None, text, 0.5)
        self._together = together

    def search(self, search: RetrieveCall) -> Retrieved:
        if self._together is not None:
            self._together.wait(timeout=30)
        return Retrieved(passages=(self._passage,))


@pytest.fixture(scope="module")
def retrieve_function(lambda_client: "LambdaClient") -> Iterator[str]:
    """Name of a real function that answers as `retrieve` does."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("scripted.py", RETRIEVE_CODE)
    name = f"retrieve-{uuid.uuid4().hex[:12]}"
    lambda_client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role="arn:aws:iam::000000000000:role/test",
        Handler="scripted.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
    )
    lambda_client.get_waiter("function_active_v2").wait(FunctionName=name)
    yield name
    lambda_client.delete_function(FunctionName=name)


class HandlerProcess:
    """Runs turns through the handler, each call in a new Python process: a cold environment."""

    def __init__(self, endpoint_url: str, table_name: str, function_name: str) -> None:
        self._environment = os.environ | {
            "AWS_ENDPOINT_URL": endpoint_url,
            "CHECKPOINT_TABLE": table_name,
            "RETRIEVE_FUNCTION_NAME": function_name,
            "DEFAULT_CORPUS": "demo",
            "POWERTOOLS_TRACE_DISABLED": "true",
            "POWERTOOLS_SERVICE_NAME": "orchestrator",
            "POWERTOOLS_METRICS_NAMESPACE": "test",
        }

    def turns(self, *bodies: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
        finished = subprocess.run(
            [sys.executable, "-c", RUN_HANDLER],
            input=json.dumps(bodies),
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        [line] = [x for x in finished.stdout.splitlines() if x.startswith("ANSWERS ")]
        return [(status, body) for status, body in json.loads(line.removeprefix("ANSWERS "))]


@pytest.fixture
def handler_process(
    local_aws: BackgroundServer, checkpoint_table: str, retrieve_function: str
) -> HandlerProcess:
    return HandlerProcess(local_aws.url, checkpoint_table, retrieve_function)


def test_a_session_goes_on_in_another_process(handler_process: HandlerProcess) -> None:
    [(status, first)] = handler_process.turns({"message": "Who created Ultron?"})
    assert status == 200
    assert first["answer"].startswith("Hank Pym created Ultron in 1968. [1]")
    session_id = first["session_id"]
    [(status, second)] = handler_process.turns({"message": "Who is he?", "session_id": session_id})
    assert (status, second["session_id"]) == (200, session_id)
    assert second["answer"].startswith("Hank Pym is a biochemist. [1]")


def test_sessions_do_not_mix(handler_process: HandlerProcess) -> None:
    answers = handler_process.turns(
        {"message": "Who created Ultron?", "session_id": "session-a"},
        {"message": "Who is he?", "session_id": "session-b"},
        {"message": "Who is he?", "session_id": "session-a1"},
        {"message": "Who is he?", "session_id": "session-a"},
    )
    assert [status for status, _ in answers] == [200] * 4
    assert [bool(body["citations"]) for _, body in answers] == [True, False, False, True]


def test_an_unknown_corpus_is_not_found(handler_process: HandlerProcess) -> None:
    [(status, problem)] = handler_process.turns({"message": "Ultron", "corpus": "other"})
    assert (status, problem["error"]["code"]) == (404, "NOT_FOUND")


def make_graph(
    client: "DynamoDBClient", table_name: str, retriever: Retriever, history_turns: int = 10
) -> ChatGraph:
    return ChatGraph(
        retriever,
        ExtractiveGenerator(),
        dynamodb_sessions(client, table_name, SESSION_TTL_DAYS),
        ChatDefaults("demo", "hybrid", 0.25, history_turns),
    )


def kept_turns(client: "DynamoDBClient", table_name: str, session_id: str) -> Sequence[Any]:
    saver = dynamodb_sessions(client, table_name, SESSION_TTL_DAYS)
    kept = saver.get_tuple({"configurable": {"thread_id": session_id}})
    assert kept is not None
    turns: Sequence[Any] = kept.checkpoint["channel_values"]["turns"]
    return turns


def all_items(client: "DynamoDBClient", table_name: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=table_name)
    return [dict(item) for page in pages for item in page["Items"]]


def test_every_item_expires_and_a_turn_writes_two(
    dynamodb_client: "DynamoDBClient", checkpoint_table: str
) -> None:
    graph = make_graph(dynamodb_client, checkpoint_table, FixedPassages("Hank Pym made Ultron."))
    lifetime = SESSION_TTL_DAYS * SECONDS_PER_DAY
    earliest = int(time.time()) + lifetime
    graph.run("session-0001", ChatRequest(message="Who created Ultron?"))
    latest = int(time.time()) + lifetime
    items = all_items(dynamodb_client, checkpoint_table)
    assert sorted(item["PK"]["S"].split("_")[0] for item in items) == ["CHECKPOINT", "CHUNK"]
    assert all(earliest <= int(item["ttl"]["N"]) <= latest for item in items)


def test_the_longest_session_fits_an_item(
    dynamodb_client: "DynamoDBClient", checkpoint_table: str
) -> None:
    widest = "\U0001f916"
    sentence = f"Ultron {widest * 500}."
    passages = FixedPassages(" ".join(f"{sentence[:-1]}{n}." for n in range(3)))
    graph = make_graph(dynamodb_client, checkpoint_table, passages)
    message = "Ultron " + widest * (MAXIMUM_MESSAGE_CHARACTERS - 7)
    for _ in range(12):
        graph.run("session-0001", ChatRequest(message=message))
    assert len(kept_turns(dynamodb_client, checkpoint_table, "session-0001")) == 10
    payloads = [
        len(value["B"])
        for item in all_items(dynamodb_client, checkpoint_table)
        for value in item.values()
        if "B" in value
    ]
    assert max(payloads) < 350 * 1024


def test_turns_of_one_session_at_once_leave_it_whole(
    dynamodb_client: "DynamoDBClient", checkpoint_table: str
) -> None:
    session_id, count = "session-0001", 4
    text = "Hank Pym created Ultron."
    make_graph(dynamodb_client, checkpoint_table, FixedPassages(text)).run(
        session_id, ChatRequest(message="Who created Ultron?")
    )
    # All have read the session when the first of them writes.
    together = threading.Barrier(count)
    graph = make_graph(dynamodb_client, checkpoint_table, FixedPassages(text, together))
    messages = [f"Who created Ultron, try {n}?" for n in range(count)]
    with ThreadPoolExecutor(count) as pool:
        replies = list(pool.map(lambda m: graph.run(session_id, ChatRequest(message=m)), messages))
    assert all(reply.draft.answer.startswith(text) for reply in replies)
    first, second = kept_turns(dynamodb_client, checkpoint_table, session_id)
    assert first["message"] == "Who created Ultron?"
    assert second["message"] in messages
    assert second["query"] == second["message"]
    assert second["answer"].startswith(text)
