"""What a release reads of the records that a newer release wrote."""

from shared.models.run import EndpointCheckpoint, RunProgress, RunRecord

RECORD = {
    "run_id": "20261123T060000Z-1a2b3c4d",
    "corpus": "notes",
    "mode": "full",
    "status": "running",
    "seq": 1,
    "started_at": "2026-11-23T06:00:00Z",
}


def test_a_counter_that_this_release_does_not_know_is_passed_over() -> None:
    progress = RunProgress.model_validate({"run": RECORD, "pages_done": 2, "pages_dreamt": 3})
    assert progress == RunProgress(run=RunRecord.model_validate(RECORD), pages_done=2)


def test_a_field_that_this_release_does_not_know_is_passed_over() -> None:
    checkpoint = {"etag": "e", "cursor": "c"}
    newer = RECORD | {"priority": "high", "next_checkpoints": {"notes": checkpoint}}
    record = RunRecord.model_validate(newer)
    assert record.next_checkpoints == {"notes": EndpointCheckpoint(etag="e")}
