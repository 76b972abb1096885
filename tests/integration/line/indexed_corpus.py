"""A corpus from its entities to its index: real state and real shards, objects in memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from services.compactor.live_versions import open_live_catalogs
from services.compactor.rebuild.rebuild_index import Rebuilder
from services.compactor.restore import Restorer
from services.compactor.sweep.completion import Completion
from services.compactor.sweep.sweep_run import Sweeper
from services.embedder.embed_part import Embedder
from services.embedder.unchanged import UnchangedEntities
from services.indexer.group_commit import GroupCommitter
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusRegistry
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.embedding.model_files import model_prefix
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.index.shard.content import content_checksum
from shared.messaging.publisher import JobPublisher
from shared.messaging.stage import skip_recorded
from shared.models.base import Contract
from shared.models.chunk import Chunk, ChunkMetadata, CoveredEntity
from shared.models.corpus import Corpus
from shared.models.entity import Entity
from shared.models.jobs import EmbedJob, IndexJob, PageJob
from shared.models.maintenance import RebuildJob, SweepJob
from shared.models.manifest import Manifest
from shared.models.run import EndpointCheckpoint, RunMode, RunProgress, RunRecord
from shared.models.sources import JsonlSource
from shared.runs.run_store import open_run_store
from shared.storage import jsonl, keys
from shared.storage.memory import MemoryObjectStore
from tests.unit.embedder.remembered import (
    MODEL,
    CountingEncoder,
    RememberedModel,
    RememberedQueue,
    WorkerDiedError,
)
from tests.unit.table.given_time import GivenTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CORPUS = "shelf"
Texts = Mapping[str, str]


class MortalStore(MemoryObjectStore):
    """Kills the worker at a write, before it or after it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left: int | None = None
        self.is_after = False
        self._meanwhile: tuple[str, Callable[[], object]] | None = None

    def before_next_put(self, suffix: str, work: Callable[[], object]) -> None:
        """Have something else happen just before the next write of a key that ends so."""
        self._meanwhile = (suffix, work)

    def put(self, key: str, data: bytes, **conditions: object) -> str:
        self._count(is_after=False)
        if self._meanwhile is not None and key.endswith(self._meanwhile[0]):
            work, self._meanwhile = self._meanwhile[1], None
            work()
        etag = super().put(key, data, **conditions)  # type: ignore[arg-type]
        self._count(is_after=True)
        return etag

    def upload(self, path: Path, key: str) -> None:
        self.put(key, path.read_bytes())

    def _count(self, *, is_after: bool) -> None:
        if self.writes_left is None or self.is_after != is_after:
            return
        self.writes_left -= 1
        if self.writes_left < 0:
            self.writes_left = None
            raise WorkerDiedError


class Maintenance:
    """The queue of maintenance."""

    def __init__(self) -> None:
        self.jobs: list[Contract] = []

    def publish(self, jobs: Iterable[Contract]) -> None:
        self.jobs.extend(jobs)

    def take_rebuilds(self) -> list[RebuildJob]:
        found = [job for job in self.jobs if isinstance(job, RebuildJob)]
        self.jobs = [job for job in self.jobs if job not in found]
        return found


class OneCorpus:
    """A registry of one corpus."""

    def __init__(self) -> None:
        self.corpus = Corpus(name=CORPUS, source=JsonlSource(prefix="sources/x/"))

    def get(self, name: str) -> Corpus:
        assert name == CORPUS
        return self.corpus


class Shelf:
    """Runs that see what the test says, and the sweeps and restores after them."""

    def __init__(self, client: "DynamoDBClient", table: str, directory: Path) -> None:
        self.now = datetime(2026, 11, 23, 6, tzinfo=UTC)
        self.store = MortalStore()
        self.sweeps: list[SweepJob] = []
        clock = GivenTime(lambda: self.now)
        self.runs = open_run_store(client, table, clock, self._request_sweep)
        self.state = CorpusState(client, table, clock)
        self.versions = EntityVersions(client, table)
        self.floor = IndexFloor(client, table)
        self.queue = RememberedQueue()
        self.encoder = CountingEncoder()
        self.registry = OneCorpus()
        self.directory = directory
        self.manifests = ManifestStore(self.store, CORPUS, MODEL)
        self.embedder = Embedder(
            store=self.store,
            model_of=lambda _: RememberedModel(lambda: self.encoder),
            publisher=cast(JobPublisher, self.queue),
            runs=self.runs,
            unchanged=UnchangedEntities(self.versions, self.runs),
            floor=self.floor,
        )
        self.sweeper = Sweeper(
            store=self.store,
            model=MODEL,
            runs=self.runs,
            state=self.state,
            floor=self.floor,
            versions=self.versions,
            corpora=cast(CorpusRegistry, self.registry),
            completion=Completion(self.store, MODEL, self.versions, directory),
            work_directory=directory,
        )
        self.restorer = Restorer(
            store=self.store,
            model=MODEL,
            runs=self.runs,
            state=self.state,
            floor=self.floor,
            versions=self.versions,
            work_directory=directory,
        )
        self.maintenance = Maintenance()
        self.rebuilder = Rebuilder(
            store=self.store,
            model=MODEL,
            runs=self.runs,
            state=self.state,
            floor=self.floor,
            versions=self.versions,
            publisher=cast(JobPublisher, self.maintenance),
            work_directory=directory,
            maximum_bytes=1_000_000,
        )
        self.committer = GroupCommitter(
            store=self.store,
            runs=self.runs,
            floor=self.floor,
            request_merges=lambda _: 0,
        )

    def _request_sweep(self, run: RunRecord) -> None:
        self.sweeps.append(SweepJob(corpus=run.corpus, run_id=run.run_id, seq=run.seq))

    def plan(
        self,
        number: int,
        pages: int,
        mode: RunMode = "full",
        records: int | None = None,
        lease_seconds: int = 3600,
    ) -> list[PageJob]:
        """Begin a run, as the planner does; `records` is how many the source speaks of."""
        run_id = f"20261123T060000Z-{number:08x}"
        model = self.embedder.model_of(CORPUS).identity()
        self.state.acquire_lease(CORPUS, run_id, 3600)
        self.runs.planning.start_run(
            RunRecord(
                run_id=run_id, corpus=CORPUS, mode=mode, status="planning", seq=number,
                started_at="now", model_prefix=model_prefix(model),
            )
        )  # fmt: skip
        jobs = [
            PageJob(
                corpus=CORPUS, run_id=run_id, page_id=f"p-{page}", seq=number, endpoint="objects",
                query={},
            )
            for page in range(pages)
        ]  # fmt: skip
        self.runs.joining.add_pages(jobs)
        checkpoint = EndpointCheckpoint(last_modified=f"run {number}")
        self.runs.planning.finish_planning(
            run_id, {"objects": checkpoint}, records, lease_seconds=lease_seconds
        )
        return jobs

    def chunked(self, page: PageJob, texts: Texts, rejects: int = 0) -> EmbedJob:
        """Bring a page to the embedder."""
        self.runs.ledger.record_stage(page, "fetch", {}, etag="e", query_hash=page.page_id)
        entities = [
            Entity(
                entity_type="a", source="x", source_id=key.removeprefix("a:"), title="",
                description=text, ingest_run_id=page.run_id, record_checksum="",
            )
            for key, text in texts.items()
        ]  # fmt: skip
        self.store.put(keys.entities_key(page), jsonl.encode_models(entities))
        self.runs.ledger.record_stage(page, "derive", {"rejects": rejects})
        lines: list[Chunk | CoveredEntity] = []
        for key, text in texts.items():
            lines += [CoveredEntity(entity_key=key), *chunks_of(key, text)]
        self.store.put(keys.chunks_key(page, 0), jsonl.encode_models(lines))
        self.runs.ledger.record_stage(page, "chunker", {"chunks": len(lines) - len(texts)}, parts=1)
        return EmbedJob(
            corpus=CORPUS, run_id=page.run_id, page_id=page.page_id, seq=page.seq, part=0, parts=1,
            chunks_key=keys.chunks_key(page, 0),
        )  # fmt: skip

    def finish(self, job: EmbedJob) -> None:
        """Embed a part and index it."""
        self.embedder.embed_part(job)
        while self.queue.jobs:
            self.index(self.queue.jobs.pop(0))

    def index(self, job: IndexJob) -> None:
        """Deliver a message to the indexer."""
        if skip_recorded(job, "indexer", self.runs):
            return
        for error in self.committer.commit_batch([job]).values():
            raise error

    def give_up_indexing(self, page: PageJob, texts: Texts) -> IndexJob:
        """Embed a page whose index job goes to the dead-letter queue; return that job."""
        self.embedder.embed_part(self.chunked(page, texts))
        late = self.queue.jobs.pop()
        self.runs.ledger.end_page(page, "failed", "index: CORRUPT_OBJECT: for a test")
        return late

    def rebuild_all(self) -> None:
        """Do all steps of the rebuilds that were begun."""
        while jobs := self.maintenance.take_rebuilds():
            for job in jobs:
                self.rebuilder.do_step(job)

    def run(
        self,
        number: int,
        pages: Sequence[Texts],
        mode: RunMode = "full",
        rejects: int = 0,
        records: int | None = None,
    ) -> RunProgress:
        """A whole run, with its sweep."""
        jobs = self.plan(number, len(pages), mode, records)
        for page, texts in zip(jobs, pages, strict=True):
            self.finish(self.chunked(page, texts, rejects))
        self.sweep_all()
        return self.progress(number)

    def sweep_all(self) -> None:
        while self.sweeps:
            self.sweeper.sweep(self.sweeps.pop(0))

    def until_it_lives(self, work: Callable[[], object], *, is_after: bool) -> int:
        """Let workers die at each of their writes in turn, until one comes through.

        Two die at each: what the first one wrote may not be written by the second, whose write of
        that number is then the next one.

        Returns:
            How many writes there were to die at.
        """
        for writes in range(30):
            for _ in range(2):
                self.store.writes_left, self.store.is_after = writes, is_after
                try:
                    work()
                except WorkerDiedError:
                    continue
                finally:
                    self.store.writes_left = None
                return writes
        raise AssertionError("no worker came through")

    def progress(self, number: int) -> RunProgress:
        return self.runs.reader.get_run(f"20261123T060000Z-{number:08x}")

    def manifest(self) -> Manifest:
        return self.manifests.read().manifest

    def live(self) -> dict[str, str]:
        """The checksum of what the index shows of each entity."""
        catalogs = open_live_catalogs(
            self.manifest().shards, ShardCache(self.store, self.directory / "read")
        )
        return {
            key: version.checksum
            for found in catalogs
            for (key, version), shown in zip(
                found.catalog.versions().items(), found.with_content, strict=True
            )
            if shown
        }

    def abandon(self) -> None:
        """Let the live run's lease expire."""
        self.now += timedelta(seconds=3601)


def chunks_of(key: str, text: str) -> list[Chunk]:
    """The one chunk of an entity; none without text."""
    if not text:
        return []
    metadata = ChunkMetadata(entity_type="a", source_id=key, title="", source_path="raw/x")
    return [Chunk(chunk_id=f"{key}-001", parent=key, text=text, metadata=metadata)]


def checksums(texts: Texts) -> dict[str, str]:
    """What the index shows when it holds these texts."""
    return {key: content_checksum(chunks_of(key, text)) for key, text in texts.items() if text}
