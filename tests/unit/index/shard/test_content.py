from shared.index.shard.content import content_checksum
from shared.models.corpus import ChunkingSettings
from shared.models.entity import Entity
from shared.text.chunking import TEXT_VERSION, chunk_entity

ENTITY = Entity(
    entity_type="note",
    source="test",
    source_id="1",
    title="A note",
    description="It says something.",
    ingest_run_id="20261123T060000Z-1a2b3c4d",
    record_checksum="0" * 64,
)


def test_a_run_does_not_change_what_an_entity_says() -> None:
    first, second = (
        content_checksum(chunk_entity(ENTITY, raw, ChunkingSettings()))
        for raw in ("raw/1", "raw/2")
    )
    assert first == second


def test_an_entity_changes_with_the_version_of_text_processing() -> None:
    chunks = chunk_entity(ENTITY, "raw/1", ChunkingSettings())
    versions = [content_checksum(chunks, TEXT_VERSION + more) for more in range(3)]
    assert len(set(versions)) == len(versions)
    assert content_checksum([], TEXT_VERSION) != content_checksum([], TEXT_VERSION + 1)


def test_the_first_version_keeps_the_checksums_of_earlier_releases() -> None:
    assert content_checksum([], 1) == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
