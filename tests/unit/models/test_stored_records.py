"""What a release reads of the records that a newer release wrote."""

from shared.models.entity import Entity
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


def test_the_fields_of_an_entity_are_stored_under_their_first_name() -> None:
    stored = {
        "entity_type": "comic",
        "source": "marvel",
        "source_id": "1",
        "title": "One",
        "description": "",
        "ingest_run_id": RECORD["run_id"],
        "record_checksum": "c",
        "extras": {"issue": 3},
    }
    entity = Entity.model_validate(stored)
    assert entity.fields == {"issue": 3}
    assert entity.model_dump(exclude_defaults=True) == stored
    assert Entity.model_validate_json(entity.model_dump_json()) == entity
