from hypothesis import given
from hypothesis import strategies as st

from services.chunker.parts import ChunkedEntity, file_lines, split_parts
from shared.models.chunk import Chunk, ChunkMetadata

METADATA = ChunkMetadata(entity_type="comic", source_id="1", title="t", source_path="raw/x")


def make(number: int, chunks: int) -> ChunkedEntity:
    key = f"comic:{number}"
    return ChunkedEntity(
        key,
        [
            Chunk(chunk_id=f"{key}-{n:03d}", parent=key, text="x", metadata=METADATA)
            for n in range(1, chunks + 1)
        ],
    )


@given(st.lists(st.integers(0, 12)), st.integers(1, 10))
def test_parts_keep_order_and_entities_whole(sizes: list[int], maximum: int) -> None:
    entities = [make(number, size) for number, size in enumerate(sizes)]
    parts = list(split_parts(entities, maximum))
    assert [entity for part in parts for entity in part] == entities
    for part in parts:
        assert part
        assert len(part) == 1 or sum(len(e.chunks) for e in part) <= maximum


def test_an_entity_without_chunks_is_still_spoken_for() -> None:
    lines = list(file_lines([make(1, 0), make(2, 1)]))
    assert [line.type for line in lines] == ["entity", "entity", "chunk"]
