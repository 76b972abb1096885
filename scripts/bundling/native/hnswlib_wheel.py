"""Building hnswlib from its source distribution: for this interpreter, or for Lambda on arm64.

hnswlib publishes no wheels. Its extension is one C++ file, so the compiler is called directly:
the system's where there is one, else the one in the `ziglang` package, which also cross-compiles.
Of other packages it needs pyelftools alone, which every environment with hnswlib has.
"""

import base64
import hashlib
import io
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from scripts.build_support import BuildError, digest_of_inputs, write_whole
from scripts.bundling.locked import locked_tool
from scripts.bundling.native.elf import read_elf
from scripts.bundling.native.native_target import NativeTarget
from scripts.bundling.native.python_headers import (
    find_headers,
    foreign_include_folders,
    require_headers,
)
from scripts.bundling.tools import ensure_source, ensure_tool

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
ALLOWED_LIBRARIES = frozenset({"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"})
LOADERS = frozenset({"ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2"})


def build_hnswlib(root: Path, target: NativeTarget, headers: Path | None = None) -> Path:
    """Return a wheel of hnswlib, built the first time and then taken from `build/wheels`.

    Args:
        root: the repository; tools and sources are kept in `.local`.
        target: for whom.
        headers: the include folder of the target's Python; None looks for one.

    Raises:
        BuildError: sources, headers or compiler are missing, or the result would not run there.
    """
    tools = [repr(locked_tool(root, name)) for name in ("pybind11", "ziglang")]
    key = digest_of_inputs(
        [repr(target), HNSWLIB_SHA256, *tools, repr(COMMON_FLAGS)], [Path(__file__)]
    )
    name = f"hnswlib-{HNSWLIB_VERSION}-{target.tag}.whl"
    wheel = root / "build" / "wheels" / key[:16] / name
    if wheel.is_file():
        return wheel
    found = (
        find_headers(target.python) if headers is None else require_headers(headers, target.python)
    )
    source = ensure_source(root, "hnswlib", HNSWLIB_VERSION, HNSWLIB_SHA256)
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / f"hnswlib{target.suffix}"
        _compile(root, target, source, found, library)
        data = library.read_bytes()
    check_library(data, target)
    write_whole(wheel, _wheel_bytes(target, data, (source / "LICENSE").read_bytes()))
    return wheel


def check_library(data: bytes, target: NativeTarget) -> None:
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


def _compile(root: Path, target: NativeTarget, source: Path, headers: Path, library: Path) -> None:
    pybind11 = ensure_tool(root, "pybind11") / "pybind11" / "include"
    includes = [source / "hnswlib", pybind11]
    environment = dict(os.environ)
    if target.zig_target is None:
        command = list(target.compiler or ())
        includes.append(headers)
    else:
        ziglang = ensure_tool(root, "ziglang") / "ziglang" / "zig"
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


def _wheel_bytes(target: NativeTarget, library: bytes, licence: bytes) -> bytes:
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
