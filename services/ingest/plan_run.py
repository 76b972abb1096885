"""Plans a run: lease, run record, pages, page jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from services.ingest.request import IngestRequest
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusRegistry
from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import LeaseHeldError, PostponedError, RunCancelledError, SourceError
from shared.messaging.publisher import JobPublisher
from shared.models.base import Contract
from shared.models.corpus import Corpus
from shared.models.jobs import PageJob
from shared.models.run import TERMINAL_STATUSES, RunRecord
from shared.platform.observability import logger
from shared.runs.run_store import RunStore
from shared.sources.base import Plan, Source
from shared.table.table_clock import TableClock


class RunSummary(Contract):
    """The answer: `status` is the run's, or `busy` when run `run_id` holds the corpus."""

    run_id: str
    status: str
    pages_planned: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Planner:
    """Starts runs, and resumes one whose planning was cut off.

    An incremental run is made a full one where the corpus `needs_full_run`, and where the run
    before it was of another model. `clock` is the table's:
    runs are named and numbered by it, whatever machine plans them. `close_stalled` ends the run of
    an id if nothing can move it any more, and says whether it did.
    """

    corpora: CorpusRegistry
    make_source: Callable[[Corpus], Source]
    publisher: JobPublisher
    runs: RunStore
    state: CorpusState
    clock: TableClock
    planning_lease_seconds: int
    lease_seconds: int
    models: ModelPrefixes
    needs_full_run: Callable[[Corpus], bool]
    close_stalled: Callable[[str], bool]

    def plan(self, request: IngestRequest) -> RunSummary:
        """Plan the run of a request; delivered again, the request gets the same run.

        Raises:
            NotFoundError: there is no such corpus.
            SettingsError: its model is not deployed.
        """
        corpus = self.corpora.get(request.corpus)
        run_id = self._run_id(request)
        if self.runs.reader.exists(run_id) and self._record(run_id).status != "planning":
            # An earlier attempt may have stopped just before it ended a run without pages.
            self.runs.endings.end_run_if_complete(run_id)
            return self.summary(run_id)
        model_prefix = self.models.of(corpus)
        try:
            self.take_lease(corpus.name, run_id)
            # With the lease: no run of another model can end between this look and the start.
            request = self._widened(corpus, request, model_prefix)
            record = self.runs.planning.start_run(self._new_record(request, run_id, model_prefix))
        except LeaseHeldError as error:
            return self._busy(corpus.name, error)
        if record.status in TERMINAL_STATUSES:
            # A duplicate of this invocation planned and ended the run meanwhile.
            self.state.release_lease(corpus.name, run_id)
        elif record.status == "planning":
            self.plan_pages(record)
        return self.summary(run_id)

    def _run_id(self, request: IngestRequest) -> str:
        """Return the live run of this request, else the id of a new one."""
        lease = self.state.lease(request.corpus)
        if lease is not None and lease.run_id.endswith(f"-{request.request_hash}"):
            return lease.run_id
        return request.run_id(self.clock.now())

    def take_lease(self, corpus: str, run_id: str) -> None:
        """Hold the corpus for as long as this function may run.

        Raises:
            LeaseHeldError: another run is live; names it.
        """
        abandoned = self.state.close_abandoned_run(corpus, run_id, self.runs)
        if abandoned is not None:
            logger.warning("closed an abandoned run", extra={"abandoned_run_id": abandoned})
        try:
            self.state.acquire_lease(corpus, run_id, self.planning_lease_seconds)
        except LeaseHeldError:
            held = self.state.lease(corpus)
            if held is not None and not self.close_stalled(held.run_id):
                raise
            self.state.acquire_lease(corpus, run_id, self.planning_lease_seconds)

    def _widened(self, corpus: Corpus, request: IngestRequest, model_prefix: str) -> IngestRequest:
        if request.mode == "full":
            return request
        latest = self.state.latest_run(corpus.name)
        is_other = latest is not None and latest.model_prefix not in {None, model_prefix}
        if not is_other and not self.needs_full_run(corpus):
            return request
        logger.info("the run is made a full one: the model changed", extra={"corpus": corpus.name})
        return request.model_copy(update={"mode": "full"})

    def _new_record(self, request: IngestRequest, run_id: str, model_prefix: str) -> RunRecord:
        # Not the request's time: a late event must still order after runs that ended before it.
        now = self.clock.now()
        return RunRecord(
            run_id=run_id,
            corpus=request.corpus,
            mode=request.mode,
            status="planning",
            seq=int(now.timestamp() * 1000),
            started_at=now.isoformat(timespec="milliseconds"),
            model_prefix=model_prefix,
        )

    def plan_pages(self, record: RunRecord) -> None:
        """Plan a run that holds its corpus; one that was cancelled meanwhile ends so."""
        try:
            self._plan_pages(self.corpora.get(record.corpus), record)
        except (SourceError, PostponedError) as error:
            self.runs.steering.fail_run(record.run_id, f"planning failed: {error.code}: {error}")
        except LeaseHeldError as error:
            self.runs.steering.fail_run(record.run_id, str(error))
        except RunCancelledError:
            self.runs.steering.finish_cancel(record.run_id)

    def _plan_pages(self, corpus: Corpus, record: RunRecord) -> None:
        source = self.make_source(corpus)
        checkpoint = partial(self.state.checkpoint, corpus.name, since_seq=record.trusted_seq)
        plan = source.plan(record.mode, checkpoint)
        checkpoints = self.runs.planning.note_checkpoints(record.run_id, plan.next_checkpoints)
        self.runs.joining.add_pages(_page_jobs(record, plan))
        # Read back: an attempt that was cut off may have planned pages that this plan has not.
        self.publisher.publish(self.runs.reader.unfetched_pages(record.run_id))
        self.runs.planning.finish_planning(
            record.run_id, checkpoints, plan.records, lease_seconds=self.lease_seconds
        )

    def _busy(self, corpus: str, error: LeaseHeldError) -> RunSummary:
        lease = self.state.lease(corpus)
        return RunSummary(run_id=lease.run_id if lease else "", status="busy", reason=str(error))

    def _record(self, run_id: str) -> RunRecord:
        return self.runs.reader.get_run(run_id).run

    def summary(self, run_id: str) -> RunSummary:
        """Return where a run stands."""
        record = self._record(run_id)
        return RunSummary(
            run_id=run_id,
            status=record.status,
            pages_planned=record.pages_planned,
            reason=record.reason,
        )


def _page_jobs(record: RunRecord, plan: Plan) -> list[PageJob]:
    return [
        PageJob(
            corpus=record.corpus,
            run_id=record.run_id,
            page_id=page.page_id,
            seq=record.seq,
            endpoint=page.endpoint,
            query=dict(page.query),
        )
        for page in plan.pages
    ]
