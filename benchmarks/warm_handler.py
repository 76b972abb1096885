"""The process in which one handler is called again and again; benchmarks/load_memory.py starts it.

It imports the real handler in the environment that Terraform gives it, lets the handlers before it
do their work once, so that its event is one that they made, and calls it. It prints nothing: what
it saw goes to a file.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory_services import MemoryServices
from benchmarks.table import held_memory_bytes, peak_memory_bytes
from shared.errors import UltronError
from shared.platform.command_line import run_command

SOURCE_CORPUS, NOTES_CORPUS = "marvel", "notes"
NOTES_PREFIX = "sources/notes/"
# As many pages as make shards enough for a merge.
NOTES_PAGES = 8
# The stages that a queue calls, in the order of the line.
STAGES = ("fetch", "derive", "chunker", "embedder", "indexer", "compactor")
HANDLERS = ("ingest", *STAGES, "retrieve", "orchestrator")
READINGS = 40
Handler = Callable[[dict[str, Any], object], dict[str, Any]]
_QUESTION = "Who built the lighthouse?"


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda says of an invocation."""

    function_name: str
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:warm"
    aws_request_id: str = "5a1f1f6e-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Long enough for any job."""
        return 120_000


class HandlerLine:
    """The handlers of a deployment over services in memory, each in its own environment."""

    def __init__(
        self, environments: Mapping[str, Mapping[str, str]], services: MemoryServices, folder: Path
    ) -> None:
        own = {"MODEL_DIR": str(folder / "model"), "WORK_DIR": str(folder / "work")}
        self._environments = {
            name: {key: own.get(key, value) for key, value in variables.items()}
            for name, variables in environments.items()
        }
        self._services = services

    def enter(self, name: str) -> None:
        """Let the environment of this process be that of a function."""
        for variables in self._environments.values():
            for variable in variables:
                os.environ.pop(variable, None)
        os.environ.update(self._environments[name])

    def call(self, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a handler in its environment; raises UltronError when it did not succeed."""
        self.enter(name)
        answer: dict[str, Any] = handler_of(name)(dict(event), Context(name))
        check_answer(name, answer)
        return answer

    def answer_search(self, payload: bytes) -> bytes:
        """What retrieve answers when the orchestrator invokes it."""
        before = dict(os.environ)
        try:
            return json.dumps(self.call("retrieve", json.loads(payload))).encode()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def event_of(self, name: str) -> dict[str, Any]:
        """The event of a handler, after all that has to come before it was done."""
        if name == "ingest":
            return ingest_event(NOTES_CORPUS)
        self.call("ingest", ingest_event(SOURCE_CORPUS if name == "fetch" else NOTES_CORPUS))
        for stage in STAGES[: STAGES.index(name) if name in STAGES else -1]:
            while (event := self._received(stage, 10))["Records"]:
                self.call(stage, event)
        if name in STAGES:
            return self._received(name, 1)
        if name == "retrieve":
            return search_event()
        self.call("orchestrator", chat_event())  # so that each turn is the second of its session
        return chat_event()

    def _received(self, stage: str, most: int) -> dict[str, Any]:
        return self._services.receive(self._environments[stage]["QUEUE_URL"], most)


def handler_of(name: str) -> Handler:
    """The real handler of a function."""
    handler: Handler = importlib.import_module(f"services.{name}.handler").handler
    return handler


def ingest_event(corpus: str) -> dict[str, Any]:
    """What the schedule sends."""
    return {"corpus": corpus, "mode": "incremental", "request_id": "load"}


def search_event() -> dict[str, Any]:
    """A `GET /retrieve` as API Gateway hands it on."""
    return _api_event("GET", "/retrieve", {"q": [_QUESTION], "corpus": [NOTES_CORPUS]}, None)


def chat_event() -> dict[str, Any]:
    """A `POST /chat` as API Gateway hands it on."""
    session_id = "5a1f1f6e-0000-4000-8000-000000000001"
    body = {"message": _QUESTION, "corpus": NOTES_CORPUS, "session_id": session_id}
    return _api_event("POST", "/chat", None, json.dumps(body))


def _api_event(
    method: str, path: str, parameters: dict[str, list[str]] | None, body: str | None
) -> dict[str, Any]:
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": parameters,
        "pathParameters": None,
        "requestContext": {"requestId": "load", "stage": "prod", "path": f"/prod{path}"},
        "body": body,
        "isBase64Encoded": False,
    }


def check_answer(name: str, answer: Mapping[str, Any]) -> None:
    """Raise UltronError for an answer of a handler that did not do its work."""
    failed = answer.get("batchItemFailures") or answer.get("statusCode", 200) != 200
    if failed or "error" in answer:
        raise UltronError(f"the handler of {name} failed: {json.dumps(answer)[:500]}")


def note_lines(page: int) -> bytes:
    """One object of the corpus `notes`: two short documents."""
    documents = [
        {
            "id": f"{page}-{number}",
            "title": f"Lighthouse {page}-{number}",
            "text": f"Keeper {page} built lighthouse number {number} on the northern cliffs. "
            "Its lamp burns from dusk to dawn, and ships steer by it.",
        }
        for number in range(2)
    ]
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


@dataclass(frozen=True, slots=True)
class Warming:
    """How often a handler is called, in all and before its memory counts, and how long at most."""

    calls: int
    warm_up_calls: int
    seconds: float

    @property
    def calls_between_readings(self) -> int:
        """So many that there are about forty readings."""
        return max(1, (self.calls - self.warm_up_calls) // READINGS)


def measure(line: HandlerLine, services: MemoryServices, name: str, warming: Warming) -> Any:
    """Call a handler until it was called often enough or the time is over; what was seen."""
    event = line.event_of(name)
    services.keep()
    line.enter(name)
    handler, context = handler_of(name), Context(name)
    readings: list[tuple[int, int]] = []
    started = time.monotonic()
    done = 0
    while done < warming.calls and time.monotonic() - started < warming.seconds:
        check_answer(name, handler(event, context))
        services.take_back()
        done += 1
        since = done - warming.warm_up_calls
        if since >= 0 and since % warming.calls_between_readings == 0:
            readings.append((done, held_memory_bytes()))
    seconds = time.monotonic() - started
    peak = peak_memory_bytes()
    return {"calls": done, "seconds": seconds, "readings": readings, "peak_bytes": peak}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the plan in a file says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("handler", choices=HANDLERS)
    parser.add_argument("plan", type=Path, help="what load_memory wrote")
    parser.add_argument("output", type=Path, help="where what was seen goes")
    options = parser.parse_args(arguments)
    plan = json.loads(options.plan.read_text(encoding="utf-8"))
    environments = plan["environments"]
    services = MemoryServices(environments, plan["parameters"])
    services.put_files(Path(plan["model_directory"]), environments["retrieve"]["MODEL_PREFIX"])
    for page in range(NOTES_PAGES):
        services.put(f"{NOTES_PREFIX}{page}.jsonl", note_lines(page))
    line = HandlerLine(environments, services, options.output.parent / options.handler)
    line.enter(options.handler)
    handler_of(options.handler)  # first of all, as what it imports reads this environment too
    with services.in_place_of_aws(line.answer_search):
        seen = measure(line, services, options.handler, Warming(**plan["warming"]))
    options.output.write_text(json.dumps(seen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
