"""Run the bundles that a user deploys on an arm64 CPython: `python -m scripts.arm64`.

Debian's arm64 Python and an emulator are fetched into the cache; on an arm64 machine the emulator
is one of arm64 on arm64. The bundles are those for AWS, built for that Python's version.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from scripts.arm64.bundles import unpack
from scripts.arm64.comparison import TOLERANCE
from scripts.arm64.debian import PYTHON, ensure_arm64, require_emulator, require_python
from scripts.arm64.drill import Machine, SearchComparison, answer_events, compare_search
from scripts.arm64.function_process import FunctionError
from scripts.build_bundles import build_bundles
from scripts.build_model import ensure_model
from scripts.build_support import BuildError, repository_root
from scripts.demo.errors import StackError
from scripts.demo.steps import Steps
from scripts.local_aws.errors import LocalProcessError
from scripts.model_export.recipes import Precision
from shared.command_line import complain, run_command

CACHE_VARIABLE = "ULTRON_ARM64_CACHE"


def machines(cache: Path, root: Path, folder: Path, steps: Steps) -> tuple[Machine, Machine]:
    """arm64, and this machine.

    Raises:
        BuildError: Debian's packages cannot be had, or a bundle not be built.
    """
    with steps.step("Debian's arm64 Python and the emulator"):
        debian = ensure_arm64(cache)
        emulated = [str(require_emulator(debian)), "-L", str(debian / "root")]
        python = require_python(debian)
    version = f"{PYTHON[0]}.{PYTHON[1]}"
    with steps.step(f"the bundles for AWS and Python {version}"):
        headers = debian / "root" / "usr" / "include" / f"python{version}"
        shipped = unpack(build_bundles("aws", root, python=PYTHON, headers=headers), folder / "aws")
    with steps.step("the bundles for this machine"):
        local = unpack(build_bundles("local", root), folder / "local")
    return (
        Machine("arm64", [*emulated, str(python)], shipped),
        Machine("this-machine", [sys.executable], local),
    )


def require_equal(found: SearchComparison, precision: Precision) -> None:
    """Check what both machines found: exactly for fp32, the ranking for int8.

    The int8 model rounds activations: what differs by a millionth may differ by a step after it.

    Raises:
        FunctionError: they differ by more than that.
    """
    worst = max(found.vectors, found.fixed_scores) if precision == "fp32" else found.fixed_scores
    if worst > TOLERANCE or not found.is_ranking_same:
        raise FunctionError(
            f"{found.machines[0]} and {found.machines[1]} find something else with {precision}: "
            f"vectors differ by {found.vectors:.2e}, scores of fixed vectors by "
            f"{found.fixed_scores:.2e}, the ranking is "
            f"{'the same' if found.is_ranking_same else 'another'}"
        )


def run(cache: Path, folder: Path, steps: Steps) -> None:
    """All of it.

    Raises:
        BuildError, FunctionError, StackError, LocalProcessError: one sentence.
    """
    root = repository_root()
    both = machines(cache, root, folder, steps)
    precisions: tuple[Precision, ...] = ("fp32", "int8-dynamic")
    for precision in precisions:
        with steps.step(f"embedding, building and searching a shard, {precision}"):
            model = ensure_model(root, precision=precision)
            found = compare_search(both, model, folder / precision)
            require_equal(found, precision)
            steps.detail(
                f"{' and '.join(found.machines)}: vectors within {found.vectors:.1e}, "
                f"scores of fixed ones within {found.fixed_scores:.1e}, the same ranking"
            )
    with steps.step("one real event for each function"):
        apart = answer_events(both[0], folder, steps.detail)
        steps.detail(
            f"the answer is this machine's: {len(apart)} results, scores within "
            f"{max(apart.values()):.1e}"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.arm64", description=__doc__)
    default = os.environ.get(CACHE_VARIABLE) or repository_root() / ".local" / "arm64"
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(default),
        help=f"for Debian's packages; {CACHE_VARIABLE}, or .local/arm64",
    )
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="ultron-arm64-"))
    try:
        run(options.cache, folder, Steps())
    except (BuildError, FunctionError, StackError, LocalProcessError) as error:
        complain(f"{error} (logs: {folder})")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
