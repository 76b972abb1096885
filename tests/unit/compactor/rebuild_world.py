"""An index that is rebuilt job by job, and stand-ins for the table and the queue."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from services.compactor.rebuild.rebuild_index import Rebuilder, StartedRebuild
from shared.corpora.corpus_state import CorpusState
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.errors import LeaseHeldError
from shared.index.manifest.manifest_store import ManifestStore
from shared.messaging.publisher import JobPublisher
from shared.models.maintenance import RebuildJob
from shared.models.manifest import Manifest, ModelIdentity
from tests.unit.compactor.compactor_builders import Index, Publisher
from tests.unit.index.index_builders import CORPUS, MODEL
from tests.unit.index.rebuild_builders import RUN_1, RUN_2, SEQS, Kept
from tests.unit.run_fakes import run_store_of

ONE_PART = 1
"""So few bytes that every part becomes its own shard."""


@dataclass
class Remembered:
    """Stands in for the table: the floor, the lease, and which entities were forgotten."""

    forgotten: set[str] = field(default_factory=set)
    indexed: set[str] = field(default_factory=set)
    floor: int = 0
    held_by: str | None = None
    reads_again: bool = False
    after_read: Callable[[], object] | None = None
    """What happens just after the floor is read the next time."""

    def read(self, corpus: str) -> int:
        floor = self.floor
        after_read, self.after_read = self.after_read, None
        if after_read is not None:
            after_read()
        return floor

    def indexed_origins(self, origins: Iterable[str]) -> set[str]:
        return self.indexed & set(origins)

    def close_abandoned_run(self, corpus: str, holder: str, runs: object) -> None:
        """No run is abandoned here."""

    def last_swept(self, corpus: str) -> None:
        """No run was swept yet."""

    def acquire_lease(self, corpus: str, holder: str, seconds: int) -> None:
        if self.held_by is not None:
            raise LeaseHeldError(f"corpus {corpus} is being ingested by run {self.held_by}")
        self.held_by = holder

    def release_lease(self, corpus: str, holder: str) -> None:
        assert self.held_by == holder
        self.held_by = None

    def forget_progress(self, corpus: str) -> None:
        self.reads_again = True

    def forget(self, corpus: str, model: ModelIdentity, keys: Iterable[str]) -> None:
        self.forgotten.update(keys)


@dataclass
class World:
    """An index whose parts are kept, and a queue whose jobs are done one after another."""

    directory: Path
    maximum_bytes: int = ONE_PART
    publisher: Publisher = field(default_factory=Publisher)
    done: list[RebuildJob] = field(default_factory=list)
    remembered: Remembered = field(default_factory=Remembered)

    def __post_init__(self) -> None:
        self.index = Index(self.directory)
        self.kept = Kept(self.directory, self.index.store)

    @property
    def rebuilder(self) -> Rebuilder:
        return Rebuilder(
            store=self.index.store,
            model=MODEL,
            runs=run_store_of(self.remembered),
            state=cast(CorpusState, self.remembered),
            floor=cast(IndexFloor, self.remembered),
            versions=cast(EntityVersions, self.remembered),
            publisher=cast(JobPublisher, self.publisher),
            work_directory=self.directory / "work",
            maximum_bytes=self.maximum_bytes,
        )

    def keep_parts(self) -> None:
        self.kept.put({"hero:1": 2, "hero:2": 1})
        self.kept.put({"hero:3": 1}, part=1)
        self.kept.put({"hero:1": 1}, run=RUN_2)

    def begin(self) -> StartedRebuild:
        return self.rebuilder.begin(CORPUS)

    def take(self) -> list[RebuildJob]:
        jobs = [job for job in self.publisher.sent if isinstance(job, RebuildJob)]
        self.publisher.sent = [job for job in self.publisher.sent if job not in jobs]
        return jobs

    def last_job(self, steps: int = 3) -> RebuildJob:
        """Do all steps but the last, and return the job of that."""
        for _ in range(steps - 1):
            (job,) = self.take()
            self.rebuilder.do_step(job)
        (last,) = self.take()
        return last

    def run(self, copies: int = 1) -> None:
        """Do what is published until nothing is, each job as often as it is delivered."""
        while jobs := self.take():
            for job in jobs:
                self.done.append(job)
                for _ in range(copies):
                    self.rebuilder.do_step(job)
            assert len(self.done) < 100

    @property
    def manifest(self) -> Manifest:
        return ManifestStore(self.index.store, CORPUS, MODEL).read().manifest

    def rows(self) -> dict[str, int]:
        return self.index.live()


EXPECTED = {
    "hero:1": SEQS[RUN_2],
    "hero:2": SEQS[RUN_1],
    "hero:3": SEQS[RUN_1],
}
