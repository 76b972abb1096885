"""Workers are killed in the middle of a run of 400 pages: it ends complete and exact."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from services.ingest.request import IngestRequest
from shared.errors import NotFoundError
from shared.models.run import RunProgress
from tests.e2e.conftest import make_client
from tests.e2e.stack import Stack, wait_for
from tests.e2e.workers import Workers

CORPUS = "cards"
PAGES = 400
PAGE_BYTES = 1024
DRAWER_CARDS = 50
KEY = f"sources/{CORPUS}/all.jsonl"
STAGES = ("page", "derive", "chunk", "embed", "index")
# How long the message of a dead worker stays hidden here; on AWS that is half an hour.
HIDDEN_SECONDS = 60
RUN_SECONDS = 1500
# The processes of functions are found below the server that the suite itself started.
pytestmark = pytest.mark.needs_own_process("workers_out_of_reach")


def card(number: int) -> bytes:
    """One line of exactly a page, and one chunk."""
    record = {
        "id": f"c{number:04d}",
        "title": f"Card {number}",
        "text": f"A card that lies in {drawer(number)} of the cabinet.",
        "padding": "",
    }
    record["padding"] = "." * (PAGE_BYTES - len(json.dumps(record)) - 1)
    return json.dumps(record).encode() + b"\n"


def drawer(number: int) -> str:
    return f"drawer{number // DRAWER_CARDS:02d}"


@dataclass(frozen=True)
class Run:
    """What was asked for, and how it stands."""

    stack: Stack
    request: dict[str, str]

    @property
    def run_id(self) -> str:
        return IngestRequest.model_validate(self.request).run_id(datetime.now(UTC))

    def progress(self) -> RunProgress | None:
        try:
            return self.stack.runs.get_run(self.run_id)
        except NotFoundError:
            return None

    def plan(self) -> dict[str, Any]:
        """Invoke the planner; the answer of the Lambda API."""
        response = self.stack.lambdas.invoke(
            FunctionName=self.stack.outputs["function_names"]["ingest"],
            Payload=json.dumps(self.request).encode(),
        )
        return {**response, "Payload": json.loads(response["Payload"].read())}

    def is_half_planned(self) -> bool:
        progress = self.progress()
        pages = self.stack.runs.pages(self.run_id)
        return (
            progress is not None
            and progress.run.status == "planning"
            and next(pages, None) is not None
        )

    def is_midway(self, counter: str) -> bool:
        """Whether a counter has begun to move and is not at its end."""
        return 0 < self.done(counter) < PAGES

    def done(self, counter: str) -> int:
        """What a counter has reached; 0 as long as there is no run."""
        progress = self.progress()
        return 0 if progress is None else int(getattr(progress, counter))


@pytest.fixture(scope="module")
def killers(stack: Stack) -> Workers:
    pid = stack.deployment.local_aws_pid()
    assert pid is not None, "the local AWS of this suite does not run"
    return Workers(stack, pid)


@pytest.fixture(scope="module")
def cards(stack: Stack) -> Iterator[None]:
    """A corpus in one object that is cut into 400 pages."""
    stack.store.put(KEY, b"".join(card(number) for number in range(PAGES)))
    source = {"kind": "jsonl", "prefix": f"sources/{CORPUS}/", "page_bytes": PAGE_BYTES}
    document = {"name": CORPUS, "source": source, "mapping": {"entity_type": "card"}}
    ssm = make_client(stack.deployment, "ssm")
    name = f"/{stack.outputs['name_prefix']}/corpora/{CORPUS}"
    ssm.put_parameter(Name=name, Value=json.dumps(document), Type="String")
    yield
    ssm.delete_parameter(Name=name)


@pytest.fixture(scope="module")
def soon_back(stack: Stack) -> Iterator[None]:
    """Messages of dead workers come back soon, rather than after six times the timeout."""
    urls = [stack.outputs["queue_urls"][f"{stage}-jobs"] for stage in STAGES]
    former = {
        url: stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        for url in urls
    }
    for url in urls:
        hidden = str(HIDDEN_SECONDS)
        stack.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": hidden})
    try:
        yield
    finally:
        for url, answer in former.items():
            stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=answer["Attributes"])


@pytest.fixture(scope="module")
def survived(stack: Stack, killers: Workers, cards: None, soon_back: None) -> RunProgress:
    """The run, as it ended after a worker of each kind was killed at its work."""
    moment = datetime.now(UTC).isoformat()
    request = {"corpus": CORPUS, "mode": "full", "request_id": uuid.uuid4().hex, "time": moment}
    run = Run(stack, request)
    with ThreadPoolExecutor(1) as pool:
        planning = pool.submit(run.plan)
        assert killers.kill_midway("ingest", run.is_half_planned)
        assert "FunctionError" in planning.result()
    cut_off = run.progress()
    assert cut_off is not None
    assert cut_off.run.status == "planning"

    again = run.plan()
    assert "FunctionError" not in again, again
    assert again["Payload"]["run_id"] == run.run_id
    for function, counter in (
        ("fetch", "raw_records"),
        ("chunker", "chunks"),
        ("embedder", "vectors"),
    ):
        assert killers.kill_with_a_message(
            function, partial(run.is_midway, counter), partial(run.done, counter)
        )
    return stack.wait_for_run(run.run_id, RUN_SECONDS)


def test_the_run_ends_complete_with_exact_counters(survived: RunProgress) -> None:
    assert survived.run.status == "succeeded", survived.run.reason
    assert survived.run.pages_planned == survived.pages_done == PAGES
    assert (survived.pages_gap, survived.pages_failed, survived.rejects) == (0, 0, 0)
    assert survived.raw_records == survived.entities == PAGES
    assert survived.chunks == survived.vectors == survived.shards == PAGES
    assert (survived.chunks_unchanged, survived.entities_deleted) == (0, 0)


def test_every_entity_is_found_once(stack: Stack, survived: RunProgress) -> None:
    found: list[str] = []
    for first in range(0, PAGES, DRAWER_CARDS):
        request = {"q": drawer(first), "k": DRAWER_CARDS, "mode": "lexical", "corpus": CORPUS}

        def whole(request: dict[str, Any] = request) -> list[str] | None:
            # Readers look at the manifest again every few seconds.
            results = stack.invoke("retrieve", {"retrieve": request})["results"]
            return [r["meta"]["id"] for r in results] if len(results) == DRAWER_CARDS else None

        found += wait_for(whole, f"the cards of {drawer(first)}", 60)
    assert sorted(found) == [f"c{number:04d}" for number in range(PAGES)]


@pytest.mark.parametrize("stage", STAGES)
def test_no_message_is_left_anywhere(stack: Stack, survived: RunProgress, stage: str) -> None:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = stack.outputs["queue_urls"][f"{stage}-jobs"]

    def is_empty() -> bool | None:
        found = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)  # type: ignore[arg-type]
        return True if set(found["Attributes"].values()) == {"0"} else None

    wait_for(is_empty, f"{stage}-jobs to be empty", 120)
    dead = stack.sqs.receive_message(
        QueueUrl=stack.outputs["dead_letter_queue_urls"][f"{stage}-jobs"],
        MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0,
    )  # fmt: skip
    bodies = [message["Body"] for message in dead.get("Messages", [])]
    assert [body for body in bodies if survived.run.run_id in body] == []
