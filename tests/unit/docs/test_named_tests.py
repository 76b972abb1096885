"""The tests that the pages of reliability name are there."""

import re
from pathlib import Path

import pytest

from tests.simulation.safeguards.catalogue import MUTANTS

ROOT = Path(__file__).resolve().parents[3]
_NAMED = re.compile(r"`(test_[a-z0-9_]+)(?:…)?`")


@pytest.mark.parametrize("page", ["reliability.md", "safeguards.md"])
def test_each_test_that_a_page_names_exists(page: str) -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(encoding="utf-8"), re.M)
    }
    text = (ROOT / "docs/why" / page).read_text(encoding="utf-8")
    named = set(_NAMED.findall(text))
    assert named
    assert named <= defined


def test_the_table_has_each_safeguard() -> None:
    text = (ROOT / "docs/why/safeguards.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if " | " in line}
    assert {mutant.safeguard.removesuffix(".") for mutant in MUTANTS} <= rows
