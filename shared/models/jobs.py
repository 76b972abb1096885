"""Queue messages: small, hold pointers only, and their identity fixes every key they lead to."""

from typing import Annotated, Literal

from pydantic import Field

from shared.models.base import Contract, CorpusName, PageId, RunId
from shared.models.manifest import ShardDescriptor

LARGEST_MESSAGE_BYTES = 250_000
"""What a job may have as JSON: a queue takes 256 KiB, and a job that has to wait grows a little."""


_LAST_SEQ = 253_402_300_799_999  # at the end of the year 9999: there is no later moment


class Job(Contract):
    """What every job carries.

    `seq` orders versions of an entity: milliseconds since the epoch at which the run began.
    `postponements` is how often the job was sent again because it had to wait.
    """

    corpus: CorpusName
    run_id: RunId
    page_id: PageId
    seq: Annotated[int, Field(ge=0, le=_LAST_SEQ)]
    postponements: Annotated[int, Field(ge=0)] = 0


class PageJob(Job):
    """Fetch one page of a source; `query` is what `Source.plan` made and `Source.fetch` reads."""

    kind: Literal["page"] = "page"
    endpoint: Annotated[str, Field(min_length=1, max_length=100)]
    query: dict[str, str]


class DeriveJob(Job):
    """Turn one raw object into canonical entities and edges."""

    kind: Literal["derive"] = "derive"
    endpoint: Annotated[str, Field(min_length=1, max_length=100)]
    raw_key: Annotated[str, Field(min_length=1)]


class ChunkJob(Job):
    """Split the entities of one page into chunks."""

    kind: Literal["chunk"] = "chunk"
    entities_key: Annotated[str, Field(min_length=1)]


class EmbedJob(Job):
    """Embed one part of a page's chunks; parts are numbered from 0, `parts` is their total."""

    kind: Literal["embed"] = "embed"
    part: Annotated[int, Field(ge=0)]
    parts: Annotated[int, Field(ge=1)]
    chunks_key: Annotated[str, Field(min_length=1)]


class IndexJob(Job):
    """Commit one finished shard to the manifest."""

    kind: Literal["index"] = "index"
    part: Annotated[int, Field(ge=0)]
    parts: Annotated[int, Field(ge=1)]
    shard: ShardDescriptor
