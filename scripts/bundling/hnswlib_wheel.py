"""Building hnswlib from its source distribution: for this interpreter, or for Lambda on arm64.

hnswlib publishes no wheels. Its extension is one C++ file, so the compiler is called directly:
the system's where there is one, else the one in the `ziglang` package, which also cross-compiles.
Standard library only: this runs before an environment has anything installed.
"""

import base64
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.build_support import (
    BuildError,
    digest_of_inputs,
    require_sha256,
    run_pip,
    write_whole,
)
from scripts.bundling.elf import Architecture, read_elf
from scripts.bundling.python_headers import (
    find_headers,
    foreign_include_folders,
    require_headers,
)
from scripts.bundling.tools import PYBIND11_VERSION, ZIGLANG_VERSION, ensure_tool

HNSWLIB_VERSION = "0.8.0"
HNSWLIB_SHA256 = "cb6d037eedebb34a7134e7dc78966441dfd04c9cf5ee93911be911ced951c44c"
SOURCE = "python_bindings/bindings.cpp"
COMMON_FLAGS = (
    "-O3",
    "-std=c++14",
    "-fPIC",
    "-shared",
    "-pthread",
    "-fvisibility=hidden",
    "-s",
    "-w",
    f'-DVERSION_INFO="{HNSWLIB_VERSION}"',
)
# Without leave to reorder sums the compiler makes no NEON multiply-adds of hnswlib's plain loops,
# which has no ARM intrinsics: 2.6 times slower. x86 has intrinsics and needs none of it.
ARM_FLAGS = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math")

LAMBDA_PYTHON = (3, 12)
# The glibc of Amazon Linux 2023, on which Lambda's Python runtimes stand.
LAMBDA_GLIBC = (2, 34)
# Every Graviton that Lambda runs on is at least this core.
LAMBDA_CPU = "neoverse_n1"
ALLOWED_LIBRARIES = frozenset({"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"})
LOADERS = frozenset({"ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2"})
AVX2_FLAGS = frozenset({"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c"})

TargetName = Literal["local", "aws"]


@dataclass(frozen=True, slots=True)
class WheelTarget:
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


def wheel_target(name: TargetName) -> WheelTarget:
    """Describe a target on this machine.

    Raises:
        BuildError: this is no 64-bit Linux on x86 or ARM.
    """
    if name == "aws":
        glibc = f"{LAMBDA_GLIBC[0]}.{LAMBDA_GLIBC[1]}"
        return WheelTarget(
            python=LAMBDA_PYTHON,
            architecture="arm64",
            platform_tag=f"manylinux_{glibc.replace('.', '_')}_aarch64",
            suffix=f".cpython-{LAMBDA_PYTHON[0]}{LAMBDA_PYTHON[1]}-aarch64-linux-gnu.so",
            flags=(f"-mcpu={LAMBDA_CPU}", *ARM_FLAGS),
            compiler=None,
            zig_target=f"aarch64-linux-gnu.{glibc}",
        )
    machine = platform.machine()
    architecture = local_architecture()
    if sys.platform != "linux":
        raise BuildError(
            f"hnswlib is built here on Linux only, and this is {sys.platform}; "
            f"install a C++ compiler and run pip install hnswlib=={HNSWLIB_VERSION}"
        )
    compiler = _system_compiler()
    return WheelTarget(
        python=(sys.version_info.major, sys.version_info.minor),
        architecture=architecture,
        platform_tag=f"linux_{machine}",
        suffix=str(sysconfig.get_config_var("EXT_SUFFIX")),
        flags=_local_flags(architecture, is_zig=compiler is None),
        compiler=compiler,
        zig_target=f"{machine}-linux-gnu.{_local_glibc()}" if compiler is None else None,
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


def build_hnswlib(root: Path, target: WheelTarget, headers: Path | None = None) -> Path:
    """Return a wheel of hnswlib, built the first time and then taken from `build/wheels`.

    Args:
        root: the repository; tools and sources are kept in `.local`.
        target: for whom.
        headers: the include folder of the target's Python; None looks for one.

    Raises:
        BuildError: sources, headers or compiler are missing, or the result would not run there.
    """
    key = digest_of_inputs(
        [repr(target), HNSWLIB_SHA256, PYBIND11_VERSION, ZIGLANG_VERSION, repr(COMMON_FLAGS)],
        [Path(__file__)],
    )
    name = f"hnswlib-{HNSWLIB_VERSION}-{target.tag}.whl"
    wheel = root / "build" / "wheels" / key[:16] / name
    if wheel.is_file():
        return wheel
    found = (
        find_headers(target.python) if headers is None else require_headers(headers, target.python)
    )
    source = _ensure_source(root)
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / f"hnswlib{target.suffix}"
        _compile(root, target, source, found, library)
        data = library.read_bytes()
    check_library(data, target)
    write_whole(wheel, _wheel_bytes(target, data, (source / "LICENSE").read_bytes()))
    return wheel


def check_library(data: bytes, target: WheelTarget) -> None:
    """Check that an extension will load where it is meant to.

    What zig builds must need nothing but glibc; what the system's compiler builds may need the
    system's C++ library.

    Raises:
        BuildError: wrong architecture, foreign libraries, or a glibc that is too new.
    """
    elf = read_elf(data)
    if elf.architecture != target.architecture:
        raise BuildError(
            f"the compiler made hnswlib for {elf.architecture}, not for {target.architecture}"
        )
    if target.zig_target is None:
        return
    foreign = set(elf.needed) - ALLOWED_LIBRARIES - LOADERS
    if foreign:
        raise BuildError(f"hnswlib for {target.tag} needs {', '.join(sorted(foreign))}")
    allowed = tuple(int(part) for part in target.zig_target.split(".")[1:3])
    if elf.glibc > allowed:
        raise BuildError(f"hnswlib for {target.tag} needs glibc {elf.glibc}, newer than {allowed}")


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


def _ensure_source(root: Path) -> Path:
    target = root / ".local" / "tools" / f"hnswlib-{HNSWLIB_VERSION}-source"
    folder = target / f"hnswlib-{HNSWLIB_VERSION}"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        run_pip(
            [
                "download",
                "--quiet",
                "--no-deps",
                "--no-binary=hnswlib",
                f"--dest={scratch}",
                f"hnswlib=={HNSWLIB_VERSION}",
            ],
            f"download the sources of hnswlib {HNSWLIB_VERSION}",
        )
        archive = next(Path(scratch).glob("*.tar.gz"))
        require_sha256(archive, HNSWLIB_SHA256)
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(archive) as opened:
            opened.extractall(partial, filter="data")
    partial.rename(target)
    return folder


def _compile(root: Path, target: WheelTarget, source: Path, headers: Path, library: Path) -> None:
    pybind11 = ensure_tool(root, "pybind11", PYBIND11_VERSION) / "pybind11" / "include"
    includes = [source / "hnswlib", pybind11]
    environment = dict(os.environ)
    if target.zig_target is None:
        command = list(target.compiler or ())
        includes.append(headers)
    else:
        ziglang = ensure_tool(root, "ziglang", ZIGLANG_VERSION) / "ziglang" / "zig"
        command = [str(ziglang), "c++", "-target", target.zig_target]
        environment["ZIG_GLOBAL_CACHE_DIR"] = str(root / ".local" / "tools" / "zig-cache")
        environment["ZIG_LOCAL_CACHE_DIR"] = str(library.parent / "zig-cache")
        triplet = target.zig_target.rpartition(".")[0].rpartition(".")[0]
        includes += foreign_include_folders(headers, triplet, library.parent / "include")
    command += [*target.flags, *COMMON_FLAGS]
    command += [f"-I{include}" for include in includes]
    _run_compiler([*command, str(source / SOURCE), "-o", str(library)], environment)


def _run_compiler(command: Sequence[str], environment: dict[str, str]) -> None:
    try:
        finished = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"the C++ compiler {command[0]} cannot be started: {error}") from error
    if finished.returncode != 0:
        lines = [line for line in finished.stderr.splitlines() if "error" in line]
        reason = lines[0] if lines else finished.stderr.strip()[-400:]
        raise BuildError(f"{Path(command[0]).name} could not compile hnswlib: {reason}")


def _wheel_bytes(target: WheelTarget, library: bytes, licence: bytes) -> bytes:
    """A wheel (PEP 427) with fixed times, so that equal builds are equal files."""
    info = f"hnswlib-{HNSWLIB_VERSION}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: hnswlib\nVersion: {HNSWLIB_VERSION}\n"
        "License: Apache-2.0\nRequires-Dist: numpy\n"
    )
    tags = (
        "Wheel-Version: 1.0\nGenerator: ultron-embeddings\nRoot-Is-Purelib: false\n"
        f"Tag: {target.tag}\n"
    )
    files = {
        f"hnswlib{target.suffix}": library,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": tags.encode(),
        f"{info}/licenses/LICENSE": licence,
    }
    record = "".join(f"{name},{_record_hash(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _record_hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}"
