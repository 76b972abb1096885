"""Work on a whole index rather than on a page of a run: what the compactor's queue carries."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.models.base import Contract, CorpusName, RunId
from shared.models.forms import form
from shared.models.manifest import ModelIdentity

RebuildId = Annotated[
    str, Field(pattern=form(r"^[0-9a-f]{8,32}$", "the id of a rebuild: 8 to 32 hexadecimal digits"))
]
ShardId = Annotated[
    str,
    Field(
        pattern=form(
            r"^[0-9a-f-]{8,129}$", "the id of a shard, such as 1f0c9a7be2d84431-6b7d02c5a9e1f388"
        )
    ),
]


class MaintenanceTask(Contract):
    """What every such job carries."""

    corpus: CorpusName


class CompactJob(MaintenanceTask):
    """Merge these shards of an index into one; a job whose shards left the manifest is over."""

    kind: Literal["compact"] = "compact"
    model: ModelIdentity
    shard_ids: Annotated[tuple[ShardId, ...], Field(min_length=1, max_length=1000)]


class SweepJob(MaintenanceTask):
    """Delete the entities that a full run, whose pages are all done, did not see; end the run."""

    kind: Literal["sweep"] = "sweep"
    run_id: RunId
    seq: Annotated[int, Field(ge=0)]


class MaintainJob(MaintenanceTask):
    """Rewrite shards that are mostly dead, and collect garbage.

    The weekly rule of a corpus sends it, and the end of a rebuild does.
    """

    kind: Literal["maintain"] = "maintain"


class RebuildJob(MaintenanceTask):
    """Build one more shard of an index that is rebuilt from its stored vectors."""

    kind: Literal["rebuild"] = "rebuild"
    rebuild_id: RebuildId
    step: Annotated[int, Field(ge=0)]


MaintenanceJob = CompactJob | SweepJob | MaintainJob | RebuildJob
maintenance_job: TypeAdapter[MaintenanceJob] = TypeAdapter(
    Annotated[MaintenanceJob, Field(discriminator="kind")]
)
