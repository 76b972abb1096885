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
