"""The runner of mutants, with a small stand-in for the code and for the simulation."""

from argparse import Namespace
from dataclasses import replace
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest

from tests.simulation.covering import FOLDERS
from tests.simulation.mutants import chosen, described, main, run_all, summary, table
from tests.simulation.noticed import read_notices
from tests.simulation.safeguards.catalogue import MUTANTS
from tests.simulation.safeguards.mutant import CannotBeMadeError, Mutant
from tests.simulation.trials import Tree, Verdict, read_answer, read_tests, run_tests

ROOT = Path(__file__).resolve().parents[3]
SIMULATION = """
import sys, time
from shared.guarded import IS_SAFE
if IS_SAFE == 2:
    time.sleep(60)
if IS_SAFE == 3:
    sys.exit("it broke")
print("some seeds")
if not IS_SAFE:
    print("seed 7 fails: something | is lost")
sys.exit(0 if IS_SAFE else 1)
"""


def mutant(name: str, after: str, before: str = "IS_SAFE = 1") -> Mutant:
    return Mutant(name, "shared/guarded.py", before, after, "Nothing is | lost.")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "shared").mkdir(parents=True)
    (root / "shared/__init__.py").touch()  # else the checkout's own package comes first
    (root / "shared/guarded.py").write_text("IS_SAFE = 1\n")
    (root / "tests/simulation").mkdir(parents=True)
    (root / "tests/simulation/simulate.py").write_text(SIMULATION)
    return root


def options(**given: object) -> Namespace:
    defaults = {"seeds": 3, "processes": 2, "only": None, "time_limit": 30.0, "table": False}
    defaults |= {"tests": False, "covering": False, "noticed": False}
    return Namespace(**defaults | given)


def test_each_mutant_is_tried_on_the_code_as_it_is_but_for_one_place(root: Path) -> None:
    out = StringIO()
    caught, survivor = mutant("a-caught", "IS_SAFE = 0"), mutant("b-survivor", "IS_SAFE = 9")
    misfit, broken = mutant("c-misfit", "", "gone"), mutant("d-broken", "IS_SAFE = 3")
    found = run_all([caught, survivor, misfit, broken], options(), out, root)
    assert found[caught] == Verdict("caught", 7, "something | is lost")
    assert found[survivor] == Verdict("survives")
    assert (found[misfit].kind, found[broken].kind) == ("unmade", "unmade")
    assert "it broke" in found[broken].sentence
    assert out.getvalue().splitlines()[-1] == "4 mutants, 1 caught, 2 could not be made"


def test_the_simulation_must_hold_without_a_mutant(root: Path) -> None:
    (root / "shared/guarded.py").write_text("IS_SAFE = 0\n")
    with pytest.raises(CannotBeMadeError, match="without any mutant: caught by seed 7"):
        run_all([], options(processes=1), StringIO(), root)


def test_what_does_not_end_is_undecided(root: Path) -> None:
    slow = mutant("a-slow", "IS_SAFE = 2")
    given = options(processes=1, only=["a-slow"], time_limit=0.3)
    assert run_all([slow], given, StringIO(), root)[slow].kind == "late"


def test_a_tree_is_again_as_it_was(root: Path, tmp_path: Path) -> None:
    tree = Tree.copied(tmp_path / "tree", root)
    path = tree.folder / "shared/guarded.py"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    with tree.with_mutant(mutant("a", "IS_SAFE = 0")):
        assert path.read_text() == "IS_SAFE = 0\n"
        assert path.stat().st_mtime_ns != before[1]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("status", "output", "kind"),
    [
        (0, "100 seeds hold", "survives"),
        (1, "a line\nseed 3 fails: b1 is lost\n", "caught"),
        (1, "seed 3 fails: b1 is lost\nand more", "unmade"),
        (1, "", "unmade"),
        (-9, "seed 3 fails: b1 is lost", "unmade"),
    ],
)
def test_an_answer_is_believed_only_in_its_form(status: int, output: str, kind: str) -> None:
    assert read_answer(status, output, "").kind == kind


GUARD_TEST = """
from shared.guarded import IS_SAFE

def test_that_holds():
    assert True

def test_the_guard():
    assert IS_SAFE == 1
"""


def test_the_first_test_that_fails_is_named(root: Path, tmp_path: Path) -> None:
    (root / "tests/test_guard.py").write_text(GUARD_TEST)
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    tree = Tree.copied(tmp_path / "tree", root)
    assert run_tests(tree, ["tests"], 60.0) == Verdict("survives")
    with tree.with_mutant(mutant("a", "IS_SAFE = 9")):
        verdict = run_tests(tree, ["tests"], 60.0)
    assert verdict == Verdict("caught", None, "tests/test_guard.py::test_the_guard")


@pytest.mark.parametrize(
    ("status", "output", "kind"),
    [
        (0, "3 passed", "survives"),
        (1, "FAILED tests/a.py::test_b - assert 0", "caught"),
        (2, "ERROR tests/a.py", "unmade"),
        (1, "", "unmade"),
    ],
)
def test_a_failed_test_is_believed_only_in_its_form(status: int, output: str, kind: str) -> None:
    assert read_tests(status, output, "").kind == kind


def test_the_tests_that_mutants_are_shown_to_are_there() -> None:
    assert all((ROOT / folder).is_dir() for folder in FOLDERS)


def test_words_for_people() -> None:
    verdicts = [Verdict("caught", 1, "x" * 200), Verdict("survives"), Verdict("late", None, "slow")]
    words = [described(verdict, 50) for verdict in verdicts]
    assert words[0].endswith("x ...")
    assert words[1:] == ["SURVIVES 50 seeds", "UNDECIDED: slow"]
    assert described(Verdict("caught", None, "tests/a.py::b"), 50) == "caught by tests/a.py::b"
    assert summary(verdicts) == "3 mutants, 1 caught, 1 undecided"


def test_a_table_has_the_areas_and_escapes_what_would_end_a_cell() -> None:
    first = replace(MUTANTS[0], safeguard="Nothing is | lost.")
    with mock.patch("tests.simulation.mutants.BY_AREA", {"messages": (first, MUTANTS[1])}):
        shown = table({first: Verdict("caught", 7, "a")}, 50)
    assert shown.splitlines() == [
        "",
        "## Messages",
        "",
        "| safeguard | noticed by |",
        "| --- | --- |",
        "| Nothing is \\| lost | seed 7 |",
    ]


def test_mutants_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert [found.name for found in chosen(["floor-falls"])] == ["floor-falls"]
    assert main(["--only", "no-such-mutant"]) == 1
    assert "there is no mutant no-such-mutant" in capsys.readouterr().err


def page_of(root: Path, *rows: str) -> None:
    (root / "docs/why").mkdir(parents=True)
    lines = ["| safeguard | noticed by |", "| --- | --- |", *rows]
    (root / "docs/why/safeguards.md").write_text("\n".join(lines) + "\n")


def test_a_mutant_is_shown_to_what_the_page_says_notices_it(root: Path) -> None:
    by_seed, by_test = mutant("a-seed", "IS_SAFE = 0"), mutant("b-test", "IS_SAFE = 0")
    by_test = replace(by_test, safeguard="A test | knows.")
    untrue = replace(mutant("c-untrue", "IS_SAFE = 1  # the same"), safeguard="It is not so.")
    missing = replace(mutant("d-missing", "IS_SAFE = 0"), safeguard="No row.")
    (root / "tests/test_guarded.py").write_text(
        "from shared.guarded import IS_SAFE\n\n\ndef test_it_is_safe():\n    assert IS_SAFE\n"
        "\n\ndef test_another():\n    assert False\n"
    )
    page_of(
        root, "| Nothing is \\| lost | seed 7 |", "| A test \\| knows | `test_it_is_safe` |",
        "| It is not so | `test_it_is_safe` |",
    )  # fmt: skip
    tried = [by_seed, by_test, untrue, missing]
    found = run_all(tried, options(noticed=True), StringIO(), root)
    assert found[by_seed] == Verdict("caught", 7, "something | is lost")
    assert found[by_test] == Verdict("caught", sentence="tests/test_guarded.py::test_it_is_safe")
    assert found[untrue] == Verdict("survives")
    assert found[missing].kind == "unmade"


def test_each_row_of_the_page_names_what_there_is() -> None:
    notices = read_notices(ROOT, MUTANTS)
    lacking = [one.name for one in MUTANTS if one not in notices]
    assert lacking == []
    assert [m.name for m, found in notices.items() if found.seed is None and not found.tests] == []
