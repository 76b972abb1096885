"""How chunks are distributed over embed jobs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared.models.chunk import Chunk, CoveredEntity


@dataclass(frozen=True, slots=True)
class ChunkedEntity:
    """An entity's key and its chunks; without chunks, its text is gone."""

    entity_key: str
    chunks: Sequence[Chunk]


def split_parts(
    entities: Iterable[ChunkedEntity], maximum_chunks: int
) -> Iterator[list[ChunkedEntity]]:
    """Yield groups of at most `maximum_chunks` chunks, never splitting an entity.

    A shard speaks for its entities as a whole: an entity over two shards would make one of them
    hide the other. An entity with more chunks than that makes a group alone.
    """
    group: list[ChunkedEntity] = []
    size = 0
    for entity in entities:
        if group and size + len(entity.chunks) > maximum_chunks:
            yield group
            group, size = [], 0
        group.append(entity)
        size += len(entity.chunks)
    if group:
        yield group


def file_lines(part: Iterable[ChunkedEntity]) -> Iterator[Chunk | CoveredEntity]:
    """Yield the lines of a chunk file: each entity, then its chunks."""
    for entity in part:
        yield CoveredEntity(entity_key=entity.entity_key)
        yield from entity.chunks
