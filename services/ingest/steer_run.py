"""Steers an existing run: resume it, cancel it, try its gaps again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.ingest.plan_run import Planner, RunSummary
from services.ingest.request import RunRequest
from shared.corpora.index_floor import IndexFloor
from shared.errors import ConflictError
from shared.models.run import LIVE_STATUSES, RunProgress, RunRecord
from shared.runs.page_joining import is_retriable


@dataclass(frozen=True, slots=True)
class Steering:
    """Steers runs; each action, cut off at any line, is finished by asking for it again."""

    planner: Planner
    floor: IndexFloor

    def do(self, request: RunRequest) -> RunSummary:
        """Do what a request asks for, and say where the run stands then.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: the run is not in a state for that; says what to do instead.
            LeaseHeldError: another run holds the corpus; names it.
        """
        match request.action:
            case "cancel":
                self._cancel(request.run_id)
            case "resume":
                self._resume(request.run_id)
            case "retry_gaps":
                self._retry_gaps(request.run_id)
        return self.planner.summary(request.run_id)

    def _cancel(self, run_id: str) -> None:
        runs = self.planner.runs
        run = runs.steering.request_cancel(run_id).run
        if run.status in LIVE_STATUSES:
            runs.steering.finish_cancel(run_id)
        elif run.status != "cancelled":
            raise ConflictError(f"run {run_id} has ended already ({run.status})")

    def _resume(self, run_id: str) -> None:
        progress = self.planner.runs.reader.get_run(run_id)
        run = progress.run
        if run.status not in LIVE_STATUSES:
            raise ConflictError(
                f"run {run_id} has ended ({run.status}) and cannot be resumed; "
                f"`ultron run retry-gaps {run_id}` reads its gaps again, and a new run the rest"
            )
        if run.cancel_requested is not None:
            raise ConflictError(
                f"run {run_id} is being cancelled; `ultron run cancel {run_id}` finishes that"
            )
        if run.status == "planning":
            with self._held(run.corpus, run_id):
                self._require_current(run)
                self.planner.plan_pages(run)
        elif self.planner.runs.reader.last_progress(run_id) is None:
            self._retry_gaps(run_id)  # which was cut off
        else:
            self._go_on(run_id)

    def _retry_gaps(self, run_id: str) -> None:
        progress = self.planner.runs.reader.get_run(run_id)
        run = progress.run
        if run.status == "incomplete":
            self._check_gaps(progress)
        elif run.status != "running" or self.planner.runs.reader.last_progress(run_id) is not None:
            raise ConflictError(
                f"run {run_id} is {run.status}; only the gaps of an incomplete run can be retried"
            )
        latest = self.planner.state.latest_run(run.corpus)
        if latest is not None and latest.run_id != run_id:
            raise ConflictError(
                f"run {latest.run_id} of {run.corpus} is newer and has read what this one missed; "
                "retry its gaps, or start another run"
            )
        with self._held(run.corpus, run_id):
            self._require_current(run)
            self.planner.runs.steering.reopen_run(run_id)
            self._go_on(run_id)

    def _require_current(self, run: RunRecord) -> None:
        """Refuse a run whose work its index would refuse, and which would count as done."""
        if run.seq < self.floor.read(run.corpus):
            raise ConflictError(
                f"run {run.run_id} began before the index of {run.corpus} was restored, repaired "
                f"or deleted; start a new run: `ultron run start --corpus {run.corpus}`"
            )
        if not run.is_of_model(self.planner.models.of(self.planner.corpora.get(run.corpus))):
            raise ConflictError(
                f"run {run.run_id} began before the model of {run.corpus} changed; "
                f"start a new run: `ultron run start --corpus {run.corpus}`"
            )

    @contextmanager
    def _held(self, corpus: str, run_id: str) -> Iterator[None]:
        """Hold the corpus for a run; not beyond its end, which a second call may cause."""
        self.planner.take_lease(corpus, run_id)
        try:
            yield
        finally:
            if self.planner.runs.reader.get_run(run_id).is_ended:
                self.planner.state.release_lease(corpus, run_id)

    def _check_gaps(self, progress: RunProgress) -> None:
        run_id = progress.run.run_id
        gaps = self.planner.runs.reader.gaps(run_id)
        if not gaps:
            failed = progress.pages_failed
            hint = "; `ultron dlq redrive` tries failed pages again" if failed else ""
            raise ConflictError(f"run {run_id} has no gaps, and {failed} failed pages{hint}")
        if not any(is_retriable(gap.reason) for gap in gaps):
            raise ConflictError(
                f"all gaps of run {run_id} are loops, which lead back to where they were, or pages "
                "whose query no message carries; start a new run when the source is corrected"
            )

    def _go_on(self, run_id: str) -> None:
        """Publish what is to be fetched; jobs that are under way already are done only once."""
        planner = self.planner
        planner.publisher.publish(planner.runs.reader.unfetched_pages(run_id))
        planner.runs.steering.go_on(run_id, planner.lease_seconds)
