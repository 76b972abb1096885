"""Bad lines, bad messages, a source that fails: each is recorded, and nothing else is lost."""

import gzip
import json

import pytest

from shared.models.entity import Reject
from shared.models.run import RunProgress
from shared.runs.failures import FailureLog
from shared.storage import jsonl
from tests.e2e.stack import Stack, wait_for

STAGES = ("page", "derive", "chunk", "embed", "index", "compact")
# The name under which each stage records its failures.
STAGE_OF_QUEUE = {"page": "fetch", "derive": "derive", "chunk": "chunker", "embed": "embedder",
                  "index": "indexer", "compact": "compactor"}  # fmt: skip


@pytest.fixture(scope="session")
def notes_run(stack: Stack) -> RunProgress:
    good = [
        {"id": str(n), "title": f"Note {n}", "text": f"Note number {n} is about topic {n}."}
        for n in range(3)
    ]
    bad = ["{not json", json.dumps({"title": "no id", "text": "x"}), json.dumps([1, 2])]
    body = "\n".join([json.dumps(good[0]), *bad, json.dumps(good[1]), json.dumps(good[2])])
    stack.store.put("sources/notes/notes-00001.jsonl.gz", gzip.compress(body.encode()))
    return stack.ingest("notes", "full")


def test_a_bad_line_goes_to_the_rejects_and_the_page_goes_on(
    stack: Stack, notes_run: RunProgress
) -> None:
    assert notes_run.run.status == "succeeded", notes_run.run.reason
    assert (notes_run.raw_records, notes_run.entities, notes_run.rejects) == (6, 3, 3)
    [key] = stack.keys("derived/_rejects/notes/")
    rejects = [
        Reject.model_validate_json(line)
        for line in jsonl.decode_lines(stack.store.get(key).data, key)
    ]
    assert [reject.line_number for reject in rejects] == [2, 3, 4]
    assert all(reject.reason for reject in rejects)
    assert rejects[1].field_path == "id"


def test_corpora_are_apart(stack: Stack, notes_run: RunProgress, marvel_run: RunProgress) -> None:
    notes = stack.retrieve("Ultron", k="50", corpus="notes").body["results"]
    assert {result["meta"]["entity"] for result in notes} == {"note"}
    marvel = stack.retrieve("Note number 1 is about topic 1.", k="50").body["results"]
    assert "note" not in {result["meta"]["entity"] for result in marvel}


def test_a_source_that_keeps_failing_leaves_a_gap_and_the_rest_goes_on(
    stack: Stack, marvel_run: RunProgress
) -> None:
    stack.control("POST", "/faults", [{"match": "/comics.*offset=20", "status": 500, "times": 99}])
    try:
        run = stack.ingest("marvel", "full")
    finally:
        stack.control("POST", "/reset")
    assert run.run.status == "incomplete"
    assert run.run.pages_planned == run.pages_done + run.pages_gap
    assert run.pages_gap == 1
    [gap] = [key for key in stack.keys("raw/_gaps/marvel/") if run.run.run_id in key]
    marker = json.loads(stack.store.get(gap).data)
    assert marker["code"] == "SOURCE_UNAVAILABLE"
    assert "500" in marker["message"]


def test_an_incremental_run_finds_only_what_changed(stack: Stack, marvel_run: RunProgress) -> None:
    unchanged = stack.ingest("marvel")
    assert unchanged.run.status == "succeeded", unchanged.run.reason
    assert unchanged.vectors == 0


@pytest.mark.parametrize("queue", STAGES)
def test_a_message_that_is_no_job_ends_in_the_dead_letter_queue(
    stack: Stack, poisoned: dict[str, str], queue: str
) -> None:
    url = stack.outputs["dead_letter_queue_urls"][f"{queue}-jobs"]

    def arrived() -> str | None:
        messages = stack.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0
        ).get("Messages", [])
        return next((m["MessageId"] for m in messages if m["Body"] == poisoned["body"]), None)

    wait_for(arrived, f"the poison message in {queue}'s dead-letter queue", 120)
    log = FailureLog(stack.dynamodb, stack.outputs["checkpoint_table"])
    failure = log.reason(STAGE_OF_QUEUE[queue], poisoned[queue])
    assert failure is not None
    assert failure["code"] == "INVALID_JOB"
    assert "Field required" in failure["reason"] or "'poison'" in failure["reason"]
