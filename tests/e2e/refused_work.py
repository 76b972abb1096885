"""The smallest pieces of work that need a permission; each is done while the role lacks it."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from tests.e2e.refusals import Refusals

# Begins the work with the role as it is; what the block does, it does without the permission.
Work = Callable[[Refusals], Callable[[], object]]
_RUN = "20260101T000000Z-0000000a"
_PAGE = {"run_id": _RUN, "page_id": "objects-00000", "seq": 1}


def ask(refusals: Refusals, function: str, payload: dict[str, Any]) -> Any:
    """Invoke a function; an error of it is an answer too."""
    response = refusals.stack.lambdas.invoke(
        FunctionName=refusals.stack.outputs["function_names"][function],
        Payload=json.dumps(payload).encode(),
    )
    return json.loads(response["Payload"].read())


def begin(refusals: Refusals, corpus: str, mode: str = "full") -> Any:
    """Ask for a run; what ingest answers."""
    return ask(refusals, "ingest", {"corpus": corpus, "mode": mode, "request_id": uuid.uuid4().hex})


def run_of(notes: int = 1, **document: Any) -> Work:
    """A full run of a corpus of its own."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        corpus = refusals.corpus(notes, **document)
        return lambda: begin(refusals, corpus)

    return prepare


def absent(function: str, **fields: Any) -> Work:
    """A job whose input is absent."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        job = {"corpus": refusals.corpus(), **_PAGE, **fields}
        queue = refusals.stack.outputs["queue_urls"]["page-jobs"].rpartition("/")[2]
        record = {
            "messageId": uuid.uuid4().hex,
            "receiptHandle": "none",
            "body": json.dumps(job),
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
        }
        return lambda: ask(refusals, function, {"Records": [record]})

    return prepare


def indexed(function: str, payload: Callable[[str], dict[str, Any]], notes: int = 1) -> Work:
    """A direct invocation about a corpus that is indexed."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        corpus = refusals.corpus(notes)
        assert refusals.stack.ingest(corpus, "full").run.status == "succeeded"
        return lambda: ask(refusals, function, payload(corpus))

    return prepare


def never_indexed(refusals: Refusals) -> Callable[[], object]:
    """A question to a corpus of which there is no index."""
    corpus = refusals.corpus()
    return lambda: ask(refusals, "retrieve", {"retrieve": {"q": "note", "corpus": corpus}})


def recycled(function: str, work: Work) -> Work:
    """In an environment that remembers nothing."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        prepared = work(refusals)
        refusals.recycle(function)
        return prepared

    return prepare


def question(refusals: Refusals) -> Callable[[], object]:
    """The second turn of a chat."""
    session = uuid.uuid4().hex
    refusals.stack.chat("What is a note about porcupines?", session_id=session)
    return lambda: refusals.stack.chat("What is a lighthouse?", session_id=session)
