"""Making an index anew from its stored vectors, a shard a job, and committing it as a whole."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.compactor.live_versions import (
    differing_entities,
    live_versions,
    open_live_catalogs,
)
from services.compactor.notes import read_note, write_note
from shared.errors import (
    ConflictError,
    CorruptObjectError,
    DimensionMismatchError,
    InvalidJobError,
    NotFoundError,
)
from shared.index.manifest_changes import RESTORE_CHANGE
from shared.index.manifest_store import CommitRetry, ManifestStore, describe_model
from shared.index.rebuild import ShardRebuilder, plan_steps
from shared.index.shard_cache import ShardCache
from shared.messaging.publisher import JobPublisher
from shared.models.base import Contract, CorpusName
from shared.models.maintenance import MaintainJob, RebuildJob
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.observability import logger
from shared.state.entity_versions import EntityVersions
from shared.storage.keys import embeddings_prefix, maintenance_key, manifest_key
from shared.storage.object_store import ObjectStore, ObjectSummary
from shared.storage.part_keys import parse_vectors_key

_ID_DIGITS = 16


class RebuildPlan(Contract):
    """What a rebuild replaces, as of version `made_from`, and the vectors of each new shard."""

    made_from: int
    replaced: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]


class BuiltShard(Contract):
    """What a step made; None when its vectors are of another model."""

    shard: ShardDescriptor | None


class FinishedRebuild(Contract):
    """The version that the rebuild committed."""

    version: int


@dataclass(frozen=True, slots=True)
class StartedRebuild:
    """What was begun; begun again while nothing changed, it is the same rebuild."""

    rebuild_id: str
    steps: int


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Rebuilds the indexes of one model.

    Each step leaves a note of the shard it built and publishes the next. The last one puts all of
    them in the place of the shards that were there when the rebuild began; what was committed
    meanwhile stays. After a restore that may be another state of the index than before: what
    `versions` remembers of the entities that differ is forgotten first, so that the next run
    embeds them rather than pass them for indexed.
    """

    store: ObjectStore
    model: ModelIdentity
    versions: EntityVersions
    publisher: JobPublisher
    work_directory: Path
    maximum_bytes: int
    threads: int = 1
    retry: CommitRetry | None = None

    def begin(self, corpus: CorpusName) -> StartedRebuild:
        """Plan the rebuild of a corpus's index and publish its first step.

        Raises:
            NotFoundError: no vectors are kept of the corpus.
        """
        parts = [
            found
            for found in self.store.list(embeddings_prefix(corpus))
            if parse_vectors_key(found.key) is not None
        ]
        if not parts:
            raise NotFoundError(
                f"no vectors are kept of corpus {corpus}; `ultron ingest` makes some"
            )
        rebuild_id = self._rebuild_id(corpus, parts)
        plan_key = self._note_key(corpus, rebuild_id, "plan")
        plan = read_note(self.store, plan_key, RebuildPlan)
        if plan is None:
            plan = self._plan(corpus, parts)
            write_note(self.store, plan_key, plan)
        self.publisher.publish([RebuildJob(corpus=corpus, rebuild_id=rebuild_id, step=0)])
        return StartedRebuild(rebuild_id, len(plan.steps))

    def _plan(self, corpus: CorpusName, parts: Iterable[ObjectSummary]) -> RebuildPlan:
        # Of a damaged index the newest version that can be read; of none, nothing.
        present = next(self._manifests(corpus).versions(), None)
        return RebuildPlan(
            made_from=present.version if present else 0,
            replaced=tuple(shard.shard_id for shard in present.shards) if present else (),
            steps=tuple(plan_steps(parts, self.maximum_bytes)),
        )

    def do_step(self, job: RebuildJob) -> None:
        """Do one step; doing it again changes nothing.

        Raises:
            NotFoundError: the rebuild is not known any more, or its vectors are of other models.
            InvalidJobError: the rebuild has no such step.
            CorruptObjectError: what is kept of a part cannot be used; names the key.
            ConflictError: the index was restored meanwhile.
        """
        if self.store.exists(self._note_key(job.corpus, job.rebuild_id, "finished")):
            logger.info("the rebuild is finished", extra={"rebuild_id": job.rebuild_id})
            return
        plan_key = self._note_key(job.corpus, job.rebuild_id, "plan")
        plan = read_note(self.store, plan_key, RebuildPlan)
        if plan is None:
            raise NotFoundError(f"{plan_key} is gone; begin the rebuild again")
        if job.step >= len(plan.steps):
            raise InvalidJobError(f"{plan_key} has {len(plan.steps)} steps, but none {job.step}")
        if self._built(job, job.step) is None:
            self._build(job, plan.steps[job.step])
        self._go_on(job, plan)

    def _build(self, job: RebuildJob, vector_keys: tuple[str, ...]) -> None:
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            builder = ShardRebuilder(self.store, job.corpus, self.model, Path(folder), self.threads)
            shard = builder.build(vector_keys, f"rebuild/{job.rebuild_id}/{job.step}")
        write_note(self.store, self._step_key(job, job.step), BuiltShard(shard=shard))
        vectors = shard.vectors if shard else 0
        details = {"corpus": job.corpus, "step": job.step, "vectors": vectors}
        logger.info("rebuilt a shard", extra=details)

    def _go_on(self, job: RebuildJob, plan: RebuildPlan) -> None:
        """Publish the next step or, after the last, commit what all of them built."""
        following = job.step + 1
        if following < len(plan.steps):
            self.publisher.publish([job.model_copy(update={"step": following})])
            return
        built = [self._built(job, step) for step in range(len(plan.steps))]
        if None in built:  # a note or a file of an earlier step was lost
            self.publisher.publish([job.model_copy(update={"step": built.index(None)})])
            return
        self._finish(job, plan, [note.shard for note in built if note and note.shard])

    def _finish(
        self, job: RebuildJob, plan: RebuildPlan, shards: Sequence[ShardDescriptor]
    ) -> None:
        if not shards:
            raise NotFoundError(
                f"none of the vectors of corpus {job.corpus} are of {describe_model(self.model)}; "
                "ingest it in full under that model"
            )
        self._require_no_restore(job.corpus, plan)
        self._forget_what_changes(job.corpus, plan, shards)
        change = f"rebuild:{job.rebuild_id}"
        manifest = self._manifests(job.corpus).rebuilt(plan.replaced, shards, change)
        finished = FinishedRebuild(version=manifest.version)
        write_note(self.store, self._note_key(job.corpus, job.rebuild_id, "finished"), finished)
        # What was committed meanwhile may hold rows that were built again, and are dead.
        self.publisher.publish([MaintainJob(corpus=job.corpus)])
        logger.info("rebuilt an index", extra={"corpus": job.corpus, **finished.model_dump()})

    def _forget_what_changes(
        self, corpus: CorpusName, plan: RebuildPlan, built: Sequence[ShardDescriptor]
    ) -> None:
        try:
            present = self._manifests(corpus).read().manifest.shards
        except (NotFoundError, CorruptObjectError, DimensionMismatchError):
            present = ()
        kept = [shard for shard in present if shard.shard_id not in plan.replaced]
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            cache = ShardCache(self.store, Path(folder))
            after = live_versions(open_live_catalogs([*kept, *built], cache))
            try:
                before = live_versions(open_live_catalogs(present, cache))
            except CorruptObjectError as error:
                logger.warning("what the index held is not known", extra={"reason": str(error)})
                before = {}  # so that all that was built differs
        self.versions.forget(corpus, self.model, differing_entities(before, after))

    def _require_no_restore(self, corpus: CorpusName, plan: RebuildPlan) -> None:
        for manifest in self._manifests(corpus).versions():
            if manifest.version <= plan.made_from:
                return
            if manifest.change.startswith(RESTORE_CHANGE):
                raise ConflictError(
                    f"{corpus} was restored ({manifest.change}) while it was rebuilt, so the "
                    "rebuild was not committed; begin it again if it is still wanted"
                )

    def _built(self, job: RebuildJob, step: int) -> BuiltShard | None:
        """What a step built, if that is still there."""
        note = read_note(self.store, self._step_key(job, step), BuiltShard)
        files = note.shard.files if note and note.shard else ()
        return note if all(self.store.exists(file.key) for file in files) else None

    def _rebuild_id(self, corpus: CorpusName, parts: Iterable[ObjectSummary]) -> str:
        """A hash of what the rebuild replaces and what it is made of."""
        try:
            etag = self.store.get(manifest_key(corpus, self.model)).etag
        except NotFoundError:
            etag = ""
        described = [self.model.model_dump_json(), etag, *(f"{p.key} {p.etag}" for p in parts)]
        return hashlib.sha256("\n".join(described).encode()).hexdigest()[:_ID_DIGITS]

    def _manifests(self, corpus: CorpusName) -> ManifestStore:
        return ManifestStore(self.store, corpus, self.model, self.retry)

    def _step_key(self, job: RebuildJob, step: int) -> str:
        return self._note_key(job.corpus, job.rebuild_id, f"step-{step:06d}")

    def _note_key(self, corpus: CorpusName, rebuild_id: str, name: str) -> str:
        return maintenance_key(corpus, self.model, f"rebuilds/{rebuild_id}/{name}.json")
