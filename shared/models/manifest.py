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
    """An immutable shard: a catalog, and unless it holds no row, an HNSW graph and a sidecar.

    The catalog says which entities the shard speaks for, which rows are whose, and what filters
    ask; the SQLite sidecar holds texts and words. `origin` is the identity of the job that made
    the shard (`<run>/<page>/<part>`, `compact/<hash>`, …): a manifest holds an origin once,
    whatever is redelivered. `entities` counts the entities it speaks for, including those whose
    text is gone. `fields` are the metadata fields that its rows can be filtered by.
    """

    shard_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}(-[0-9a-f]{8,64})?$")]
    origin: Annotated[str, Field(min_length=1, max_length=400)]
    seq: Annotated[int, Field(ge=0)]
    model: ModelIdentity
    vectors: Annotated[int, Field(ge=0)]
    entities: Annotated[int, Field(ge=0)]
    catalog: FileReference
    graph: FileReference | None
    sidecar: FileReference | None
    fields: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[FileReference, ...]:
        """Every file of the shard."""
        return tuple(file for file in (self.catalog, self.graph, self.sidecar) if file is not None)

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.files)


class Manifest(Contract):
    """The committed state of one index; versions only grow.

    `change` says what made this version: `commit`, `compact`, `sweep`, `fence`, `complete`,
    `rebuild:<id>`, `restore:<version>` or `bad:<shard>`. `generation` is None while the index is
    built beside that of another model; of the complete ones, readers keep to the greatest.
    """

    schema_version: Annotated[int, Field(ge=2, le=2)] = 2
    corpus: CorpusName
    model: ModelIdentity
    version: Annotated[int, Field(ge=0)]
    committed_at: datetime
    change: Annotated[str, Field(min_length=1, max_length=100)] = "commit"
    generation: Annotated[int, Field(ge=0)] | None = 0
    shards: tuple[ShardDescriptor, ...] = ()
