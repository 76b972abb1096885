"""Which tests a mutant is shown to."""

from pathlib import Path

import pytest

from tests.simulation.covering import Covering, lines_of, most_specific_first
from tests.simulation.safeguards.mutant import CannotBeMadeError, Mutant

GUARDED = """\
LIMIT = 3


def guarded(value):
    if value > LIMIT:
        return (
            LIMIT,
            value,
        )
    return (0, value)
"""
TESTS = """
from shared.guarded import guarded

def test_within():
    assert guarded(2) == (0, 2)

def test_beyond():
    assert guarded(4) == (3, 4)

def test_of_nothing():
    assert True
"""


def mutant(before: str) -> Mutant:
    return Mutant(before, "shared/guarded.py", before, "", "It is guarded.")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for package in ("shared", "services"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()  # else the checkout's own comes first
    (tmp_path / "tests").mkdir()
    (tmp_path / "shared/guarded.py").write_text(GUARDED)
    (tmp_path / "tests/test_guarded.py").write_text(TESTS)
    (tmp_path / "tests/conftest.py").write_text(
        "from hypothesis import settings\nsettings.register_profile('first-failure')\n"
    )
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    return tmp_path


def test_a_mutant_is_shown_to_the_tests_that_execute_it(folder: Path) -> None:
    covering = Covering.measured(folder, ["tests"], 1)
    within, beyond = (f"tests/test_guarded.py::test_{name}" for name in ("within", "beyond"))
    assert covering.tests_of(mutant("            value,\n")) == {beyond}
    assert covering.tests_of(mutant("    if value > LIMIT:\n")) == {within, beyond}
    assert covering.tests_of(mutant("    return (0, value)\n")) == {within}
    assert covering.tests_of(mutant("LIMIT = 3")) == set()


def test_the_tests_must_hold_without_a_mutant(folder: Path) -> None:
    (folder / "shared/guarded.py").write_text(GUARDED.replace("3", "1"))
    with pytest.raises(CannotBeMadeError, match="the tests fail without any mutant: 2 failed"):
        Covering.measured(folder, ["tests"], 1)


def test_a_line_within_a_statement_is_executed_where_that_begins() -> None:
    assert lines_of(mutant("            value,\n"), GUARDED) == {6, 8}
    assert lines_of(mutant("LIMIT:\n"), GUARDED) == {5}


def test_tests_that_execute_few_mutants_come_first() -> None:
    first, second = mutant("a"), mutant("b")
    assert most_specific_first({first: {"x", "y"}, second: {"y"}}) == {
        first: ["x", "y"],
        second: ["y"],
    }
