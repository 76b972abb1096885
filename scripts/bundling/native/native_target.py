"""The machines that native code is built for: this one, and Lambda's on arm64 or on this one's."""

import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.build_support import BuildError
from scripts.bundling.native.elf import Architecture

# Without leave to reorder sums the compiler makes no NEON multiply-adds of hnswlib's plain loops,
# which has no ARM intrinsics: 2.6 times slower. x86 has intrinsics and needs none of it.
ARM_FLAGS = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math")

LAMBDA_PYTHON = (3, 12)
# The glibc of Amazon Linux 2023, on which Lambda's Python runtimes stand.
LAMBDA_GLIBC = (2, 34)
# Every Graviton that Lambda runs on is at least this core.
LAMBDA_CPU = "neoverse_n1"
# As wheels and compilers name Lambda's two architectures.
MACHINE_OF: Mapping[Architecture, str] = {"arm64": "aarch64", "x86_64": "x86_64"}
AVX2_FLAGS = frozenset({"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c"})

# `local` is this machine and its Python, `aws` Lambda on arm64, `lambda` Lambda's Python and glibc
# on this machine's architecture: what LocalStack runs functions with.
TargetName = Literal["local", "aws", "lambda"]


@dataclass(frozen=True, slots=True)
class NativeTarget:
    """For whom a wheel is; `zig_target` is None where the system's compiler is used."""

    python: tuple[int, int]
    architecture: Architecture
    platform_tag: str
    suffix: str
    flags: tuple[str, ...]
    compiler: tuple[str, ...] | None
    zig_target: str | None

    @property
    def tag(self) -> str:
        """The wheel's compatibility tag (PEP 425)."""
        python = f"cp{self.python[0]}{self.python[1]}"
        return f"{python}-{python}-{self.platform_tag}"


def native_target(name: TargetName, python: tuple[int, int] = LAMBDA_PYTHON) -> NativeTarget:
    """Describe a target on this machine; `python` is that of the target `aws`.

    Raises:
        BuildError: this is no 64-bit Linux on x86 or ARM.
    """
    if name != "local":
        return _lambda_target("arm64" if name == "aws" else local_architecture(), python)
    machine = platform.machine()
    architecture = local_architecture()
    if sys.platform != "linux":
        raise BuildError(
            f"hnswlib is built here on Linux only, and this is {sys.platform}; "
            "install a C++ compiler and run pip install hnswlib"
        )
    compiler = _system_compiler()
    return NativeTarget(
        python=(sys.version_info.major, sys.version_info.minor),
        architecture=architecture,
        platform_tag=f"linux_{machine}",
        suffix=str(sysconfig.get_config_var("EXT_SUFFIX")),
        flags=_local_flags(architecture, is_zig=compiler is None),
        compiler=compiler,
        zig_target=f"{machine}-linux-gnu.{_local_glibc()}" if compiler is None else None,
    )


def _lambda_target(architecture: Architecture, python: tuple[int, int]) -> NativeTarget:
    glibc = f"{LAMBDA_GLIBC[0]}.{LAMBDA_GLIBC[1]}"
    machine = MACHINE_OF[architecture]
    flags = _local_flags(architecture, is_zig=True)
    if architecture == "arm64":
        flags = (f"-mcpu={LAMBDA_CPU}", *flags)
    return NativeTarget(
        python=python,
        architecture=architecture,
        platform_tag=f"manylinux_{glibc.replace('.', '_')}_{machine}",
        suffix=f".cpython-{python[0]}{python[1]}-{machine}-linux-gnu.so",
        flags=flags,
        compiler=None,
        zig_target=f"{machine}-linux-gnu.{glibc}",
    )


def local_architecture() -> Architecture:
    """This machine's architecture, in Lambda's words.

    Raises:
        BuildError: it is neither of Lambda's two.
    """
    match platform.machine():
        case "x86_64" | "AMD64":
            return "x86_64"
        case "aarch64" | "arm64":
            return "arm64"
        case other:
            raise BuildError(f"this machine is {other}; supported are x86_64 and arm64")


def _system_compiler() -> tuple[str, ...] | None:
    # What CXX names is the person's choice, and may carry arguments.
    chosen = os.environ.get("CXX", "").split()
    if chosen:
        return tuple(chosen)
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            return (name,)
    return None


def _local_flags(architecture: Architecture, *, is_zig: bool) -> tuple[str, ...]:
    """Instructions of this machine, in one of two levels rather than `-march=native`.

    x86-64-v3 (AVX2, FMA) is what every x86 of Lambda and nearly every laptop since 2013 has; the
    level stands in the cache key, so a machine without it builds its own for the baseline.
    """
    if architecture == "arm64":
        return ARM_FLAGS
    cpus = Path("/proc/cpuinfo")
    present = set(cpus.read_text().split()) if cpus.is_file() else set[str]()
    if not present >= AVX2_FLAGS:
        return ()
    return ("-mcpu=x86_64_v3",) if is_zig else ("-march=x86-64-v3",)


def _local_glibc() -> str:
    name, version = platform.libc_ver()
    if name != "glibc":
        raise BuildError(
            "this Linux has no glibc (is it Alpine?); install a C++ compiler, which is then used"
        )
    return version
