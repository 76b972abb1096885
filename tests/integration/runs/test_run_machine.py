"""Runs in any order of events, against a plain model of what became of each page."""

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from shared.errors import ConflictError
from shared.models.jobs import DeriveJob, PageJob
from shared.runs.cancelled_runs import FRESH_SECONDS
from tests.integration.line.run_of_pages import Line

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_PAGES = 9
picks = st.integers(0, 1000)
# Mostly new pages; the planned ones are a loop.
next_numbers = st.lists(st.sampled_from([1, *range(3, MOST_PAGES)]), max_size=2, unique=True)


class Model:
    """What a run should be: its status, and each page with its parent and outcome."""

    def __init__(self, planned: list[str]) -> None:
        self.status = "running"
        self.parents: dict[str, str | None] = dict.fromkeys(planned)
        self.outcomes: dict[str, str | None] = dict.fromkeys(planned)
        self.fetched: set[str] = set()
        self.loops = 0

    @property
    def is_live(self) -> bool:
        return self.status == "running"

    @property
    def retriable(self) -> list[str]:
        """The gaps that may be read again; loops are not among the pages here."""
        if self.status != "incomplete":
            return []
        return [page for page, outcome in self.outcomes.items() if outcome == "gap"]

    def fetch(self, page: str, follows: list[str]) -> None:
        """A page was given, and told of others."""
        if page in self.fetched or self.status == "cancelled":
            return
        for following in follows:
            if following == page or self.parents.get(following, page) != page:
                self.loops += 1
            elif following not in self.parents:
                self.parents[following] = page
                self.outcomes[following] = None if self.is_live else "gap"
        self.fetched.add(page)
        self.settle()

    def end(self, page: str, outcome: str) -> None:
        """A page ended; done is for good, anything else may still become done."""
        if self.outcomes[page] is None or (outcome == "done" and self.outcomes[page] != "done"):
            self.outcomes[page] = outcome
        self.settle()

    def settle(self) -> None:
        """A run ends with its last page; one that was incomplete succeeds with its last gap."""
        found = list(self.outcomes.values())
        if self.status not in {"running", "incomplete"} or None in found:
            return
        is_good = set(found) <= {"done"} and not self.loops
        self.status = "succeeded" if is_good else "incomplete"


class RunMachine(RuleBasedStateMachine):
    """Does to a run whatever may be done to it."""

    client: "DynamoDBClient"
    table: str

    def __init__(self) -> None:
        super().__init__()
        self.start()

    @precondition(lambda self: self.model.status in {"succeeded", "cancelled"})
    @rule()
    def start(self) -> None:
        """A separate corpus for each run, so that no run is older than another."""
        self.line = Line(self.client, self.table)
        self.line.source.planned = ["p0", "p1", "p2"]
        self.run_id = self.line.start().run_id
        self.model = Model(self.line.source.planned)
        self.delivered = {job.page_id: job for job in self.taken_pages()}
        self.derived: dict[str, DeriveJob] = {}

    def taken_pages(self) -> list[PageJob]:
        return cast(list[PageJob], self.line.pages.take())

    def keep_messages(self) -> None:
        """Messages may come again at any time, so all that ever were are kept."""
        self.delivered |= {job.page_id: job for job in self.taken_pages()}
        for job in cast(list[DeriveJob], self.line.derive.take()):
            self.derived[job.page_id] = job

    @rule(pick=picks, next_pages=next_numbers)
    def deliver_page(self, pick: int, next_pages: list[int]) -> None:
        """First or again; what a page tells of is its own for good."""
        job = sorted(self.delivered.values(), key=lambda j: j.page_id)[pick % len(self.delivered)]
        self.deliver(job, next_pages)

    @rule(refused=st.sets(picks, max_size=2))
    def do_all(self, refused: set[int]) -> None:
        """Every message that ever was comes once more, and all is done but for a few pages."""
        for number, job in enumerate(list(self.delivered.values())):
            if number in {pick % len(self.delivered) for pick in refused}:
                self.refuse(job)
            else:
                self.deliver(job, [])
        for derived in list(self.derived.values()):
            self.line.finish(derived)
            if self.model.status != "cancelled":
                self.model.end(derived.page_id, "done")

    def deliver(self, job: PageJob, next_pages: list[int]) -> None:
        source = self.line.source
        follows = source.follows.setdefault(job.page_id, [f"p{number}" for number in next_pages])
        source.broken = set()
        self.line.fetch(job)
        self.model.fetch(job.page_id, follows)
        self.keep_messages()

    @rule(pick=picks)
    def source_refuses(self, pick: int) -> None:
        job = sorted(self.delivered.values(), key=lambda j: j.page_id)[pick % len(self.delivered)]
        self.refuse(job)

    def refuse(self, job: PageJob) -> None:
        self.line.source.broken = {job.page_id}
        self.line.fetch(job)
        if job.page_id not in self.model.fetched and self.model.status != "cancelled":
            self.model.end(job.page_id, "gap")
        self.keep_messages()

    @precondition(lambda self: self.derived)
    @rule(pick=picks)
    def finish_page(self, pick: int) -> None:
        """The later stages do a page, first or again, late or redriven."""
        job = sorted(self.derived.values(), key=lambda j: j.page_id)[pick % len(self.derived)]
        self.line.finish(job)
        if self.model.status != "cancelled":
            self.model.end(job.page_id, "done")

    @rule(pick=picks)
    def give_page_up(self, pick: int) -> None:
        """The last receive of a message fails."""
        job = sorted(self.delivered.values(), key=lambda j: j.page_id)[pick % len(self.delivered)]
        self.line.runs.ledger.end_page(job, "failed", "poison")
        self.model.end(job.page_id, "failed")

    @precondition(lambda self: self.model.retriable)
    @rule()
    def retry_gaps(self) -> None:
        self.line.steer("retry_gaps", self.run_id)
        self.model.outcomes |= dict.fromkeys(self.model.retriable)
        self.model.status = "running"
        self.model.settle()
        self.keep_messages()

    @precondition(lambda self: self.model.is_live)
    @rule()
    def resume(self) -> None:
        self.line.steer("resume", self.run_id)
        unfetched = {
            page
            for page, outcome in self.model.outcomes.items()
            if outcome is None and page not in self.model.fetched
        }
        assert {cast(PageJob, job).page_id for job in self.line.pages.jobs} == unfetched
        self.keep_messages()

    @precondition(lambda self: self.model.is_live and len(self.model.outcomes) > 4)
    @rule()
    def cancel(self) -> None:
        self.line.steer("cancel", self.run_id)
        self.line.now += timedelta(seconds=FRESH_SECONDS)  # every worker has heard of it
        self.model.status = "cancelled"
        for page, outcome in self.model.outcomes.items():
            self.model.outcomes[page] = outcome or "cancelled"

    @precondition(lambda self: not self.model.is_live)
    @rule()
    def steer_an_ended_run(self) -> None:
        """What does not fit the run's state is refused, and changes nothing."""
        refused = {"resume"}
        if self.model.status != "cancelled":
            refused.add("cancel")
        if not self.model.retriable:
            refused.add("retry_gaps")
        for action in refused:
            with pytest.raises(ConflictError):
                self.line.steer(action, self.run_id)

    @invariant()
    def is_as_the_model_says(self) -> None:
        progress = self.line.assert_exact(self.run_id)
        assert progress.run.status == self.model.status
        found = self.line.outcomes(self.run_id)
        loops = {page for page in found if page.startswith("loop-")}
        assert {page: found[page] for page in found.keys() - loops} == self.model.outcomes
        assert len(loops) == self.model.loops
        assert (self.line.state.lease(self.line.corpus) is not None) == self.model.is_live


def test_any_order_of_events_adds_up(
    dynamodb_client: "DynamoDBClient", checkpoint_table: str
) -> None:
    class Machine(RunMachine):
        client = dynamodb_client
        table = checkpoint_table

    run_machine(
        Machine,
        settings=settings(
            max_examples=14,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
