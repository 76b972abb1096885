"""Machines whose clocks are hours apart: no live run is failed, none that is silent blocks."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from shared.corpora.compaction_claims import CompactionClaims
from shared.corpora.corpus_state import PlannedRun
from shared.errors import LeaseHeldError
from shared.models.jobs import PageJob
from shared.models.run import RunRecord
from shared.models.sources import RateLimit
from shared.web.rate_limits import RateLimits
from tests.integration.line.skewed import LIFETIME_SECONDS, DatedTable, Machine

if TYPE_CHECKING:
    pass

CORPUS = "notes"
HOURS = (-30, -6, 0, 6, 240)


run_numbers = count(1000)


def run_id_of(number: int) -> str:
    return f"20261123T060000Z-{number:08x}"


@pytest.fixture
def table(aws_client: Callable[[str], Any], checkpoint_table: str) -> DatedTable:
    """A separate client: no other test's answers are dated so."""
    return DatedTable(aws_client("dynamodb"), checkpoint_table)


@pytest.fixture
def machine(table: DatedTable) -> Callable[[float], Machine]:
    """Make a machine whose clock is so many hours ahead."""
    return lambda hours: Machine(table, timedelta(hours=hours))


MakeMachine = Callable[[float], Machine]


@pytest.mark.parametrize("hours", [6, 240])
def test_a_laptop_with_a_wrong_clock_fails_no_live_run(machine: MakeMachine, hours: float) -> None:
    machine(0).begin(CORPUS, run_id_of(1))
    laptop = machine(hours)
    assert laptop.state.close_abandoned_run(CORPUS, "command-1", laptop.runs) is None
    with pytest.raises(LeaseHeldError, match=run_id_of(1)):
        laptop.state.acquire_lease(CORPUS, "command-1", 900)
    assert laptop.runs.reader.get_run(run_id_of(1)).run.status == "running"


def test_a_run_whose_worker_has_a_slow_clock_is_live_while_it_moves(
    machine: MakeMachine, table: DatedTable
) -> None:
    [job] = machine(0).begin(CORPUS, run_id_of(1))
    table.now += timedelta(seconds=LIFETIME_SECONDS - 60)
    machine(-30).runs.ledger.record_stage(job, "fetch", {"raw_records": 1})
    table.now += timedelta(seconds=120)
    other = machine(0)
    assert other.state.close_abandoned_run(CORPUS, run_id_of(2), other.runs) is None
    assert other.runs.reader.get_run(run_id_of(1)).run.status == "running"


@pytest.mark.parametrize("hours", HOURS)
def test_an_abandoned_run_holds_its_corpus_no_longer_than_its_lease(
    machine: MakeMachine, table: DatedTable, hours: float
) -> None:
    [job] = machine(hours).begin(CORPUS, run_id_of(1))
    machine(hours).runs.ledger.record_stage(job, "fetch", {"raw_records": 1})
    table.now += timedelta(seconds=LIFETIME_SECONDS + 5)
    other = machine(-hours)
    assert other.state.close_abandoned_run(CORPUS, run_id_of(2), other.runs) == run_id_of(1)
    other.begin(CORPUS, run_id_of(2))


def test_a_command_with_a_wrong_clock_holds_a_corpus_no_longer_than_others(
    machine: MakeMachine, table: DatedTable
) -> None:
    machine(240).state.acquire_lease(CORPUS, "command-1", 900)
    table.now += timedelta(seconds=905)
    machine(0).begin(CORPUS, run_id_of(1))


# Numbers


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(hours=st.lists(st.integers(-300, 300), min_size=2, max_size=5))
def test_later_runs_have_greater_numbers_whatever_their_planners_clocks_say(
    machine: MakeMachine, hours: list[int]
) -> None:
    corpus = f"corpus-{next(run_numbers)}"
    last = -1
    for skew in hours:
        planner = machine(skew)
        [job] = planner.begin(corpus, run_id_of(next(run_numbers)))
        assert job.seq > last
        last = job.seq
        assert planner.state.latest_run(corpus) == PlannedRun(job.run_id, last)
        planner.runs.ledger.end_page(job, "gap", "enough")


def test_a_run_that_is_started_again_keeps_its_number(machine: MakeMachine) -> None:
    [job] = machine(0).begin(CORPUS, run_id_of(1))
    again = machine(6).runs.planning.start_run(
        RunRecord(
            run_id=run_id_of(1), corpus=CORPUS, mode="full", status="planning", seq=job.seq + 9,
            started_at="later",
        )
    )  # fmt: skip
    assert again.seq == job.seq
    assert machine(0).state.latest_run(CORPUS) == PlannedRun(run_id_of(1), job.seq)


def test_a_planner_that_was_overtaken_between_its_look_and_its_write_gets_a_greater_number(
    machine: MakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = machine(0), machine(6)
    slow.state.acquire_lease(CORPUS, run_id_of(1), 330)
    get = slow.runs.planning._table.get
    overtaken: list[int] = []

    def get_late(pk: str, sk: str) -> Any:
        found = get(pk, sk)
        if sk == "LATEST" and not overtaken:
            slow.state.release_lease(CORPUS, run_id_of(1))
            [job] = other.begin(CORPUS, run_id_of(2))
            overtaken.append(job.seq)
            other.runs.ledger.end_page(job, "gap", "enough")
            slow.state.acquire_lease(CORPUS, run_id_of(1), 330)
        return found

    monkeypatch.setattr(slow.runs.planning._table, "get", get_late)
    [job] = slow.begin(CORPUS, run_id_of(1))
    assert overtaken == [job.seq - 1]


def test_a_planner_that_lost_its_corpus_starts_no_run(machine: MakeMachine) -> None:
    planner = machine(0)
    record = RunRecord(
        run_id=run_id_of(1), corpus=CORPUS, mode="full", status="planning", seq=1, started_at="now"
    )
    for holder in (None, "restore-1"):
        if holder:
            planner.state.acquire_lease(CORPUS, holder, 60)
        with pytest.raises(LeaseHeldError, match=f"before run {run_id_of(1)} began"):
            planner.runs.planning.start_run(record)
    assert not planner.runs.reader.exists(run_id_of(1))
    assert planner.state.latest_run(CORPUS) is None


# What else is timed


def test_a_worker_with_a_fast_clock_takes_no_place_of_the_hours_to_come(
    machine: MakeMachine, table: DatedTable
) -> None:
    rate = RateLimit(calls_per_second=1)
    for hours in (240, -6, 0):
        limits = RateLimits(table.client, table.name, machine(hours).clock)
        assert limits.take("bucket", rate, 5.0).is_granted


def test_a_claim_of_a_machine_with_a_fast_clock_ends_within_the_hour(
    machine: MakeMachine, table: DatedTable
) -> None:
    fast = CompactionClaims(table.client, table.name, machine(240).clock)
    right = CompactionClaims(table.client, table.name, machine(0).clock)
    assert fast.claim(CORPUS, ["a"])
    assert not right.claim(CORPUS, ["a"])
    table.now += timedelta(seconds=3605)
    assert right.claim(CORPUS, ["a"])


# All together


class SkewMachine(RuleBasedStateMachine):
    """Runs, planned and worked on by machines whose clocks are apart, until they are silent.

    The model is the table's time: when the live run last moved, and for how long it may not.
    """

    table: DatedTable

    @initialize()
    def begin_with_nothing(self) -> None:
        self.corpus = f"skew-{next(run_numbers)}"
        self.machines = {hours: Machine(self.table, timedelta(hours=hours)) for hours in HOURS}
        self.jobs: list[PageJob] = []
        self.live: str | None = None
        self.moved_at = self.table.now
        self.done: set[str] = set()
        self.seqs: list[int] = []

    @rule(
        hours=st.sampled_from(HOURS),
        waited=st.sampled_from([0, 60, 3600, LIFETIME_SECONDS - 10, LIFETIME_SECONDS + 10]),
    )
    def plan(self, hours: int, waited: int) -> None:
        """A planner, a compactor or a command wants the corpus after some time."""
        self.table.now += timedelta(seconds=waited)
        planner = self.machines[hours]
        run_id = run_id_of(next(run_numbers))
        silent_seconds = (self.table.now - self.moved_at).total_seconds()
        try:
            jobs = planner.begin(self.corpus, run_id, pages=3)
        except LeaseHeldError:
            assert self.live is not None
            assert silent_seconds < LIFETIME_SECONDS
            return
        if self.live is not None:
            assert silent_seconds > LIFETIME_SECONDS
            assert planner.runs.reader.get_run(self.live).run.status == "failed"
        self.jobs, self.live, self.moved_at = jobs, run_id, self.table.now
        self.done = set()
        self.seqs.append(jobs[0].seq)

    @rule(
        hours=st.sampled_from(HOURS),
        waited=st.sampled_from([0, 3600, LIFETIME_SECONDS - 10]),
        page=st.integers(0, 2),
    )
    def work(self, hours: int, waited: int, page: int) -> None:
        """A worker does a page of the live run, or does it again, which moves nothing."""
        if self.live is None:
            return
        self.table.now += timedelta(seconds=waited)
        job = self.jobs[page]
        self.machines[hours].runs.ledger.record_stage(job, "fetch", {"raw_records": 1})
        if job.page_id not in self.done:
            self.moved_at = self.table.now
        self.done.add(job.page_id)

    @rule(hours=st.sampled_from(HOURS))
    def end(self, hours: int) -> None:
        """The pages of the live run are given up, which ends it."""
        for job in self.jobs:
            self.machines[hours].runs.ledger.end_page(job, "gap", "enough")
        self.jobs, self.live = [], None

    @invariant()
    def the_live_run_is_live(self) -> None:
        if getattr(self, "live", None) is not None:
            run = self.machines[0].runs.reader.get_run(str(self.live)).run
            assert run.status == "running"
            assert self.machines[0].state.latest_run(self.corpus) == PlannedRun(
                run.run_id, self.seqs[-1]
            )

    @invariant()
    def numbers_grow(self) -> None:
        seqs = getattr(self, "seqs", [])
        assert seqs == sorted(set(seqs))


def test_any_order_of_events_among_skewed_clocks(table: DatedTable) -> None:
    given_table = table

    class OnTheTable(SkewMachine):
        table = given_table

    run_machine(
        OnTheTable,
        settings=settings(
            max_examples=20,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
