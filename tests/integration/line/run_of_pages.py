"""Runs over a source of chained pages: real planner, steering, fetcher and table; no network."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.fetch.fetch_page import Fetcher
from services.ingest.plan_run import Planner, RunSummary
from services.ingest.request import IngestRequest, RunRequest
from services.ingest.steer_run import Steering
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusRegistry
from shared.corpora.index_floor import IndexFloor
from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import SourceUnavailableError
from shared.messaging.publisher import JobPublisher
from shared.messaging.stage import skip_recorded
from shared.models.base import Contract
from shared.models.corpus import Corpus
from shared.models.jobs import DeriveJob, PageJob
from shared.models.run import EndpointCheckpoint, RunMode, RunProgress
from shared.models.sources import JsonlSource
from shared.platform.observability import metrics
from shared.runs.run_store import open_run_store
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan, PlannedPage
from shared.storage.memory import MemoryObjectStore
from tests.unit.table.given_time import GivenTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHECKPOINT = EndpointCheckpoint(last_modified="2026-11-23T06:00:00Z")


class WorkerDiedError(Exception):
    """Stands for a worker that was killed."""


class Queue:
    """A queue that hands out what was published."""

    def __init__(self) -> None:
        self.jobs: list[Contract] = []

    def publish(self, jobs: Iterable[Contract]) -> None:
        self.jobs += list(jobs)

    def take(self) -> list[Contract]:
        taken, self.jobs = self.jobs, []
        return taken


class ChainedSource:
    """Pages that lead to others; `follows` says to which, `broken` are those it will not give."""

    def __init__(self) -> None:
        self.planned: list[str] = []
        self.follows: dict[str, list[str]] = {}
        self.broken: set[str] = set()
        self.fetched: list[str] = []
        self.checkpoint = CHECKPOINT

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        return Plan((EndpointPlan("list", tuple(map(_page, self.planned)), self.checkpoint),))

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        page_id = query["page"]
        self.fetched.append(page_id)
        if page_id in self.broken:
            raise SourceUnavailableError(f"{page_id} answered 503")
        next_pages = tuple(map(_page, self.follows.get(page_id, [])))
        return FetchedPage(lines=(f'"{page_id}"',), next_pages=next_pages)


class AnyCorpus:
    """A registry that knows every name."""

    def get(self, name: str) -> Corpus:
        return Corpus(name=name, source=JsonlSource(prefix="sources/x/"))


class Line:
    """One corpus on a table: what ingest, fetch and the later stages do, driven by hand."""

    _numbers = iter(range(1, 1_000_000))

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self.corpus = f"chain-{next(self._numbers)}"
        self.now = datetime(2026, 11, 23, 6, tzinfo=UTC)
        self.sweeps: list[str] = []
        clock = GivenTime(self.clock)
        self.runs = open_run_store(
            client,
            table,
            clock,
            request_sweep=lambda run: self.sweeps.append(run.run_id),
            elapsed=lambda: self.now.timestamp(),
        )
        self.state = CorpusState(client, table, clock)
        self.store = MemoryObjectStore()
        self.source = ChainedSource()
        self.pages, self.derive = Queue(), Queue()
        self.floor = IndexFloor(client, table)
        corpora = cast(CorpusRegistry, AnyCorpus())
        self.planner = Planner(
            corpora=corpora,
            make_source=lambda _: self.source,
            publisher=cast(JobPublisher, self.pages),
            runs=self.runs,
            state=self.state,
            clock=clock,
            planning_lease_seconds=330,
            lease_seconds=3600,
            models=ModelPrefixes("models/m/1/"),
            needs_full_run=lambda _: False,
            close_stalled=lambda _: False,
        )
        self.fetcher = Fetcher(
            store=self.store,
            corpora=corpora,
            make_source=lambda _: self.source,
            publisher=cast(JobPublisher, self.derive),
            page_queue=cast(JobPublisher, self.pages),
            runs=self.runs,
            state=self.state,
            now=self.clock,
            maximum_postponements=50,
        )

    @property
    def steering(self) -> Steering:
        return Steering(self.planner, self.floor)

    def clock(self) -> datetime:
        return self.now

    def start(self, request_id: str = "request", mode: RunMode = "incremental") -> RunSummary:
        request = IngestRequest(corpus=self.corpus, mode=mode, request_id=request_id)
        return self.planner.plan(request)

    def steer(self, action: str, run_id: str) -> RunSummary:
        request = RunRequest.model_validate({"action": action, "run_id": run_id})
        return self.steering.do(request)

    def fetch(self, job: PageJob) -> None:
        """Deliver a message to fetch."""
        if not skip_recorded(job, "fetch", self.runs):
            self.fetcher.fetch(job)
        metrics.clear_metrics()  # which the end of an invocation does

    def finish(self, job: DeriveJob) -> None:
        """Stand in for the later stages."""
        if skip_recorded(job, "derive", self.runs):
            return
        self.runs.ledger.record_stage(job, "derive", {"entities": 1})
        self.runs.ledger.record_stage(job, "chunker", {}, parts=0)

    def work(self) -> None:
        """Let fetch and the later stages do all that waits."""
        while self.pages.jobs or self.derive.jobs:
            for job in self.pages.take():
                self.fetch(cast(PageJob, job))
            for job in self.derive.take():
                self.finish(cast(DeriveJob, job))

    def progress(self, run_id: str) -> RunProgress:
        return self.runs.reader.get_run(run_id)

    def outcomes(self, run_id: str) -> dict[str, str | None]:
        """What became of each page."""
        return {
            page["SK"].removeprefix("PAGE#"): page.get("outcome")
            for page in self.runs.reader.pages(run_id)
        }

    def assert_exact(self, run_id: str) -> RunProgress:
        """The counters say what the pages say, and a run that has ended has no open page."""
        progress = self.progress(run_id)
        pages = list(self.runs.reader.pages(run_id))
        outcomes = [page.get("outcome") for page in pages]
        fetched = [page for page in pages if "fetch" in page.get("stages", set())]
        derived = [page for page in pages if "derive" in page.get("stages", set())]
        assert progress.run.pages_planned == len(pages)
        assert progress.pages_done == outcomes.count("done")
        assert progress.pages_gap == outcomes.count("gap")
        assert progress.pages_failed == outcomes.count("failed")
        assert progress.pages_cancelled == outcomes.count("cancelled")
        assert (progress.raw_records, progress.entities) == (len(fetched), len(derived))
        if progress.is_ended:
            assert progress.pages_ended == progress.run.pages_planned
        return progress


class Death:
    """Kills a worker at a call that changes something, before the call or after it."""

    def __init__(self, patch: pytest.MonkeyPatch, line: Line) -> None:
        self._left: int | None = None
        self._is_after = False
        for owner, name in (
            (line.runs.ledger._table, "transact"),
            (line.state._table, "transact"),
            (line.store, "put"),
            (line.pages, "publish"),
            (line.derive, "publish"),
        ):
            patch.setattr(owner, name, self._mortal(getattr(owner, name)))

    def until_it_lives(self, work: Callable[[], object], *, is_after: bool) -> int:
        """Let workers die at each of their calls in turn, until one comes through.

        Returns:
            How many died.
        """
        self._is_after = is_after
        for deaths in range(40):
            self._left = deaths
            try:
                work()
            except WorkerDiedError:
                continue
            finally:
                self._left = None
            return deaths
        raise AssertionError("no worker came through")

    def _mortal(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*arguments: Any, **options: Any) -> Any:
            if not self._is_after:
                self._count()
            result = call(*arguments, **options)
            if self._is_after:
                self._count()
            return result

        return mortal

    def _count(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            self._left = None
            raise WorkerDiedError


def _page(page_id: str) -> PlannedPage:
    return PlannedPage("list", page_id, {"page": page_id})
