"""Rebuilds an index from its stored vectors, one shard per job, and commits it as a whole."""

import hashlib
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from services.compactor.notes import read_note, write_note
from services.compactor.rebuild.rebuild_notes import BuiltShard, FinishedRebuild, RebuildPlan
from services.compactor.rebuild.rebuilt_state import RebuiltState, StateReader
from shared.corpora.corpus_state import CorpusState
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.errors import (
    ConflictError,
    CorruptObjectError,
    DimensionMismatchError,
    InvalidJobError,
    LeaseHeldError,
    NotFoundError,
    PostponedError,
)
from shared.index.maintenance.rebuilt_shards import Admission, ShardRebuilder, plan_steps
from shared.index.manifest.manifest_changes import RESTORE_CHANGE
from shared.index.manifest.manifest_store import (
    CommitRetry,
    CommittedManifest,
    ManifestStore,
    describe_model,
)
from shared.index.shard.origin import is_sweep_origin
from shared.messaging.publisher import JobPublisher
from shared.models.base import CorpusName
from shared.models.maintenance import MaintainJob, RebuildJob
from shared.models.manifest import Manifest, ModelIdentity, ShardDescriptor
from shared.platform.observability import logger
from shared.runs.run_store import RunStore
from shared.storage.keys import embeddings_prefix, maintenance_key
from shared.storage.object_store import ObjectStore, ObjectSummary
from shared.storage.part_keys import parse_vectors_key

_ID_DIGITS = 16
# How long a rebuild waits at a time for the run that holds its corpus.
_WAIT_SECONDS = 300


def _new_holder() -> str:
    return f"rebuild-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class StartedRebuild:
    """What was begun; begun again while nothing changed, it is the same rebuild."""

    rebuild_id: str
    steps: int


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Rebuilds the indexes of one model.

    Each step leaves a note of the shard it built and publishes the next. The last one replaces the
    shards that were there when the rebuild began by all of them; what was committed meanwhile
    stays. When the floor rose meanwhile, the rebuild begins again: what it built may hold parts
    that are refused since.

    After a restore the rebuilt index may be another state than the present one. What is remembered
    of the entities that differ is forgotten first, so that the next run embeds them rather than
    take them for indexed. The rebuild then waits for the corpus to be free, so that no sweep
    decides beside it; and where a run may have found unchanged what it changes, the next run reads
    all of the source.
    """

    store: ObjectStore
    model: ModelIdentity
    runs: RunStore
    state: CorpusState
    floor: IndexFloor
    versions: EntityVersions
    publisher: JobPublisher
    work_directory: Path
    maximum_bytes: int
    threads: int = 1
    retry: CommitRetry | None = None
    lease_seconds: int = 900
    new_holder: Callable[[], str] = _new_holder

    def begin(self, corpus: CorpusName) -> StartedRebuild:
        """Plan the rebuild of a corpus's index and publish its first step.

        Raises:
            NotFoundError: no vectors are kept of the corpus.
        """
        # In this order: vectors are stored before their shard is committed, so whatever the
        # manifest names is among the parts that are listed after it.
        floor = self.floor.read(corpus)
        manifests = self._manifests(corpus)
        # Of a damaged index the newest version that can be read; of none, nothing.
        present = next(manifests.versions(), None)
        parts = [
            found
            for found in self.store.list(embeddings_prefix(corpus))
            if parse_vectors_key(found.key) is not None
        ]
        if not parts:
            raise NotFoundError(
                f"no vectors are kept of corpus {corpus}; `ultron ingest` makes some"
            )
        plan = RebuildPlan(
            made_from=present.version if present else 0,
            floor=floor,
            replaced=tuple(shard.shard_id for shard in present.shards) if present else (),
            steps=tuple(plan_steps(parts, self.maximum_bytes)),
        )
        rebuild_id = self._rebuild_id(plan, parts)
        plan_key = self._note_key(corpus, rebuild_id, "plan")
        if read_note(self.store, plan_key, RebuildPlan) is None:
            write_note(self.store, plan_key, plan)
        self.publisher.publish([RebuildJob(corpus=corpus, rebuild_id=rebuild_id, step=0)])
        return StartedRebuild(rebuild_id, len(plan.steps))

    def do_step(self, job: RebuildJob) -> None:
        """Do one step; doing it again changes nothing.

        Raises:
            NotFoundError: the rebuild is not known any more, or its vectors are of other models.
            InvalidJobError: the rebuild has no such step.
            CorruptObjectError: what is kept of a part cannot be used; names the key.
            ConflictError: the index was restored meanwhile.
            PostponedError: the rebuild changes what a run that is under way may rely on.
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
            self._build(job, plan.steps[job.step], plan.floor)
        self._go_on(job, plan)

    def _build(self, job: RebuildJob, vector_keys: tuple[str, ...], floor: int) -> None:
        self.work_directory.mkdir(parents=True, exist_ok=True)
        admits = self._admission(vector_keys, floor)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            builder = ShardRebuilder(
                self.store, job.corpus, self.model, Path(folder), admits, self.threads
            )
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

    def _admission(self, vector_keys: Iterable[str], floor: int) -> Admission:
        """Which parts belong to the index: below the floor those alone that were indexed in time.

        A sweep keeps what it deleted as a part, too, which belongs to no page.
        """
        found = [parse_vectors_key(key) for key in vector_keys]
        origins = {part.origin for part in found if part is not None}
        indexed = self.runs.ledger.indexed_origins(origins)
        return lambda origin, seq: seq >= floor or origin in indexed or is_sweep_origin(origin)

    def _finish(
        self, job: RebuildJob, plan: RebuildPlan, shards: Sequence[ShardDescriptor]
    ) -> None:
        if not shards:
            raise NotFoundError(
                f"none of the vectors of corpus {job.corpus} are of {describe_model(self.model)}; "
                "ingest it in full under that model"
            )
        # The present version before the look at restores: one that comes after both is not `over`.
        over = self._present(job.corpus)
        self._require_no_restore(job.corpus, plan)
        if not self.store.exists(self._note_key(job.corpus, job.rebuild_id, "plan")):
            raise NotFoundError(f"the index of {job.corpus} was deleted while it was rebuilt")
        if self.floor.read(job.corpus) != plan.floor:
            logger.info("the floor rose: rebuilding again", extra={"rebuild_id": job.rebuild_id})
            self.begin(job.corpus)
            return
        found = self._state_of(job.corpus, plan, over, shards)
        with self._held(job.corpus) if found.changed else nullcontext():
            manifest = self._commit(job, plan, over, shards, found)
        if manifest is None:
            self.publisher.publish([job])  # a commit or a sweep came in between: look again
        else:
            self._note_finished(job, manifest)

    def _state_of(
        self,
        corpus: CorpusName,
        plan: RebuildPlan,
        over: CommittedManifest | None,
        built: Sequence[ShardDescriptor],
    ) -> RebuiltState:
        present = over.manifest.shards if over is not None else ()
        kept = [shard for shard in present if shard.shard_id not in plan.replaced]
        reader = StateReader(self.store, self.runs.reader, self.work_directory)
        return reader.read(present, [*kept, *built], self.state.last_swept(corpus))

    def _commit(
        self,
        job: RebuildJob,
        plan: RebuildPlan,
        over: CommittedManifest | None,
        shards: Sequence[ShardDescriptor],
        found: RebuiltState,
    ) -> Manifest | None:
        """Commit over just that version; None where something came in between."""
        corpus = job.corpus
        if self.state.last_swept(corpus) != found.swept:
            return None
        self.versions.forget(corpus, self.model, found.changed)
        if found.is_relied_upon:
            self.state.forget_progress(corpus)
        origin = f"rebuild/{job.rebuild_id}/deleted"
        deletions = found.write_deletions(self.store, corpus, self.model, origin)
        change = f"rebuild:{job.rebuild_id}"
        added = [*shards, *deletions]
        return self._manifests(corpus).rebuilt(plan.replaced, added, change, over=over)

    @contextmanager
    def _held(self, corpus: CorpusName) -> Iterator[None]:
        """Keep runs away for the block.

        Raises:
            PostponedError: a run is under way.
        """
        holder = self.new_holder()
        try:
            self.state.close_abandoned_run(corpus, holder, self.runs)
            self.state.acquire_lease(corpus, holder, self.lease_seconds)
        except LeaseHeldError as error:
            raise PostponedError(f"the rebuild waits: {error}", _WAIT_SECONDS) from None
        try:
            yield
        finally:
            self.state.release_lease(corpus, holder)

    def _note_finished(self, job: RebuildJob, manifest: Manifest) -> None:
        finished = FinishedRebuild(version=manifest.version)
        write_note(self.store, self._note_key(job.corpus, job.rebuild_id, "finished"), finished)
        # What was committed meanwhile may hold rows that were built again, and are dead.
        self.publisher.publish([MaintainJob(corpus=job.corpus)])
        logger.info("rebuilt an index", extra={"corpus": job.corpus, **finished.model_dump()})

    def _present(self, corpus: CorpusName) -> CommittedManifest | None:
        try:
            return self._manifests(corpus).read()
        except (NotFoundError, CorruptObjectError, DimensionMismatchError):
            return None

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

    def _rebuild_id(self, plan: RebuildPlan, parts: Iterable[ObjectSummary]) -> str:
        """A hash of what the rebuild replaces and what it is made of."""
        described = [self.model.model_dump_json(), plan.model_dump_json()]
        described += [f"{part.key} {part.etag}" for part in parts]
        return hashlib.sha256("\n".join(described).encode()).hexdigest()[:_ID_DIGITS]

    def _manifests(self, corpus: CorpusName) -> ManifestStore:
        return ManifestStore(self.store, corpus, self.model, self.retry)

    def _step_key(self, job: RebuildJob, step: int) -> str:
        return self._note_key(job.corpus, job.rebuild_id, f"step-{step:06d}")

    def _note_key(self, corpus: CorpusName, rebuild_id: str, name: str) -> str:
        return maintenance_key(corpus, self.model, f"rebuilds/{rebuild_id}/{name}.json")
