"""Orders of events, without any fault, in which the simulation once found something lost."""

from collections.abc import Sequence

import pytest

from tests.simulation.scenario import ENTITIES, Operation, OperationKind, Scenario
from tests.simulation.simulate import simulate

HOUR_SECONDS = 3600.0
# Both are of one entity, and of other lengths.
FIRST, SECOND = 0, ENTITIES
Step = tuple[OperationKind, int]


def violation_of(steps: Sequence[Step]) -> str | None:
    """Do one step an hour, and return what did not hold."""
    operations = [
        Operation(number * HOUR_SECONDS, kind, argument)
        for number, (kind, argument) in enumerate(steps)
    ]
    outcome = simulate(Scenario(1, tuple(operations), (), (0,), 0.0))
    return outcome.violation


@pytest.mark.parametrize("second", ["run_full", "run_incremental"])
def test_a_source_that_returns_to_its_older_content_is_read(second: OperationKind) -> None:
    assert violation_of([
        ("write", FIRST), ("run_full", 0), ("write", SECOND), (second, 0), ("revert", 0),
        ("run_incremental", 0),
    ]) is None  # fmt: skip


@pytest.mark.parametrize("last", ["run_full", "run_incremental"])
def test_what_was_deleted_comes_back_as_it_was(last: OperationKind) -> None:
    assert violation_of([
        ("write", FIRST), ("run_full", 0), ("delete", 0), ("run_full", 0), ("revert", 0), (last, 0),
    ]) is None  # fmt: skip


def test_a_rebuild_after_a_restore_does_not_bring_back_what_was_deleted() -> None:
    assert violation_of([
        ("write", 0), ("run_full", 0), ("write", 1), ("run_full", 0), ("restore", 0), ("delete", 1),
        ("run_full", 0), ("rebuild", 0), ("read", 0),
    ]) is None  # fmt: skip
