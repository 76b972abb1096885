"""Makes a scenario that fails as small as it gets while it still fails in the same way."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.scenario import Scenario

MOST_ATTEMPTS = 400

Fails = Callable[[Scenario], bool]


def shrink(scenario: Scenario, fails: Fails) -> Scenario:
    """Leave out operations and faults, a half first and then one by one, as long as it fails."""
    attempts = 0
    smaller = True
    while smaller and attempts < MOST_ATTEMPTS:
        smaller = False
        for candidate in _smaller(scenario):
            attempts += 1
            if fails(candidate):
                scenario, smaller = candidate, True
                break
            if attempts >= MOST_ATTEMPTS:
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    faults, operations = scenario.faults, scenario.operations
    if any(scenario.skews_seconds):
        yield replace(scenario, skews_seconds=(0,))
    for kept in _without(len(faults)):
        yield replace(scenario, faults=tuple(faults[number] for number in kept))
    for kept in _without(len(operations)):
        yield replace(scenario, operations=tuple(operations[number] for number in kept))


def _without(size: int) -> Iterator[list[int]]:
    """Yield the positions that stay: without each run of a half, of a quarter, ..., of one."""
    length = size
    while length >= 1:
        for start in range(0, size, length):
            yield [number for number in range(size) if not start <= number < start + length]
        length //= 2
