"""The simulation itself: seeds hold, replay exactly, and what is broken is found and shrunk."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

import pytest

from shared.table.typed_values import Item
from tests.simulation.faults import Fault
from tests.simulation.scenario import Operation, Scenario
from tests.simulation.scheduler import KilledError, Scheduler
from tests.simulation.shrink import shrink
from tests.simulation.simulate import shrunk, simulate
from tests.simulation.truth import ViolationError
from tests.simulation.world import World

# `make simulate` goes through many more. The last three failed once, for what the simulation itself
# did wrong: stalls after the end of all faults, and a given-up request that was in no queue.
SEEDS = (*range(20), 2463, 3223, 7485)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_holds(seed: int) -> None:
    outcome = simulate(Scenario.draw(seed))
    assert outcome.violation is None, "\n".join(outcome.log)


def test_a_seed_replays_exactly() -> None:
    scenario = Scenario.draw(7)
    first, second = simulate(scenario), simulate(scenario)
    assert (first.log, first.effects, first.injected) == (
        second.log, second.effects, second.injected,
    )  # fmt: skip
    assert len(first.log) > 10


def test_a_scenario_is_read_as_it_was_written() -> None:
    scenario = Scenario.draw(3)
    assert Scenario.from_dict(scenario.to_dict()) == scenario


def test_a_safeguard_that_is_taken_out_is_missed_and_the_seed_is_shrunk() -> None:
    """Pages count as done before their shards are committed."""

    def is_complete(page: Item) -> bool:
        return "chunker" in page.get("stages", ())

    with mock.patch("shared.runs.page_ledger.is_complete", is_complete):
        failed = next(
            outcome
            for outcome in (simulate(Scenario.draw(seed)) for seed in range(200))
            if outcome.violation is not None
        )
        smaller = shrunk(failed)
    assert smaller.violation is not None
    before, after = failed.scenario, smaller.scenario
    assert len(after.operations) + len(after.faults) < len(before.operations) + len(before.faults)


def test_a_violation_within_a_stage_is_not_taken_for_its_failure() -> None:
    """The indexer answers every exception of a commit by failing its messages."""

    def check(_: World, operation: str, request: Mapping[str, Any]) -> None:
        if operation == "put_object" and request["Key"].endswith("/manifest.json"):
            raise ViolationError("a commit")

    with mock.patch.object(World, "_check_effect", check):
        assert simulate(Scenario.draw(0)).violation == "a commit"


def test_only_what_is_needed_to_fail_is_left() -> None:
    needed = Operation(3.0, "delete", 1)
    scenario = replace(
        Scenario.draw(1),
        operations=(*Scenario.draw(1).operations, needed),
        faults=tuple(Fault(effect, "lost") for effect in range(9)),
    )
    found = shrink(scenario, lambda one: needed in one.operations and len(one.faults) >= 2)
    assert (found.operations, len(found.faults)) == ((needed,), 2)
    assert not any(found.skews_seconds)


def test_a_killed_task_has_no_further_effect() -> None:
    scheduler = Scheduler(Random(1), NOW)
    effects: list[str] = []

    def work() -> None:
        try:
            scheduler.kill()
        finally:
            scheduler.pause()
            effects.append("after its death")

    task = scheduler.start("worker", work, 60.0)
    scheduler.step()
    assert task.is_ended
    assert isinstance(task.error, KilledError)
    assert not effects
    assert not scheduler.has_ready


def test_a_task_is_killed_at_its_deadline() -> None:
    scheduler = Scheduler(Random(1), NOW)
    task = scheduler.start("worker", lambda: scheduler.sleep(3600.0), 60.0)
    scheduler.step()
    woken = scheduler.next_timer
    assert woken == NOW + timedelta(seconds=60)
    scheduler.advance_to(woken)
    scheduler.step()
    assert (task.is_ended, task.is_killed) == (True, True)


def test_no_task_stalls_once_stalls_have_stopped() -> None:
    scheduler = Scheduler(Random(1), NOW, stall_share=1.0)

    def work() -> None:
        scheduler.pause(is_write=True)
        scheduler.pause(is_write=True)

    task = scheduler.start("worker", work, 60.0)
    scheduler.step()
    stalled_until = scheduler.next_timer
    assert stalled_until is not None
    scheduler.stop_stalls()
    scheduler.advance_to(stalled_until)
    scheduler.step()
    assert scheduler.next_timer is None
    scheduler.step()
    assert (task.is_ended, task.is_killed) == (True, False)
