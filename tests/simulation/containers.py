"""The functions of a deployment, put together from the real parts as their handlers do it.

A container belongs to one worker: its clients are that worker's, its folder and its clock too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from services.chunker.chunk_page import Chunker
from services.compactor.compact import Compactor
from services.compactor.maintain import Maintainer
from services.compactor.mark_bad import ShardMarker
from services.compactor.rebuild.rebuild_index import Rebuilder
from services.compactor.restore import Restorer
from services.compactor.sweep.completion import Completion
from services.compactor.sweep.sweep_run import Sweeper
from services.compactor.tasks import Tasks
from services.derive.derive_job import Deriver
from services.embedder.embed_part import Embedder
from services.embedder.unchanged import UnchangedEntities
from services.fetch.fetch_page import Fetcher
from services.indexer.group_commit import GroupCommitter
from services.ingest.model_change import ModelChange
from services.ingest.plan_run import Planner
from services.ingest.stalled_run import StalledRuns
from services.ingest.steer_run import Steering
from shared.corpora.compaction_claims import CompactionClaims
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusRegistry
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.embedding.model_files import model_prefix
from shared.embedding.model_prefixes import ModelPrefixes
from shared.index.maintenance.compaction_plan import CompactionPolicy
from shared.index.maintenance.garbage import GarbagePolicy
from shared.messaging.compaction_requests import CompactionRequests
from shared.messaging.maintenance_stage import MaintenanceStage
from shared.messaging.publisher import JobPublisher
from shared.messaging.record_stage import StageState
from shared.messaging.redelivery import Redelivery
from shared.messaging.stage import QueueBatchStage, QueueStage
from shared.models.corpus import Corpus
from shared.models.jobs import ChunkJob, DeriveJob, EmbedJob, IndexJob, PageJob
from shared.models.maintenance import SweepJob
from shared.models.manifest import ModelIdentity
from shared.models.run import RunRecord
from shared.runs.failures import FailureLog
from shared.runs.leases import RUN_LEASE_SECONDS
from shared.runs.run_store import RunStore, open_run_store
from shared.sources.base import Source
from shared.sources.objects.source import JsonlObjects
from shared.storage.s3 import S3ObjectStore
from shared.table.table_clock import ResponseClock
from tests.simulation.encoder import DIMENSIONS, HashModel
from tests.simulation.scheduler import Scheduler
from tests.simulation.wire import Clients

TABLE, BUCKET, PARAMETERS = "table", "bucket", "/corpora"
MAXIMUM_RECEIVES = 5
MODELS = tuple(ModelIdentity(id=f"hash-{x}", revision="1", dims=DIMENSIONS) for x in "ab")
"""Those that a deployment may have; it begins with the first."""
POLICY = CompactionPolicy(fan_in=4)
STAGE_QUEUES: Mapping[str, str] = {
    "fetch": "page-jobs", "derive": "derive-jobs", "chunker": "chunk-jobs",
    "embedder": "embed-jobs", "indexer": "index-jobs", "compactor": "compact-jobs",
}  # fmt: skip
"""Each stage's queue, in the order in which a page passes them."""


def queue_url(queue: str) -> str:
    """Where a queue is."""
    return f"https://sqs.simulated/{queue}"


@dataclass
class Container:
    """What one worker has: its clients, a clock that may be wrong, a folder, and the model."""

    clients: Clients
    scheduler: Scheduler
    skew: timedelta
    directory: Path
    model: ModelIdentity

    def wall(self) -> datetime:
        """The time by this machine's own clock."""
        return self.scheduler.now + self.skew

    def elapsed(self) -> float:
        """Seconds on a clock that nobody can set."""
        return self.scheduler.elapsed

    @cached_property
    def store(self) -> S3ObjectStore:
        """The bucket."""
        return S3ObjectStore(self.clients.s3, BUCKET, self.scheduler.sleep)

    @cached_property
    def clock(self) -> ResponseClock:
        """The table's time."""
        return ResponseClock(self.clients.dynamodb, TABLE, self.wall, self.elapsed)

    @cached_property
    def corpora(self) -> CorpusRegistry:
        """The corpora of the deployment."""
        return CorpusRegistry(self.clients.ssm, PARAMETERS)

    @cached_property
    def runs(self) -> RunStore:
        """The records of runs."""
        publisher = self.publisher("compactor")

        def request_sweep(run: RunRecord) -> None:
            publisher.publish([SweepJob(corpus=run.corpus, run_id=run.run_id, seq=run.seq)])

        return open_run_store(self.clients.dynamodb, TABLE, self.clock, request_sweep, self.elapsed)

    @cached_property
    def state(self) -> CorpusState:
        """What is remembered of corpora."""
        return CorpusState(self.clients.dynamodb, TABLE, self.clock)

    @cached_property
    def floor(self) -> IndexFloor:
        """The floors of the indexes."""
        return IndexFloor(self.clients.dynamodb, TABLE)

    @cached_property
    def versions(self) -> EntityVersions:
        """The versions of entities."""
        return EntityVersions(self.clients.dynamodb, TABLE)

    @property
    def failures(self) -> FailureLog:
        """Why messages were given up."""
        return FailureLog(self.clients.dynamodb, TABLE, self.wall)

    def publisher(self, stage: str) -> JobPublisher:
        """What sends jobs to a stage."""
        url = queue_url(STAGE_QUEUES[stage])
        return JobPublisher(self.clients.sqs, url, wait=self.scheduler.sleep)

    def stage_state(self, stage: str) -> StageState:
        """What a stage accounts to."""
        url = queue_url(STAGE_QUEUES[stage])
        redelivery = Redelivery(self.clients.sqs, url, first_delay_seconds=10)
        return StageState(self.runs, self.failures, MAXIMUM_RECEIVES, redelivery)

    def make_source(self, corpus: Corpus) -> Source:
        """The source of a corpus: objects of the bucket."""
        return JsonlObjects(cast(Any, corpus.source), self.store)

    def compaction_requests(self) -> CompactionRequests:
        """What asks for merges."""
        claims = CompactionClaims(self.clients.dynamodb, TABLE, self.clock)
        return CompactionRequests(self.publisher("compactor"), claims, POLICY)


Process = Callable[[Mapping[str, Any], Any], dict[str, Any]]


def fetch(container: Container) -> Process:
    """The fetch function."""
    state = container.stage_state("fetch")
    fetcher = Fetcher(
        store=container.store,
        corpora=container.corpora,
        make_source=container.make_source,
        publisher=container.publisher("derive"),
        page_queue=container.publisher("fetch"),
        runs=state.runs,
        state=container.state,
        now=container.wall,
        maximum_postponements=3,
    )
    return QueueStage("fetch", PageJob, fetcher.fetch, state).process


def derive(container: Container) -> Process:
    """The derive function."""
    state = container.stage_state("derive")
    deriver = Deriver(
        store=container.store,
        corpora=container.corpora,
        publisher=container.publisher("chunker"),
        runs=state.runs,
    )
    return QueueStage("derive", DeriveJob, deriver.derive, state).process


def chunk(container: Container) -> Process:
    """The chunker."""
    state = container.stage_state("chunker")
    chunker = Chunker(
        store=container.store,
        corpora=container.corpora,
        publisher=container.publisher("embedder"),
        runs=state.runs,
        maximum_chunks_per_part=2,
    )
    return QueueStage("chunker", ChunkJob, chunker.chunk_page, state).process


def embed(container: Container) -> Process:
    """The embedder."""
    state = container.stage_state("embedder")
    embedder = Embedder(
        store=container.store,
        model_of=lambda _: HashModel(container.model),
        publisher=container.publisher("indexer"),
        runs=state.runs,
        unchanged=UnchangedEntities(versions=container.versions, runs=state.runs),
        floor=container.floor,
    )
    return QueueStage("embedder", EmbedJob, embedder.embed_part, state).process


def index(container: Container) -> Process:
    """The indexer."""
    state = container.stage_state("indexer")
    committer = GroupCommitter(
        store=container.store,
        runs=state.runs,
        floor=container.floor,
        request_merges=container.compaction_requests().request_merges,
    )
    return QueueBatchStage("indexer", IndexJob, committer.commit_batch, state).process


def compact(container: Container) -> Process:
    """The compactor, as its queue runs it."""
    tasks = compactor_tasks(container)
    return MaintenanceStage("compactor", tasks.do_job, container.stage_state("compactor")).process


def compactor_tasks(container: Container) -> Tasks:
    """All that the compactor can do."""
    store, folder, clock = container.store, container.directory, container.clock
    requests = container.compaction_requests()
    common: dict[str, Any] = {
        "store": store,
        "model": container.model,
        "runs": container.runs,
        "state": container.state,
        "floor": container.floor,
        "versions": container.versions,
        "work_directory": folder,
    }
    rebuilder = Rebuilder(
        **common,
        publisher=requests.publisher,
        maximum_bytes=POLICY.maximum_bytes,
    )
    completion = Completion(store, container.model, container.versions, folder)
    return Tasks(
        Compactor(store, folder, requests.request_merges, clock, GarbagePolicy().notes_kept),
        Sweeper(**common, corpora=container.corpora, completion=completion),
        Maintainer(store, container.model, folder, requests, GarbagePolicy(), clock),
        rebuilder,
        Restorer(**common),
        ShardMarker(**common, rebuilder=rebuilder),
    )


def steering(container: Container) -> Steering:
    """The ingest function."""
    urls = [queue_url(queue) for queue in STAGE_QUEUES.values()]
    runs, clock = container.runs, container.clock
    models = ModelPrefixes(model_prefix(container.model))
    planner = Planner(
        corpora=container.corpora,
        make_source=container.make_source,
        publisher=container.publisher("fetch"),
        runs=runs,
        state=container.state,
        clock=clock,
        planning_lease_seconds=330,
        lease_seconds=RUN_LEASE_SECONDS,
        models=models,
        needs_full_run=ModelChange(container.store, models).needs_full_run,
        close_stalled=StalledRuns(container.clients.sqs, urls, runs, clock).close,
    )
    return Steering(planner, container.floor)


@dataclass(frozen=True, slots=True)
class StageFunction:
    """A function that a queue calls: the figures of terraform/defaults.tf."""

    stage: str
    build: Callable[[Container], Process]
    timeout_seconds: int
    batch_size: int
    concurrency: int
    batching_window_seconds: int = 0

    @property
    def url(self) -> str:
        """Of its queue."""
        return queue_url(STAGE_QUEUES[self.stage])

    @property
    def visibility_seconds(self) -> int:
        """How long a message that was received is hidden."""
        return 6 * self.timeout_seconds + self.batching_window_seconds


STAGE_FUNCTIONS = (
    StageFunction("fetch", fetch, 300, 1, 2),
    StageFunction("derive", derive, 120, 10, 2),
    StageFunction("chunker", chunk, 120, 10, 2),
    StageFunction("embedder", embed, 300, 1, 3),
    StageFunction("indexer", index, 120, 100, 2, 5),
    StageFunction("compactor", compact, 900, 1, 2),
)
