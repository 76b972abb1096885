"""One manifest commit for all the shards of a batch that belong to one index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_lambda_powertools.metrics import MetricUnit

from shared.errors import InvalidJobError
from shared.index.manifest_store import CommitRetry, ManifestStore
from shared.index.origin import is_named_after, shard_origin
from shared.models.jobs import IndexJob
from shared.models.manifest import ModelIdentity
from shared.observability import metrics
from shared.state.runs import RunStore
from shared.storage.keys import index_prefix
from shared.storage.object_store import ObjectStore

_Group = tuple[str, ModelIdentity]


@dataclass(frozen=True, slots=True)
class GroupCommitter:
    """Commits and records a batch of index jobs."""

    store: ObjectStore
    runs: RunStore
    retry: CommitRetry = field(default_factory=CommitRetry)

    def commit_batch(self, jobs: Sequence[IndexJob]) -> Mapping[int, Exception]:
        """Commit each index once, then record its jobs.

        Returns:
            The error of each job that failed, by its position. A job that names files of another
            index, or that cannot be recorded, fails alone; a group fails together when its
            manifest cannot be written.
        """
        errors: dict[int, Exception] = {}
        groups: dict[_Group, dict[int, IndexJob]] = {}
        for position, job in enumerate(jobs):
            if problem := _problem(job):
                errors[position] = InvalidJobError(problem)
            else:
                groups.setdefault((job.corpus, job.shard.model), {})[position] = job
        for group, members in groups.items():
            errors |= self._commit_group(group, members)
        return errors

    def _commit_group(self, group: _Group, jobs: Mapping[int, IndexJob]) -> dict[int, Exception]:
        manifests = ManifestStore(self.store, *group, self.retry)
        try:
            manifests.commit([job.shard for job in jobs.values()])
        except Exception as error:  # noqa: BLE001 - becomes the failure of these messages
            return dict.fromkeys(jobs, error)
        metrics.add_metric("ManifestCommits", MetricUnit.Count, 1)
        errors: dict[int, Exception] = {}
        for position, job in jobs.items():
            try:
                counts = {"shards": 1}
                self.runs.record_stage(job, "index", counts, part=job.part, parts=job.parts)
            except Exception as error:  # noqa: BLE001 - becomes the failure of this message
                errors[position] = error
        return errors


def _problem(job: IndexJob) -> str | None:
    """Say why a shard cannot be the work of this job, so that no manifest ever names it."""
    shard = job.shard
    if shard.origin != shard_origin(job):
        return f"shard {shard.shard_id} comes from {shard.origin}, not from {shard_origin(job)}"
    if not is_named_after(shard.shard_id, shard.origin):
        return f"shard {shard.shard_id} is not named after its origin {shard.origin}"
    prefix = index_prefix(job.corpus, shard.model)
    files = [file for file in (shard.graph, shard.sidecar) if file is not None]
    for file in files:
        if not file.key.startswith(prefix):
            return f"{file.key} of shard {shard.shard_id} lies outside of {prefix}"
    return None
