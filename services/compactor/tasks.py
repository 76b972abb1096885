"""Which part of the compactor does what: jobs of its queue, and tasks it is asked for directly."""

from dataclasses import asdict, dataclass
from typing import Any

from services.compactor.compact import Compactor
from services.compactor.maintain import Maintainer
from services.compactor.mark_bad import ShardMarker
from services.compactor.rebuild.rebuild_index import Rebuilder
from services.compactor.request import DirectRequest, MarkBadTask
from services.compactor.restore import Restorer
from services.compactor.sweep.sweep_run import Sweeper
from shared.models.maintenance import CompactJob, MaintainJob, MaintenanceJob, SweepJob


@dataclass(frozen=True, slots=True)
class Tasks:
    """All that the compactor can do."""

    compactor: Compactor
    sweeper: Sweeper
    maintainer: Maintainer
    rebuilder: Rebuilder
    restorer: Restorer
    marker: ShardMarker

    def do_job(self, job: MaintenanceJob) -> None:
        """Do a job of the queue."""
        if isinstance(job, CompactJob):
            self.compactor.compact(job)
        elif isinstance(job, SweepJob):
            self.sweeper.sweep(job)
        elif isinstance(job, MaintainJob):
            self.maintainer.maintain(job.corpus)
        else:
            self.rebuilder.do_step(job)

    def answer(self, request: DirectRequest) -> dict[str, Any]:
        """Do what was asked for directly, or begin it; what it raises is for the caller."""
        if request.restore is not None:
            manifest = self.restorer.restore(request.restore.corpus, request.restore.version)
            return {
                "corpus": manifest.corpus,
                "version": manifest.version,
                "restored": request.restore.version,
                "shards": len(manifest.shards),
                "vectors": sum(shard.vectors for shard in manifest.shards),
            }
        if request.mark_bad is not None:
            return self._mark_bad(request.mark_bad)
        if request.rebuild is not None:
            started = self.rebuilder.begin(request.rebuild.corpus)
            return {"corpus": request.rebuild.corpus, **asdict(started)}
        if request.maintain is not None:
            report = self.maintainer.maintain(request.maintain.corpus)
            return {"corpus": request.maintain.corpus, **asdict(report)}
        raise AssertionError("the request was checked to name a task")

    def _mark_bad(self, task: MarkBadTask) -> dict[str, Any]:
        marked = self.marker.mark_bad(task.corpus, task.shard, rebuild=task.rebuild)
        return {
            "corpus": task.corpus,
            "version": marked.manifest.version,
            "shards": len(marked.manifest.shards),
            "vectors": sum(shard.vectors for shard in marked.manifest.shards),
            "entities": marked.entities,
            "rebuild": None if marked.rebuild is None else asdict(marked.rebuild),
        }
