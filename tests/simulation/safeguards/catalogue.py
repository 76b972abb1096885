"""All mutants, by what the safeguards belong to."""

from collections.abc import Mapping

from tests.simulation.safeguards import (
    corpora,
    garbage,
    manifests,
    mending,
    messages,
    model_change,
    planning,
    rebuilding,
    run_ends,
    runs,
    stages,
    storage,
    sweeping,
)
from tests.simulation.safeguards.mutant import Mutant

BY_AREA: Mapping[str, tuple[Mutant, ...]] = {
    "table and bucket": storage.MUTANTS,
    "pages of runs": runs.MUTANTS,
    "ends of runs": run_ends.MUTANTS,
    "leases, versions and floors": corpora.MUTANTS,
    "manifests": manifests.MUTANTS,
    "garbage and merges": garbage.MUTANTS,
    "messages": messages.MUTANTS,
    "stages": stages.MUTANTS,
    "planning and steering": planning.MUTANTS,
    "sweep": sweeping.MUTANTS,
    "restore, mark-bad and removal": mending.MUTANTS,
    "rebuild": rebuilding.MUTANTS,
    "change of model": model_change.MUTANTS,
}

MUTANTS: tuple[Mutant, ...] = tuple(mutant for area in BY_AREA.values() for mutant in area)

_SMALL = tuple(
    f"tests/unit/{folder}"
    for folder in ("state", "storage", "messaging", "ingest", "embedder", "indexer", "compactor")
)
_INDEX, _CLI = "tests/unit/index", "tests/integration/cli"
_STORAGE, _MESSAGING = "tests/integration/storage", "tests/integration/messaging"
_STATE = "tests/integration/state"
_FURTHER_TESTS: Mapping[str, tuple[str, ...]] = {
    "table and bucket": (_STORAGE, _STATE),
    "manifests": (_INDEX, _STORAGE, _STATE),
    "garbage and merges": (_INDEX, _STATE),
    "messages": (_MESSAGING, _STATE, _CLI),
    "stages": (_MESSAGING, _STATE),
    "restore, mark-bad and removal": (_INDEX, _STATE, _CLI),
    "rebuild": (_INDEX, _STATE),
    "change of model": (_INDEX, _STATE),
}


def folders_of_tests(mutant: Mutant) -> tuple[str, ...]:
    """Return the folders of tests that are to notice a mutant, the fastest first."""
    area = next(name for name, mutants in BY_AREA.items() if mutant in mutants)
    return (*_SMALL, *_FURTHER_TESTS.get(area, (_STATE,)))
