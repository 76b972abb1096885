"""One manifest commit for all the shards of a batch that belong to one index."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from aws_lambda_powertools.metrics import MetricUnit

from shared.corpora.index_floor import IndexFloor
from shared.errors import CorruptObjectError, InvalidJobError
from shared.index.manifest.manifest_store import CommitRetry, ManifestStore
from shared.index.shard.origin import is_named_after, shard_origin
from shared.models.base import CorpusName
from shared.models.jobs import IndexJob
from shared.models.manifest import Manifest, ModelIdentity
from shared.platform.observability import logger, metrics
from shared.runs.run_store import RunStore
from shared.storage.keys import index_prefix
from shared.storage.object_store import ObjectStore

_Group = tuple[CorpusName, ModelIdentity]
_PARALLEL_CHECKS = 16


@dataclass(frozen=True, slots=True)
class GroupCommitter:
    """Commits and records a batch of index jobs.

    `request_merges` is told each manifest that was committed, and asks for compactions.
    """

    store: ObjectStore
    runs: RunStore
    floor: IndexFloor
    request_merges: Callable[[Manifest], int]
    retry: CommitRetry = field(default_factory=CommitRetry)

    def commit_batch(self, jobs: Sequence[IndexJob]) -> Mapping[int, Exception]:
        """Commit each index once, then record its jobs.

        Returns:
            The error of each job that failed, by its position. A job that names files of another
            index, comes so late that its files are gone, or cannot be recorded, fails alone; a
            group fails together when its manifest cannot be written. A job below the corpus's
            floor is recorded as outdated, and nothing of it is committed.
        """
        errors: dict[int, Exception] = {}
        groups: dict[_Group, dict[int, IndexJob]] = {}
        with ThreadPoolExecutor(_PARALLEL_CHECKS) as pool:
            checked = list(pool.map(self._objection, jobs))
        for position, (job, objection) in enumerate(zip(jobs, checked, strict=True)):
            if objection is not None:
                errors[position] = objection
            else:
                groups.setdefault((job.corpus, job.shard.model), {})[position] = job
        for group, members in groups.items():
            errors |= self._commit_group(group, members)
        return errors

    def _commit_group(self, group: _Group, jobs: Mapping[int, IndexJob]) -> dict[int, Exception]:
        manifests = ManifestStore(self.store, *group, self.retry)
        shards = [job.shard for job in jobs.values()]
        floor = _FloorAtCommit(self.floor, group[0])
        try:
            manifest = manifests.commit(shards, floor=floor)
        except Exception as error:  # noqa: BLE001 - becomes the failure of these messages
            return dict.fromkeys(jobs, error)
        metrics.add_metric("ManifestCommits", MetricUnit.Count, 1)
        errors: dict[int, Exception] = {}
        committed = {shard.origin for shard in manifest.shards}
        for position, job in jobs.items():
            try:
                self._record(job, is_outdated=_is_outdated(job, floor.seq, committed))
            except Exception as error:  # noqa: BLE001 - becomes the failure of this message
                errors[position] = error
        self._request_merges(manifest)
        return errors

    def _record(self, job: IndexJob, *, is_outdated: bool) -> None:
        if is_outdated:
            self.runs.ledger.record_outdated_part(job, part=job.part, parts=job.parts)
            logger.info("refused an outdated shard", extra={"origin": job.shard.origin})
        else:
            self.runs.ledger.record_stage(
                job, "indexer", {"shards": 1}, part=job.part, parts=job.parts
            )

    def _objection(self, job: IndexJob) -> Exception | None:
        """Say why no manifest may name the job's shard; none ever names what is missing.

        The files of a job that comes late, or again, may be deleted: its shard was committed and
        merged away since, which the job does not know.
        """
        if problem := _problem(job):
            return InvalidJobError(problem)
        try:
            gone = [file.key for file in job.shard.files if not self.store.exists(file.key)]
            if gone and job.seq >= self.floor.read(job.corpus):
                return CorruptObjectError(
                    f"{gone[0]} of shard {job.shard.shard_id} is gone; embed the part again"
                )
        except Exception as error:  # noqa: BLE001 - becomes the failure of this message
            return error
        return None

    def _request_merges(self, manifest: Manifest) -> None:
        try:
            self.request_merges(manifest)
        except Exception as error:  # noqa: BLE001 - the shards are committed all the same
            # The next batch, or the weekly maintenance, plans the same merges again.
            logger.warning(
                "no compaction could be asked for",
                extra={"corpus": manifest.corpus, "error": type(error).__name__},
            )


@dataclass(slots=True)
class _FloorAtCommit:
    """Reads a corpus's floor for each attempt to commit; `seq` is what the last one went by."""

    floor: IndexFloor
    corpus: CorpusName
    seq: int = 0

    def __call__(self) -> int:
        self.seq = self.floor.read(self.corpus)
        return self.seq


def _is_outdated(job: IndexJob, floor_seq: int, committed: Collection[str]) -> bool:
    """Whether a job was refused; one that an earlier delivery committed in time was not."""
    return job.seq < floor_seq and job.shard.origin not in committed


def _problem(job: IndexJob) -> str | None:
    """Say why a shard cannot be the work of this job, so that no manifest ever names it."""
    shard = job.shard
    if shard.origin != shard_origin(job):
        return f"shard {shard.shard_id} comes from {shard.origin}, not from {shard_origin(job)}"
    if shard.seq != job.seq:
        return f"shard {shard.shard_id} is of seq {shard.seq}, not of {job.seq} as its job"
    if not is_named_after(shard.shard_id, shard.origin):
        return f"shard {shard.shard_id} is not named after its origin {shard.origin}"
    prefix = index_prefix(job.corpus, shard.model)
    for file in shard.files:
        if not file.key.startswith(prefix):
            return f"{file.key} of shard {shard.shard_id} lies outside of {prefix}"
    return None
