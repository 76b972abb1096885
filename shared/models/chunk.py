"""Chunks, and the lines of a chunk file."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.models.base import Contract
from shared.models.entity import Scalar


class ChunkMetadata(Contract):
    """What a search result shows of the entity; carried so that a shard answers alone."""

    entity_type: str
    source_id: str
    title: str
    urls: tuple[str, ...] = ()
    modified: str | None = None
    attribution: str | None = None
    source_path: str
    fields: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)


class Chunk(Contract):
    """A passage of one entity; `chunk_id` is `<entity key>-001`, counted from 1."""

    type: Literal["chunk"] = "chunk"
    chunk_id: Annotated[str, Field(min_length=1)]
    parent: Annotated[str, Field(min_length=1)]
    text: Annotated[str, Field(min_length=1)]
    overlap_with: str | None = None
    metadata: ChunkMetadata


class CoveredEntity(Contract):
    """Says that this file speaks for an entity, even when the entity has no chunk any more."""

    type: Literal["entity"] = "entity"
    entity_key: Annotated[str, Field(min_length=1)]


ChunkFileLine = Annotated[Chunk | CoveredEntity, Field(discriminator="type")]
chunk_file_line: TypeAdapter[Chunk | CoveredEntity] = TypeAdapter(ChunkFileLine)
