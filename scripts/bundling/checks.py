"""What a bundle must satisfy before anything is deployed."""

import re
from collections.abc import Collection, Iterable, Mapping

from scripts.build_support import BuildError
from scripts.bundling.native.elf import ElfError, ElfFile, is_elf, read_elf
from scripts.bundling.targets import BundleTarget

# Lambda's limit for a function with its layers, unzipped: 250 MB of 1,048,576 bytes.
UNZIPPED_LIMIT_BYTES = 262_144_000
# What Lambda's Python runtimes bring: glibc 2.34 with its parts, and gcc's two.
RUNTIME_LIBRARIES = frozenset(
    {
        "ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libgcc_s.so.1",
        "libm.so.6", "libpthread.so.0", "librt.so.1", "libstdc++.so.6",
    }
)  # fmt: skip
EXTENSION_OF_ONE_PYTHON = re.compile(r"\.cpython-(\d)(\d+)-[^/]*\.so$")


def check_files(archive: str, files: Mapping[str, bytes], target: BundleTarget) -> None:
    """Check that every native file of a zip runs on the target.

    Raises:
        BuildError: one is of another architecture or Python, needs a newer glibc, or needs a
            library that neither Lambda nor the zip has.
    """
    brought = {name.rpartition("/")[2] for name in files}
    for name, data in files.items():
        if is_elf(data):
            where = f"{archive}: {name}"
            elf = _read(where, data)
            _check_native_file(where, elf, target)
            if target.glibc is not None:
                _check_needed_libraries(where, elf, brought)


def _read(where: str, data: bytes) -> ElfFile:
    try:
        return read_elf(data)
    except ElfError as error:
        raise BuildError(f"{where} cannot be checked: {error}") from error


def _check_needed_libraries(where: str, elf: ElfFile, brought: Collection[str]) -> None:
    for library in elf.needed:
        if library not in RUNTIME_LIBRARIES and library not in brought:
            raise BuildError(
                f"{where} needs {library}, which neither Lambda's runtime nor this zip has"
            )


def _check_native_file(where: str, elf: ElfFile, target: BundleTarget) -> None:
    if elf.architecture != target.architecture:
        raise BuildError(
            f"{where} is for {elf.architecture or 'an unknown machine'}; "
            f"the target {target.name} is {target.architecture}"
        )
    if target.glibc is not None and elf.glibc > target.glibc:
        raise BuildError(
            f"{where} needs glibc {elf.glibc[0]}.{elf.glibc[1]}; "
            f"the target {target.name} has {target.glibc[0]}.{target.glibc[1]}"
        )
    extension = EXTENSION_OF_ONE_PYTHON.search(where)
    if extension and (int(extension[1]), int(extension[2])) != target.python:
        raise BuildError(
            f"{where} is for Python {extension[1]}.{extension[2]}; "
            f"the target {target.name} runs {target.python[0]}.{target.python[1]}"
        )


def check_unzipped_size(function: str, parts_bytes: Mapping[str, int]) -> None:
    """Check a function together with its layers against Lambda's limit.

    Args:
        function: its name.
        parts_bytes: unzipped bytes of the function and of each layer, by name.

    Raises:
        BuildError: the sum is over the limit; the message lists the parts.
    """
    total = sum(parts_bytes.values())
    if total > UNZIPPED_LIMIT_BYTES:
        listing = ", ".join(f"{name} {size:,}" for name, size in parts_bytes.items())
        raise BuildError(
            f"{function} has {total:,} bytes unzipped ({listing}); "
            f"Lambda's limit is {UNZIPPED_LIMIT_BYTES:,}"
        )


def check_no_duplicates(function: str, parts_names: Mapping[str, Iterable[str]]) -> None:
    """Check that no file stands in two parts of a function: which one wins differs by platform.

    Raises:
        BuildError: a file does.
    """
    owner: dict[str, str] = {}
    for part, names in parts_names.items():
        for name in names:
            module = name.removeprefix("python/")
            if module in owner:
                raise BuildError(f"{function} has {module} in both {owner[module]} and {part}")
            owner[module] = part
