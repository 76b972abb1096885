"""For whom bundles are built: this machine, Lambda on arm64, Lambda on this architecture."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.build_support import BuildError
from scripts.bundling.native.elf import Architecture
from scripts.bundling.native.native_target import (
    LAMBDA_GLIBC,
    LAMBDA_PYTHON,
    MACHINE_OF,
    TargetName,
    local_architecture,
)

OLDEST_MANYLINUX_GLIBC_MINOR = 17  # manylinux2014, the oldest tag that arm64 has


@dataclass(frozen=True, slots=True)
class BundleTarget:
    """A platform; `pip_arguments` make pip choose its wheels rather than those of this machine.

    `glibc` is the newest that a file may ask for; None does not ask, as pip chose for this machine.
    """

    name: TargetName
    python: tuple[int, int]
    architecture: Architecture
    glibc: tuple[int, int] | None
    pip_arguments: tuple[str, ...]

    @property
    def marker_environment(self) -> Mapping[str, str]:
        """The values of environment markers (PEP 508) that decide between pinned versions."""
        return {
            "python_version": f"{self.python[0]}.{self.python[1]}",
            "python_full_version": f"{self.python[0]}.{self.python[1]}.0",
            "platform_machine": MACHINE_OF[self.architecture],
        }


def bundle_target(name: TargetName, python: tuple[int, int] = LAMBDA_PYTHON) -> BundleTarget:
    """Describe a target on this machine; `python` is that of the target `aws`.

    Raises:
        BuildError: this machine is neither x86_64 nor arm64.
    """
    if name == "local":
        own = (sys.version_info.major, sys.version_info.minor)
        return BundleTarget("local", own, local_architecture(), None, ())
    if LAMBDA_GLIBC[0] != 2:
        raise BuildError(f"manylinux tags are of glibc 2, not {LAMBDA_GLIBC[0]}")
    minors = range(LAMBDA_GLIBC[1], OLDEST_MANYLINUX_GLIBC_MINOR - 1, -1)
    architecture: Architecture = "arm64" if name == "aws" else local_architecture()
    machine = MACHINE_OF[architecture]
    tags = [*(f"manylinux_2_{minor}" for minor in minors), "manylinux2014"]
    python_argument = f"--python-version={python[0]}.{python[1]}"
    arguments = (
        *(f"--platform={tag}_{machine}" for tag in tags),
        python_argument,
        "--implementation=cp",
        # pip asks for its own Python here, not for the target's; the pins were made for both.
        "--ignore-requires-python",
        "--only-binary=:all:",
    )
    return BundleTarget(name, python, architecture, LAMBDA_GLIBC, arguments)
