"""The catalogue of mutants fits the code: a mutant that fits no longer would test nothing."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.simulation.safeguards.catalogue import MUTANTS
from tests.simulation.safeguards.mutant import CannotBeMadeError, Mutant

ROOT = Path(__file__).resolve().parents[3]
FEWEST = 75


@cache
def source_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place_of_code_that_still_compiles(mutant: Mutant) -> None:
    assert mutant.path.startswith(("shared/", "services/"))
    mutated = mutant.applied_to(source_of(mutant.path))
    assert mutated != source_of(mutant.path)
    compile(mutated, mutant.path, "exec")


def test_there_are_many_and_each_is_another_one() -> None:
    assert len(MUTANTS) >= FEWEST
    assert [name for name, count in Counter(m.name for m in MUTANTS).items() if count > 1] == []
    changes = Counter((mutant.path, mutant.before, mutant.after) for mutant in MUTANTS)
    assert max(changes.values()) == 1


def test_each_says_in_a_sentence_what_it_protects_from() -> None:
    for mutant in MUTANTS:
        assert mutant.safeguard.endswith("."), mutant.name
        assert mutant.name == mutant.name.lower().replace("_", "-"), mutant.name
        assert "|" not in mutant.safeguard, mutant.name


@pytest.mark.parametrize("source", ["nothing of it", "twice, twice"])
def test_a_mutant_that_fits_no_longer_names_itself(source: str) -> None:
    mutant = Mutant("a-name", "shared/x.py", "twice", "once", "It protects.")
    with pytest.raises(CannotBeMadeError, match="a-name: what it changes occurs"):
        mutant.applied_to(source)
