"""The sweep after a full run: it deletes the entities that the run did not see in the source."""

import tempfile
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from services.compactor.live_versions import open_live_catalogs
from services.compactor.sweep.completion import Completion
from services.compactor.sweep.seen_entities import seen_keys
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusRegistry
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.embedding.model_files import model_prefix
from shared.errors import ConflictError, LeaseHeldError, NotFoundError
from shared.index.catalog.catalog import hash_entity_key
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.index.shard.origin import SWEEP_PAGE, sweep_origin
from shared.index.shard.shard_writer import ShardContent, ShardSource, write_shard
from shared.index.shard.vector_file import StoredVectors, decode_vectors, encode_vectors
from shared.models.chunk import CoveredEntity
from shared.models.entity import NO_CONTENT, EntityVersion
from shared.models.jobs import Job
from shared.models.maintenance import SweepJob
from shared.models.manifest import ModelIdentity
from shared.models.run import RunProgress
from shared.platform.observability import logger
from shared.runs.run_store import RunStore
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore

_FEWEST_FOR_VALVE = 20
_SET_BACK = "the index was restored, repaired or deleted after the run had begun; run in full again"
_OTHER_MODEL = "the model changed after the run had begun; the next run is a full one"


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """What a sweep did; `reason` says why it deleted nothing where it could have."""

    deleted: int
    status: Literal["succeeded", "incomplete"] = "succeeded"
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Deletes what a full run did not see, and ends the run.

    A job that is delivered again at any point leads to the same state: the delivery that first
    writes the sweep's file of (no) vectors decides once what to delete. The sweep raises the floor
    to the run before it reads the manifest, so that late work of older runs brings nothing back.
    """

    store: ObjectStore
    model: ModelIdentity
    runs: RunStore
    state: CorpusState
    floor: IndexFloor
    versions: EntityVersions
    corpora: CorpusRegistry
    completion: Completion
    work_directory: Path
    lease_seconds: int = 3600

    def sweep(self, job: SweepJob) -> None:
        """Do the job; a run that does not wait for a sweep is left alone.

        Raises:
            NotFoundError: the run, its corpus or the entities of one of its pages are gone.
            CorruptObjectError: the manifest, a catalog or a page cannot be read; names the key.
        """
        if not self.runs.endings.awaits_sweep(job.run_id):
            logger.info("no sweep is due", extra={"swept_run_id": job.run_id})
            return
        progress = self.runs.reader.get_run(job.run_id)
        if progress.run.is_of_model(model_prefix(self.model)):
            outcome = self._sweep_alone(job, progress)
        else:
            outcome = SweepOutcome(0, reason=f"nothing was swept: {_OTHER_MODEL}")
        self.runs.endings.finish_sweep(
            job.run_id, outcome.deleted, status=outcome.status, reason=outcome.reason
        )
        details = {"deleted": outcome.deleted, "swept_run_id": job.run_id}
        logger.info("swept", extra=details | ({"reason": outcome.reason} if outcome.reason else {}))

    def _sweep_alone(self, job: SweepJob, progress: RunProgress) -> SweepOutcome:
        try:
            self.state.close_abandoned_run(job.corpus, job.run_id, self.runs)
            self.state.acquire_lease(job.corpus, job.run_id, self.lease_seconds)
        except LeaseHeldError as error:
            return SweepOutcome(0, reason=f"nothing was swept: {error}")
        try:
            return self._completed(job, progress, self._sweep(job, progress))
        finally:
            # A run that goes on holds its lease to its end. One that has ended took it for this, or
            # a duplicate delivery of this job ended it just before the lease was taken again.
            if self.runs.reader.get_run(job.run_id).is_ended:
                self.state.release_lease(job.corpus, job.run_id)

    def _sweep(self, job: SweepJob, progress: RunProgress) -> SweepOutcome:
        record = self._recorded(job)
        if record is None:
            if (reason := self._objection(job, progress)) is not None:
                return SweepOutcome(0, reason=f"nothing was swept: {reason}")
            seen = {hash_entity_key(key) for key in self._seen_keys(job)}
            planned = progress.run.records_planned
            if planned is not None and len(seen) < planned:
                return SweepOutcome(0, reason=f"nothing was swept: {_missed(len(seen), planned)}")
            self._keep_older_runs_out(job)
            vanished, live = self._vanished(job, seen)
            share = self.corpora.get(job.corpus).maximum_vanished_share
            if live >= _FEWEST_FOR_VALVE and len(vanished) > share * live:
                return SweepOutcome(0, "incomplete", _valve_reason(len(vanished), live, share))
            record = self._record(job, vanished)
        if not self._delete(job, record):
            return SweepOutcome(0, reason=f"nothing was swept: {_SET_BACK}")
        # A cancelled run may have been followed by a newer one, which saw what it did not.
        if self.runs.endings.awaits_sweep(job.run_id):
            self.state.note_swept(job.corpus, job.run_id, job.seq)
        return SweepOutcome(len(record))

    def _keep_older_runs_out(self, job: SweepJob) -> None:
        """Raise the floor, and let no commit of an older run land that was under way before."""
        self.floor.raise_to(job.corpus, job.seq)
        fenced = self.floor.fenced(job.corpus)
        # Of runs that succeeded all parts are recorded: an unchanged index keeps its version.
        if self.runs.reader.has_unfinished_runs(job.corpus, since_seq=fenced, before_seq=job.seq):
            ManifestStore(self.store, job.corpus, self.model).fence()
        self.floor.note_fenced(job.corpus, job.seq)

    def _completed(
        self, job: SweepJob, progress: RunProgress, outcome: SweepOutcome
    ) -> SweepOutcome:
        """Hand readers over to the index after a change of model, if it holds what the run saw."""
        if outcome.status != "succeeded" or not self.completion.is_due(job.corpus):
            return outcome
        if progress.pages_unchanged:
            return outcome  # what they hold is not known
        reason = self.completion.complete(job.corpus, self._seen_keys(job))
        return outcome if reason is None else SweepOutcome(outcome.deleted, "incomplete", reason)

    def _objection(self, job: SweepJob, progress: RunProgress) -> str | None:
        """Say why it is not known which entities the source has."""
        if self.floor.read(job.corpus) > job.seq:
            return _SET_BACK
        latest = self.state.latest_run(job.corpus)
        if latest is not None and latest.seq > job.seq:
            return f"run {latest.run_id} of {job.corpus} is newer"
        if progress.rejects:
            return (
                f"{progress.rejects} lines were rejected, and whose they were is not known; "
                "correct them in the source and run in full again"
            )
        if progress.pages_unchanged:
            return f"{progress.pages_unchanged} pages were not read, as the source called them old"
        return None

    def _vanished(self, job: SweepJob, seen: Set[bytes]) -> tuple[dict[str, EntityVersion], int]:
        """The deletions of entities that the run did not see, and how many entities there are."""
        manifests = ManifestStore(self.store, job.corpus, self.model)
        try:
            manifest = manifests.read().manifest
        except NotFoundError:
            return {}, 0
        deletion = EntityVersion(job.seq, sweep_origin(job.run_id), NO_CONTENT)
        vanished: dict[str, EntityVersion] = {}
        entities = 0
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            cache = ShardCache(self.store, Path(folder))
            for found in open_live_catalogs(manifest.shards, cache):
                with_content = found.with_content
                entities += int(with_content.sum())
                is_older = with_content & (found.catalog.entity_seqs < job.seq)
                for number in np.flatnonzero(is_older):
                    if found.catalog.entity_hashes[number].tobytes() not in seen:
                        vanished[found.catalog.entity_key(int(number))] = deletion
        return vanished, entities

    def _seen_keys(self, job: SweepJob) -> Iterator[str]:
        return seen_keys(self.store, self.runs.reader, job.run_id)

    def _recorded(self, job: SweepJob) -> Mapping[str, str] | None:
        """The entities that an earlier delivery decided to delete."""
        key = keys.embeddings_key(_page(job), 0)
        try:
            return decode_vectors(self.store.get(key).data, key).checksums or {}
        except NotFoundError:
            return None

    def _record(self, job: SweepJob, vanished: Mapping[str, EntityVersion]) -> Mapping[str, str]:
        """Begin the deletions, so that what comes back is indexed again, and keep the decision."""
        newer = self.versions.begin(job.corpus, self.model, vanished)
        deleted = {key: v.checksum for key, v in sorted(vanished.items()) if key not in newer}
        if not deleted:
            # A duplicate delivery may have decided, and deleted all, since this one looked.
            return self._recorded(job) or {}
        rows = np.empty((0, self.model.dims), dtype=np.float32)
        stored = StoredVectors((), rows, sweep_origin(job.run_id), job.seq, deleted)
        metadata = {"model-id": self.model.id, "model-revision": self.model.revision}
        key = keys.embeddings_key(_page(job), 0)
        try:
            self.store.put(key, encode_vectors(stored), metadata=metadata, if_absent=True)
        except ConflictError:  # a duplicate delivery decided first
            decided = self._recorded(job)
            if decided is None:
                raise  # what is not there is no decision, least of all one to delete nothing
            return decided
        return deleted

    def _delete(self, job: SweepJob, record: Mapping[str, str]) -> bool:
        """Commit the deletions; whether the floor still admits them."""
        if not record:
            return True
        lines = jsonl.encode_models(CoveredEntity(entity_key=key) for key in record)
        self.store.put(keys.chunks_key(_page(job), 0), lines, content_type=jsonl.CONTENT_TYPE)
        origin = sweep_origin(job.run_id)
        entities = {
            key: EntityVersion(job.seq, origin, checksum) for key, checksum in record.items()
        }
        shard = write_shard(
            self.store,
            ShardSource(job.corpus, self.model, origin, job.seq),
            ShardContent(entities, []),
            np.empty((0, self.model.dims), dtype=np.float32),
        )
        committed = ManifestStore(self.store, job.corpus, self.model).commit(
            [shard], "sweep", floor=lambda: self.floor.read(job.corpus)
        )
        return any(found.origin == origin for found in committed.shards) or (
            self.floor.read(job.corpus) <= job.seq
        )


def _page(job: SweepJob) -> Job:
    """The sweep as if it were a page of its run: what it deletes is kept like any part."""
    return Job(corpus=job.corpus, run_id=job.run_id, page_id=SWEEP_PAGE, seq=job.seq)


def _missed(seen: int, planned: int) -> str:
    return (
        f"the source spoke of {planned} records and showed {seen} different ones, as it changed "
        "while it was read; the next full run looks again"
    )


def _valve_reason(vanished: int, live: int, share: float) -> str:
    return (
        f"{vanished} of {live} entities would vanish, more than the share of {share:g} that "
        "maximum_vanished_share of the corpus allows, so none was deleted; if the source is right, "
        "set maximum_vanished_share to 1 and run in full again"
    )
