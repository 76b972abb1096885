"""Run the bundles that a user deploys on an arm64 CPython: `python -m scripts.arm64`.

Debian's arm64 Python and an emulator are fetched into the cache; on an arm64 machine the emulator
is one of arm64 on arm64. The bundles are those for AWS, built for that Python's version. Embedding
and search are compared with this machine's, and on x86 also with those of an emulated x86 processor
that has AVX2 and no VNNI.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.arm64.bundles import unpack
from scripts.arm64.comparison import LEAST_INT8_COSINE, TOLERANCE
from scripts.arm64.debian import PYTHON, ensure_arm64, require_emulator, require_python
from scripts.arm64.drill import Machine, SearchComparison, answer_events, compare_search
from scripts.arm64.function_process import FunctionError
from scripts.build_bundles import build_bundles
from scripts.build_model import ensure_model
from scripts.build_support import BuildError, repository_root
from scripts.demo.errors import StackError
from scripts.demo.steps import Steps
from scripts.model_export.recipes import Precision
from scripts.processes.errors import LocalProcessError
from shared.platform.command_line import complain, run_command

CACHE_VARIABLE = "ULTRON_ARM64_CACHE"
# That of Graviton2, which Lambda runs arm64 functions on. The emulator's default has matrix
# instructions (SME), which onnxruntime would use and which take it 30 times as long to emulate.
ARM64_PROCESSOR = "neoverse-n1"
# It has AVX2, as every x86 processor of Lambda does, and neither AVX-512 nor VNNI.
AVX2_PROCESSOR = "Haswell"


@dataclass(frozen=True)
class Machines:
    """arm64, this machine, and where it is an x86 one that has AVX2 alone."""

    arm64: Machine
    here: Machine
    avx2: Machine | None


def machines(cache: Path, root: Path, folder: Path, steps: Steps) -> Machines:
    """The machines to compare.

    Raises:
        BuildError: Debian's packages cannot be had, or a bundle not be built.
    """
    with steps.step("Debian's arm64 Python and the emulator"):
        debian = ensure_arm64(cache)
        emulator = require_emulator(debian, "aarch64")
        emulated = [str(emulator), "-cpu", ARM64_PROCESSOR, "-L", str(debian / "root")]
        python = require_python(debian)
    version = f"{PYTHON[0]}.{PYTHON[1]}"
    with steps.step(f"the bundles for AWS and Python {version}"):
        headers = debian / "root" / "usr" / "include" / f"python{version}"
        shipped = unpack(build_bundles("aws", root, python=PYTHON, headers=headers), folder / "aws")
    with steps.step("the bundles for this machine"):
        local = unpack(build_bundles("local", root), folder / "local")
    avx2 = None
    if platform.machine() == "x86_64":
        command = [str(require_emulator(debian, "x86_64")), "-cpu", AVX2_PROCESSOR, sys.executable]
        avx2 = Machine("avx2", command, local)
    return Machines(
        Machine("arm64", [*emulated, str(python)], shipped),
        Machine("this-machine", [sys.executable], local),
        avx2,
    )


def require_equal(found: SearchComparison, precision: Precision) -> None:
    """Check what both machines found: every number for fp32, cosines and the ranking for int8.

    The int8 model rounds activations: what differs by a millionth may differ by a step after it.

    Raises:
        FunctionError: they differ by more than that.
    """
    is_same = found.is_ranking_same and found.fixed_scores <= TOLERANCE
    if precision == "fp32":
        is_same = is_same and found.vectors <= TOLERANCE
    else:
        is_same = is_same and found.least_cosine >= LEAST_INT8_COSINE
    if not is_same:
        raise FunctionError(
            f"{found.machines[0]} and {found.machines[1]} find something else with {precision}: "
            f"vectors differ by {found.vectors:.2e} and have a cosine of {found.least_cosine:.5f}, "
            f"scores of fixed vectors differ by {found.fixed_scores:.2e}, the ranking is "
            f"{'the same' if found.is_ranking_same else 'another'}"
        )


def compare_machines(
    machines: Machines,
    models: Mapping[Precision, Path],
    folder: Path,
    said: Callable[[str], None],
) -> None:
    """Let the machines do the same work, and compare the others with this one.

    AVX2 alone endangers byte products only.

    Raises:
        FunctionError: it fails on one, or they find something else.
    """
    here = machines.here.search_work(models, folder / machines.here.name)
    others = [machines.arm64.search_work(models, folder / machines.arm64.name)]
    if machines.avx2 is not None:
        of_bytes: dict[Precision, Path] = {
            precision: model for precision, model in models.items() if precision != "fp32"
        }
        others.append(machines.avx2.search_work(of_bytes, folder / machines.avx2.name))
    for other in others:
        for precision in other.by_precision:
            found = compare_search(other, here, precision)
            require_equal(found, precision)
            said(
                f"{' and '.join(found.machines)}, {precision}: vectors within {found.vectors:.1e} "
                f"and a cosine of {found.least_cosine:.5f}, scores of fixed ones within "
                f"{found.fixed_scores:.1e}, the same ranking"
            )


def run(cache: Path, folder: Path, steps: Steps) -> None:
    """All of it.

    Raises:
        BuildError, FunctionError, StackError, LocalProcessError: one sentence.
    """
    root = repository_root()
    compared = machines(cache, root, folder, steps)
    precisions: tuple[Precision, ...] = ("fp32", "int8-dynamic")
    with steps.step("embedding, building and searching shards"):
        models = {precision: ensure_model(root, precision=precision) for precision in precisions}
        compare_machines(compared, models, folder, steps.detail)
    with steps.step("one real event for each function"):
        apart = answer_events(compared.arm64, folder, steps.detail)
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
