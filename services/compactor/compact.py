"""Merging the shards of one job to one, so that it is committed once or not at all."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import AwareDatetime

from services.compactor.notes import read_note, write_note
from shared.errors import CorruptObjectError, NotFoundError
from shared.index.maintenance.merging import Merger, compaction_origin
from shared.index.manifest.manifest_store import CommitRetry, ManifestStore
from shared.models.base import Contract
from shared.models.maintenance import CompactJob
from shared.models.manifest import Manifest, ShardDescriptor
from shared.platform.observability import logger, metrics
from shared.storage.keys import maintenance_key
from shared.storage.object_store import ObjectStore
from shared.table.table_clock import TableClock


class CompactionNote(Contract):
    """A merge whose files are uploaded: the shard, None when nothing was live.

    `made_from` is the version of the manifest that said which rows were live.
    """

    shard: ShardDescriptor | None
    made_from: int
    written_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Compactor:
    """Does compact jobs.

    A job whose shards left the manifest is over: what it made, if anything, becomes garbage. One
    that died after its upload goes straight to the commit. `request_merges` is told the manifest
    at the end, as merged shards may be worth a separate merge. `clock` is the table's: a
    machine that is days ahead would drop what is remembered of deleted entities too early. Notes
    older than `notes_trusted_for` are passed over: the files that one speaks of may be deleted.
    """

    store: ObjectStore
    work_directory: Path
    request_merges: Callable[[Manifest], int]
    clock: TableClock
    notes_trusted_for: timedelta
    threads: int = 1
    retry: CommitRetry | None = None

    def compact(self, job: CompactJob) -> None:
        """Do the job; doing it again changes nothing.

        Raises:
            CorruptObjectError: the manifest or a file of a shard cannot be read; names the key.
            ConflictError: other committers won every attempt to commit.
        """
        manifests = ManifestStore(self.store, job.corpus, job.model, self.retry, self.clock.now)
        try:
            manifest = manifests.read().manifest
        except NotFoundError:
            self._log_over(job, "there is no index any more")
            return
        if set(job.shard_ids) <= {shard.shard_id for shard in manifest.shards}:
            manifest = self._replace(job, manifests, manifest) or manifest
        else:
            self._log_over(job, "its shards are not in the index any more")
        self.request_merges(manifest)

    def _replace(
        self, job: CompactJob, manifests: ManifestStore, manifest: Manifest
    ) -> Manifest | None:
        note = self._usable_note(job) or self._merge(job, manifest)
        committed = manifests.replace(
            job.shard_ids,
            [note.shard] if note.shard else [],
            "compact",
            made_from=note.made_from,
        )
        if committed is None:
            # The decision is outdated: the next compaction plan decides again.
            self.store.delete(_note_key(job))
            self._log_over(job, "its shards were replaced or brought back meanwhile")
            return None
        merged = sum(s.vectors for s in manifest.shards if s.shard_id in job.shard_ids)
        left = note.shard.vectors if note.shard else 0
        metrics.add_metric("ShardsMerged", MetricUnit.Count, len(job.shard_ids))
        metrics.add_metric("DeadRowsDropped", MetricUnit.Count, max(0, merged - left))
        logger.info(
            "compacted",
            extra={"corpus": job.corpus, "shards": len(job.shard_ids), "vectors": left,
                   "dropped": merged - left, "version": committed.version},
        )  # fmt: skip
        return committed

    def _merge(self, job: CompactJob, manifest: Manifest) -> CompactionNote:
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            merger = Merger(self.store, Path(folder), self.threads, now=self.clock.now)
            shard = merger.merge(manifest, job.shard_ids)
        note = CompactionNote(shard=shard, made_from=manifest.version, written_at=self.clock.now())
        write_note(self.store, _note_key(job), note)
        return note

    def _usable_note(self, job: CompactJob) -> CompactionNote | None:
        try:
            note = read_note(self.store, _note_key(job), CompactionNote)
        except CorruptObjectError as error:
            logger.warning("merging again", extra={"reason": str(error)})
            return None
        if note is None or self.clock.now() - note.written_at > self.notes_trusted_for:
            return None
        files = note.shard.files if note.shard else ()
        return note if all(self.store.exists(file.key) for file in files) else None

    def _log_over(self, job: CompactJob, reason: str) -> None:
        logger.info("a compaction is over", extra={"corpus": job.corpus, "reason": reason})


def _note_key(job: CompactJob) -> str:
    name = compaction_origin(job.shard_ids).rpartition("/")[2]
    return maintenance_key(job.corpus, job.model, f"compactions/{name}.json")
