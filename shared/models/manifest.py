"""The live index: shards and the manifest that names them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.models.base import Contract, CorpusName

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FileReference(Contract):
    """One stored file and what it must hash to."""

    key: Annotated[str, Field(min_length=1)]
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class ModelIdentity(Contract):
    """Which vectors these are; two indexes may meet only when all of it is equal."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    dims: Annotated[int, Field(ge=1, le=8192)]


class ShardDescriptor(Contract):
    """An immutable shard: an HNSW graph (absent when it holds no vector) and its SQLite sidecar.

    `origin` is the identity of the job that made it (`<run>/<page>/<part>`): a manifest holds an
    origin once, whatever is redelivered. `entities` counts the entities it speaks for, including
    those whose text became empty.
    """

    shard_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}(-[0-9a-f]{8,64})?$")]
    origin: Annotated[str, Field(min_length=1, max_length=400)]
    seq: Annotated[int, Field(ge=0)]
    model: ModelIdentity
    vectors: Annotated[int, Field(ge=0)]
    entities: Annotated[int, Field(ge=0)]
    graph: FileReference | None
    sidecar: FileReference


class Manifest(Contract):
    """The committed state of one index; versions only grow."""

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    corpus: CorpusName
    model: ModelIdentity
    version: Annotated[int, Field(ge=0)]
    committed_at: datetime
    shards: tuple[ShardDescriptor, ...] = ()
