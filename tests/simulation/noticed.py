"""What docs/why/safeguards.md says notices the absence of each safeguard."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.safeguards.mutant import Mutant

PAGE = "docs/why/safeguards.md"

_ROW = re.compile(r"\| (?P<safeguard>.+) \| (?:seed (?P<seed>\d+)|`(?P<test>test_\w+)`) \|")


@dataclass(frozen=True, slots=True)
class Notice:
    """A seed of the simulation, or tests."""

    seed: int | None = None
    tests: tuple[str, ...] = ()


def read_notices(root: Path, mutants: Sequence[Mutant]) -> dict[Mutant, Notice]:
    """Read the page; a mutant that it does not have is left out.

    Tests are named as pytest names them, and a test of one name in two files is both.
    """
    files = _files_of_tests(root)
    rows = {}
    for match in _ROW.finditer((root / PAGE).read_text(encoding="utf-8")):
        if match["seed"] is not None:
            notice = Notice(seed=int(match["seed"]))
        else:
            test = match["test"]
            notice = Notice(tests=tuple(f"{path}::{test}" for path in files.get(test, ())))
        rows[match["safeguard"].replace("\\|", "|")] = notice
    safeguards = {mutant: mutant.safeguard.removesuffix(".") for mutant in mutants}
    return {mutant: rows[said] for mutant, said in safeguards.items() if said in rows}


def _files_of_tests(root: Path) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M):
            files.setdefault(name, []).append(path.relative_to(root).as_posix())
    return files
