"""`ultron dlq` on the local AWS: looked at without loss, sent again, dropped."""

import json
from typing import Any

import pytest

from services.cli.dead_letter.dead_letter_queue import held_messages
from services.cli.dead_letter.handling import DeadLetterMessages
from shared.errors import ConflictError, NotFoundError
from shared.models.jobs import DeriveJob, PageJob
from shared.models.maintenance import SweepJob, maintenance_job
from shared.models.run import RunRecord
from shared.runs.page_ledger import PageLedger
from tests.integration.cli.site import Site
from tests.integration.run_stores import run_store

RUN_ID = "20261123T060000Z-0000000a"


def a_page(number: int) -> PageJob:
    return PageJob(
        corpus="notes", run_id=RUN_ID, page_id=f"p-{number}", seq=1, endpoint="objects", query={}
    )


def a_job(number: int) -> DeriveJob:
    return DeriveJob(
        corpus="notes", run_id=RUN_ID, page_id=f"p-{number}", seq=1, endpoint="objects",
        raw_key=f"raw/notes/p-{number}.jsonl.gz",
    )  # fmt: skip


def give_up(
    site: Site, body: str, queue: str = "derive-jobs", attributes: dict[str, str] | None = None
) -> str:
    """Put a message among the dead-letter messages; its id."""
    url = site.dead_letter_queue_urls[queue]
    sent = site.sqs.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value}
            for name, value in (attributes or {}).items()
        },
    )
    return sent["MessageId"]


def bodies(site: Site, url: str) -> list[str]:
    """All that a queue holds, taken out."""
    found: list[str] = []
    while True:
        messages = site.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")
        if not messages:
            return found
        for message in messages:
            found.append(message["Body"])
            site.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def dead(site: Site, queue: str = "derive-jobs") -> list[str]:
    return bodies(site, site.dead_letter_queue_urls[queue])


def queued(site: Site, queue: str = "derive-jobs") -> list[str]:
    return bodies(site, site.queue_urls[queue])


def start_run(site: Site, pages: int) -> None:
    site.state.acquire_lease("notes", RUN_ID, 3600)
    site.runs.planning.start_run(
        RunRecord(
            run_id=RUN_ID, corpus="notes", mode="full", status="planning", seq=1,
            started_at="2026-11-23T06:00:00+00:00",
        )
    )  # fmt: skip
    site.runs.joining.add_pages([a_page(number) for number in range(pages)])
    site.runs.planning.finish_planning(RUN_ID, {}, lease_seconds=3600)


def test_dead_letters_are_listed_with_their_reasons_and_stay(site: Site) -> None:
    wanted = {give_up(site, a_job(number).model_dump_json()) for number in range(25)}
    recorded = next(iter(wanted))
    site.failures.record("derive", recorded, "CORRUPT_OBJECT", "raw/x is no gzip", RUN_ID)
    for _ in range(2):  # looking leaves all where it was, to be looked at again
        found = site.answer("dlq", "list", "--stage", "derive")["dead_letters"]
        assert {message["message_id"] for message in found} == wanted
        by_id = {message["message_id"]: message for message in found}
        assert by_id[recorded]["code"] == "CORRUPT_OBJECT"
        assert by_id[recorded]["reason"] == "raw/x is no gzip"
        assert by_id[recorded]["about"].startswith(f"derive notes run {RUN_ID} page p-")
        others = [message for message in found if message["message_id"] != recorded]
        assert all("no reason was recorded" in message["reason"] for message in others)
    printed = site.ultron("dlq", "list")
    assert "CORRUPT_OBJECT: raw/x is no gzip" in printed
    assert len(dead(site)) == 25


def test_a_short_list_says_that_there_are_more(site: Site) -> None:
    for number in range(5):
        give_up(site, a_job(number).model_dump_json())
    answer = site.answer("dlq", "list", "--stage", "derive", "--limit", "3")
    assert (len(answer["dead_letters"]), answer["more"]) == (3, ["derive"])
    assert len(dead(site)) == 5


def test_there_may_be_none(site: Site) -> None:
    assert site.ultron("dlq", "list") == "there are no dead-letter messages\n"
    assert "0 messages of embedder sent again" in site.ultron("dlq", "redrive", "embedder", "--all")
    assert "no dead-letter messages of embed" in site.ultron(
        "dlq", "drop", "embedder", "--all", "--yes"
    )


def test_one_is_shown_with_its_job(site: Site) -> None:
    for number in range(12):  # the wanted one is not among the first that SQS gives
        message_id = give_up(site, a_job(number).model_dump_json())
    printed = site.ultron("dlq", "show", "derive", message_id)
    assert "page_id: p-11" in printed
    assert "raw_key: raw/notes/p-11.jsonl.gz" in printed
    strange = give_up(site, "no JSON at all")
    assert "no job: no JSON at all" in site.ultron("dlq", "show", "derive", strange)


def test_what_somebody_else_looks_at_is_said_to_be_hidden(site: Site) -> None:
    message_id = give_up(site, a_job(1).model_dump_json())
    with held_messages(site.sqs, site.dead_letter_queue_urls["derive-jobs"]) as held:
        assert [message.message_id for message in held] == [message_id]
        answer = site.answer("dlq", "list", "--stage", "derive")
        assert (answer["dead_letters"], answer["hidden"]) == ([], {"derive": 1})
        assert "about 1 more are hidden" in site.ultron("dlq", "list", "--stage", "derive")
        error = site.ultron("dlq", "redrive", "derive", message_id, status=3)
        assert "among the 1 that another process reads" in error
    assert site.answer("dlq", "list", "--stage", "derive")["hidden"] == {}


def test_one_is_sent_again_and_the_others_stay(site: Site) -> None:
    ids = [give_up(site, a_job(number).model_dump_json()) for number in range(15)]
    site.failures.record("derive", ids[7], "SOME", "thing")
    assert "1 message of derive sent again" in site.ultron("dlq", "redrive", "derive", ids[7])
    assert [json.loads(body)["page_id"] for body in queued(site)] == ["p-7"]
    assert site.failures.reason("derive", ids[7]) is None
    left = sorted(json.loads(body)["page_id"] for body in dead(site))
    assert left == sorted(f"p-{number}" for number in range(15) if number != 7)


def test_all_are_sent_again(site: Site) -> None:
    for number in range(23):
        give_up(site, a_job(number).model_dump_json())
    assert len(site.answer("dlq", "redrive", "derive", "--all")["redriven"]) == 23
    assert len(queued(site)) == 23
    assert dead(site) == []


def test_a_message_that_could_not_be_sent_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up(site, a_job(1).model_dump_json())
    site.sqs.delete_queue(QueueUrl=site.queue_urls["derive-jobs"])
    site.ultron("dlq", "redrive", "derive", "--all", status=1)
    assert len(dead(site)) == 1


def test_one_that_is_not_there_is_not_found(site: Site) -> None:
    give_up(site, a_job(1).model_dump_json())
    for command in (("show",), ("redrive",), ("drop", "--yes")):
        assert "no message m-1" in site.ultron(
            "dlq", command[0], "derive", "m-1", *command[1:], status=3
        )
    assert len(dead(site)) == 1


def test_dropping_has_to_be_meant(site: Site) -> None:
    message_id = give_up(site, a_job(1).model_dump_json())
    assert "--yes" in site.ultron("dlq", "drop", "derive", message_id, status=2)
    assert len(dead(site)) == 1


def test_a_run_does_not_wait_for_what_was_dropped(site: Site) -> None:
    """A worker that was killed at its last receive could not say that its page failed."""
    start_run(site, pages=2)
    ids = [give_up(site, a_job(number).model_dump_json()) for number in range(2)]
    printed = site.ultron("dlq", "drop", "derive", ids[0], "--yes")
    assert f"page p-0 of run {RUN_ID} stays failed" in printed
    progress = site.runs.reader.get_run(RUN_ID)
    assert (progress.run.status, progress.pages_failed) == ("running", 1)
    site.ultron("dlq", "drop", "derive", "--all", "--yes")
    progress = site.runs.reader.get_run(RUN_ID)
    assert (progress.run.status, progress.pages_failed) == ("incomplete", 2)
    assert dead(site) == []


def test_a_drop_that_was_cut_off_is_done_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    start_run(site, pages=1)
    message_id = give_up(site, a_job(0).model_dump_json())

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PageLedger, "end_page", die)
        site.ultron("dlq", "drop", "derive", message_id, "--yes", status=130)
    assert site.runs.reader.get_run(RUN_ID).run.status == "running"
    site.ultron("dlq", "drop", "derive", message_id, "--yes")
    assert site.runs.reader.get_run(RUN_ID).run.status == "incomplete"
    assert dead(site) == []


def test_dropping_the_twin_of_a_page_that_is_done_asks_for_the_sweep_of_its_run(
    site: Site,
) -> None:
    """The run ends with its sweep, and whoever ends its last page has to ask for that."""
    requested: list[RunRecord] = []
    start_run(site, pages=1)
    runs = run_store(site.dynamodb, site.table_name, requested.append)
    job = a_page(0)
    runs.ledger.record_stage(job, "fetch", {})
    runs.ledger.record_stage(job, "derive", {})
    runs.ledger.record_stage(job, "chunker", {}, parts=0)
    assert [run.run_id for run in requested] == [RUN_ID]
    twin = give_up(site, a_job(0).model_dump_json())
    site.ultron("dlq", "drop", "derive", twin, "--yes")
    progress = site.runs.reader.get_run(RUN_ID)
    assert (progress.run.status, progress.pages_done) == ("running", 1)
    (body,) = queued(site, "compact-jobs")
    assert maintenance_job.validate_json(body) == SweepJob(corpus="notes", run_id=RUN_ID, seq=1)


@pytest.mark.parametrize(
    ("body", "queue", "meaning"),
    [
        (
            {"kind": "sweep", "corpus": "notes", "run_id": RUN_ID, "seq": 1},
            "compact-jobs",
            "full run",
        ),
        ({"kind": "sweep"}, "compact-jobs", "full run"),
        ({"kind": "rebuild", "corpus": "notes"}, "compact-jobs", "rebuild stops"),
        ({"kind": "maintain", "corpus": "notes"}, "compact-jobs", "next upkeep"),
        ({"corpus": "notes", "run_id": RUN_ID, "page_id": "p-9", "seq": 1}, "derive-jobs", "p-9"),
        (["nothing"], "derive-jobs", "nothing waits for it"),
        ({"corpus": "notes"}, "ingest", "does not take place"),
    ],
)
def test_dropping_says_what_it_means(site: Site, body: object, queue: str, meaning: str) -> None:
    start_run(site, pages=1)
    stage = {"compact-jobs": "compactor", "derive-jobs": "derive", "ingest": "ingest"}[queue]
    message_id = give_up(site, json.dumps(body), queue)
    assert meaning in site.ultron("dlq", "drop", stage, message_id, "--yes")
    assert dead(site, queue) == []
    assert site.runs.reader.get_run(RUN_ID).run.status == "running"


# What the schedule could not deliver.

EVENT = {"corpus": "notes", "mode": "full", "request_id": "e-1", "time": "2026-11-23T06:00:00Z"}


def messages_of(site: Site, invoked: list[dict[str, Any]]) -> DeadLetterMessages:
    def invoke(event: dict[str, Any]) -> None:
        if event["corpus"] == "held":
            raise ConflictError("it is held")
        invoked.append(event)

    return DeadLetterMessages(site.sqs, site.published, site.failures, site.runs, invoke)


def rule_arn(site: Site, rule: str) -> str:
    return f"arn:aws:events:us-east-1:000000000000:rule/{site.name_prefix}-{rule}"


def test_events_of_the_schedule_start_their_runs_again(site: Site) -> None:
    invoked: list[dict[str, Any]] = []
    seen = {"id": "e-2", "detail-type": "Scheduled Event", "time": "2026-11-23T06:00:00Z"}
    give_up(site, json.dumps(EVENT), "ingest", {"ErrorCode": "200", "ErrorMessage": "timed out"})
    give_up(site, json.dumps(seen | {"resources": [rule_arn(site, "full-my-notes")]}), "ingest")
    give_up(
        site,
        json.dumps(seen),
        "ingest",
        {"RULE_ARN": rule_arn(site, "upkeep-notes"), "ERROR_MESSAGE": "no permission"},
    )
    reasons = {
        message["reason"]
        for message in site.answer("dlq", "list", "--stage", "ingest")["dead_letters"]
    }
    assert {"timed out", "no permission"} < reasons
    outcome = messages_of(site, invoked).redrive_all("ingest")
    assert (len(outcome["redriven"]), outcome["failed"]) == (3, {})
    expected = {
        "corpus": "my-notes", "mode": "full", "request_id": "e-2", "time": "2026-11-23T06:00:00Z"
    }  # fmt: skip
    assert sorted(invoked, key=lambda event: str(event["request_id"])) == [EVENT, expected]
    assert [json.loads(body) for body in queued(site, "compact-jobs")] == [
        {"kind": "maintain", "corpus": "notes"}
    ]
    assert dead(site, "ingest") == []


def test_events_that_cannot_be_sent_stay_with_the_reason(site: Site) -> None:
    invoked: list[dict[str, Any]] = []
    strange = give_up(site, "{}", "ingest")
    held = give_up(site, json.dumps(EVENT | {"corpus": "held"}), "ingest")
    give_up(site, json.dumps(EVENT), "ingest")
    messages = messages_of(site, invoked)
    outcome = messages.redrive_all("ingest")
    assert set(outcome["failed"]) == {strange, held}
    assert "no event of the schedule" in outcome["failed"][strange]
    assert invoked == [EVENT]
    assert len(dead(site, "ingest")) == 2
    with pytest.raises(NotFoundError):
        messages.redrive("ingest", strange)


def test_an_event_is_given_to_the_deployed_function(site: Site) -> None:
    site.add_function("ingest")
    give_up(site, json.dumps(EVENT), "ingest")
    held = give_up(site, json.dumps(EVENT | {"corpus": "held"}), "ingest")
    printed = site.ultron("dlq", "redrive", "ingest", "--all", status=1)
    assert printed == ""
    assert "holds held" in site.ultron("dlq", "redrive", "ingest", held, status=4)
    assert [json.loads(body)["corpus"] for body in dead(site, "ingest")] == ["held"]
