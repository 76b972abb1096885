"""What a bundle is refused for."""

import struct
import sys
from dataclasses import replace
from pathlib import Path

import hnswlib
import pytest

from scripts.build_support import BuildError
from scripts.bundling.checks import (
    UNZIPPED_LIMIT_BYTES,
    check_files,
    check_no_duplicates,
    check_unzipped_size,
)
from scripts.bundling.native.hnswlib_wheel import check_library
from scripts.bundling.native.native_target import native_target
from scripts.bundling.targets import bundle_target

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs ELF files of this machine")

LIBRARY = Path(hnswlib.__file__).read_bytes()


def for_machine(machine: int) -> bytes:
    return LIBRARY[:18] + struct.pack("<H", machine) + LIBRARY[20:]


def test_files_of_this_machine_pass() -> None:
    check_files("x", {"a.py": b"", Path(hnswlib.__file__).name: LIBRARY}, bundle_target("local"))


@pytest.mark.parametrize(("machine", "name"), [(243, "an unknown machine"), (62, "x86_64")])
def test_a_foreign_architecture_is_refused(machine: int, name: str) -> None:
    with pytest.raises(BuildError, match=f"layer: python/x.so is for {name}; .* is arm64"):
        check_files("layer", {"python/x.so": for_machine(machine)}, bundle_target("aws"))


def test_another_python_is_refused() -> None:
    target = replace(bundle_target("local"), python=(3, 9))
    files = {"x.cpython-312-x86_64-linux-gnu.so": LIBRARY}
    with pytest.raises(BuildError, match=r"is for Python 3\.12; .* runs 3\.9"):
        check_files("layer", files, target)


def test_a_newer_glibc_is_refused() -> None:
    target = replace(bundle_target("local"), glibc=(2, 1))
    with pytest.raises(BuildError, match=r"needs glibc 2\.\d+; .* has 2\.1"):
        check_files("layer", {"x.so": LIBRARY}, target)


def test_a_library_that_nobody_brings_is_refused() -> None:
    lambda_here = replace(bundle_target("lambda"), python=sys.version_info[:2], glibc=(2, 99))
    needing = LIBRARY.replace(b"libstdc++.so.6\0", b"libabsent.so.6\0")
    assert needing != LIBRARY, "hnswlib needs the library of C++"
    with pytest.raises(BuildError, match=r"x\.so needs libabsent\.so\.6, which neither"):
        check_files("layer", {"x.so": needing}, lambda_here)
    check_files("layer", {"x.so": needing, "y.libs/libabsent.so.6": b""}, lambda_here)
    check_files("layer", {"x.so": LIBRARY}, lambda_here)


def test_a_damaged_library_is_refused() -> None:
    with pytest.raises(BuildError, match=r"x\.so cannot be checked"):
        check_files("layer", {"x.so": LIBRARY[:60]}, bundle_target("local"))


def test_size_counts_the_layers() -> None:
    check_unzipped_size("retrieve", {"retrieve": 0, "core": UNZIPPED_LIMIT_BYTES})
    with pytest.raises(BuildError, match=r"retrieve has 262,144,001 bytes .*core 262,144,000"):
        check_unzipped_size("retrieve", {"retrieve": 1, "core": UNZIPPED_LIMIT_BYTES})


def test_no_file_stands_in_two_parts() -> None:
    check_no_duplicates("chat", {"chat": ["shared/a.py"], "core": ["python/boto3/a.py"]})
    with pytest.raises(BuildError, match=r"chat has yaml/a\.py in both core and extra"):
        check_no_duplicates("chat", {"core": ["python/yaml/a.py"], "extra": ["python/yaml/a.py"]})


def test_an_extension_for_lambda_needs_nothing_but_glibc() -> None:
    target = native_target("aws")
    with pytest.raises(BuildError, match="made hnswlib for x86_64, not for arm64"):
        check_library(for_machine(62), target)
    # The system's compiler links the system's C++ library, which Lambda does not have.
    with pytest.raises(BuildError, match=r"needs .*libstdc|needs glibc"):
        check_library(for_machine(183), replace(target, zig_target="aarch64-linux-gnu.2.2"))
