"""What dead-letter messages are about, whatever their bodies hold."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.dead_letter.dead_letter_queue import DeadLetterMessage, held_messages
from services.cli.dead_letter.handling import STAGE_NAMES, DeadLetterMessages
from services.cli.dead_letter.messages import (
    body_of,
    description,
    event_to_send,
    meaning_of_drop,
    page_job,
    subject,
)
from services.cli.dead_letter.rendering import (
    dropped_lines,
    message_lines,
    messages_lines,
    redriven_lines,
)
from shared.errors import InvalidInputError
from shared.models.jobs import EmbedJob
from shared.models.maintenance import RebuildJob

RUN_ID = "20261123T060000Z-0000000a"
JOB = EmbedJob(
    corpus="notes", run_id=RUN_ID, page_id="p-1", seq=1, part=2, parts=3, chunks_key="chunks/x"
)
SENT_AT = datetime(2026, 11, 23, 6, tzinfo=UTC)


def message(body: object, **attributes: str) -> DeadLetterMessage:
    text = body if isinstance(body, str) else json.dumps(body)
    return DeadLetterMessage("m-1", text, SENT_AT, attributes)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (JOB.model_dump(mode="json"), f"embed notes run {RUN_ID} page p-1 part 2"),
        (
            RebuildJob(corpus="notes", rebuild_id="0123abcd", step=4).model_dump(mode="json"),
            "rebuild notes rebuild 0123abcd step 4",
        ),
        ({"corpus": "notes", "mode": "full"}, "event notes full"),
        ({}, "unreadable"),
    ],
)
def test_a_job_is_named_in_a_few_words(body: dict[str, Any], words: str) -> None:
    assert subject(body) == words


def test_a_page_is_known_by_any_job_about_it() -> None:
    job = page_job(JOB.model_dump(mode="json"))
    assert job is not None
    assert (job.run_id, job.page_id) == (RUN_ID, "p-1")
    assert page_job({"corpus": "notes"}) is None


@given(st.text() | st.builds(json.dumps, st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["corpus", "kind", "run_id", "page_id", "seq", "resources"]) | st.text(),
        inner,
    ),
)))  # fmt: skip
def test_any_body_can_be_looked_at(text: str) -> None:
    shown = description("derive", message(text), None)
    assert list(message_lines(shown))
    assert list(messages_lines({"dead_letters": [shown], "hidden": {}, "more": []}))
    for stage in STAGE_NAMES:
        assert meaning_of_drop(stage, body_of(message(text)))
    try:
        assert event_to_send(message(text), "ultron")["corpus"] is not None
    except InvalidInputError as error:
        assert "no event of the schedule" in str(error)


def test_a_body_that_is_nested_too_deeply_is_unreadable() -> None:
    assert description("derive", message("[" * 2000), None)["about"] == "unreadable"


def test_a_recorded_reason_is_shown_before_any_other() -> None:
    recorded = {"code": "SOURCE", "reason": "it was strange", "failed_at": "then"}
    shown = description("fetch", message(JOB.model_dump(mode="json")), recorded)
    assert (shown["code"], shown["reason"], shown["failed_at"]) == (
        "SOURCE", "it was strange", "then"
    )  # fmt: skip
    lines = list(message_lines(shown))
    assert lines[:4] == [
        f"message m-1 of fetch: embed notes run {RUN_ID} page p-1 part 2",
        "sent at 2026-11-23T06:00:00+00:00",
        "failed at then",
        "SOURCE: it was strange",
    ]
    assert "  chunks_key: chunks/x" in lines


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"ErrorCode": "200", "ErrorMessage": "timed out"}, "200"),
        ({"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "timed out"}, "NO_PERMISSIONS"),
        ({"ErrorMessage": "timed out"}, None),
    ],
)
def test_what_aws_says_of_an_event_is_its_reason(
    attributes: dict[str, str], code: str | None
) -> None:
    shown = description("ingest", message({"corpus": "notes"}, **attributes), None)
    assert (shown["code"], shown["reason"]) == (code, "timed out")


def test_nested_fields_stand_under_their_names() -> None:
    job = {"kind": "index", "shard": {"shard_id": "s", "fields": ["a", "b"]}}
    shown = description("index", message(job), None)
    assert list(message_lines(shown))[-3:] == ["  shard:", "    shard_id: s", "    fields: a, b"]


@pytest.mark.parametrize(
    "resources", [None, "text", {"a": 1}, [1, None], ["rule/other-ingest-notes"]]
)
def test_events_of_other_rules_are_not_sent(resources: object) -> None:
    with pytest.raises(InvalidInputError, match="ultron dlq drop ingest m-1 --yes"):
        event_to_send(message({"id": "e", "resources": resources}), "ultron")


def test_what_was_done_is_said() -> None:
    assert list(redriven_lines({"stage": "fetch", "redriven": ["a", "b"], "failed": {}})) == [
        "2 messages of fetch sent again"
    ]
    assert list(dropped_lines({"stage": "fetch", "dropped": {"a": "it is gone"}})) == [
        "a is dropped: it is gone"
    ]


class ForgetfulQueue:
    """Shows its messages again at once, as SQS does when their time has run out."""

    def __init__(self, *batches: list[str]) -> None:
        self.batches = list(batches)
        self.shown: list[str] = []

    def receive_message(self, **_: object) -> dict[str, Any]:
        batch = self.batches.pop(0) if len(self.batches) > 1 else self.batches[0]
        return {
            "Messages": [
                {"MessageId": name, "ReceiptHandle": f"{name}-{len(self.batches)}", "Body": "{}"}
                for name in batch
            ]
        }

    def change_message_visibility_batch(self, *, Entries: list[Any], **_: str) -> None:  # noqa: N803
        assert len(Entries) <= 10
        self.shown += [entry["ReceiptHandle"] for entry in Entries]


def test_messages_that_come_round_again_are_looked_at_once() -> None:
    queue = ForgetfulQueue(["a", "b"], ["b", "c"], ["a", "b"])
    with held_messages(cast(Any, queue), "url") as held:
        assert [message.message_id for message in held] == ["a", "b", "c"]
    assert queue.shown == ["a-1", "b-1", "c-1"]  # by the newest receipt of each


def test_all_are_shown_again_ten_at_a_time() -> None:
    names = [f"m{number}" for number in range(23)]
    queue = ForgetfulQueue(names, [])
    with held_messages(cast(Any, queue), "url") as held:
        assert len(list(held)) == 23
    assert len(queue.shown) == 23


class LateCounts(ForgetfulQueue):
    """Has one message that SQS does not count yet, on a server that is only asked with waiting."""

    def get_queue_attributes(self, *, AttributeNames: list[str], **_: str) -> dict[str, Any]:  # noqa: N803
        return {"Attributes": dict.fromkeys(AttributeNames, "0")}

    def receive_message(self, **request: object) -> dict[str, Any]:
        return super().receive_message() if request["WaitTimeSeconds"] else {}


def test_one_that_is_asked_for_is_looked_for_everywhere() -> None:
    messages = DeadLetterMessages(
        client=cast(Any, LateCounts(["a"])),
        deployment=cast(Any, SimpleNamespace(dead_letter_queue_urls={"page-jobs": "url"})),
        failures=cast(Any, SimpleNamespace(reason=lambda *_: None)),
        runs=cast(Any, None),
        invoke_ingest=cast(Any, None),
    )
    assert messages.show("fetch", "a")["message_id"] == "a"
