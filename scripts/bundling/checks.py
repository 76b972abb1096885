"""What a bundle must satisfy before anything is deployed."""

import re
from collections.abc import Iterable, Mapping

from scripts.build_support import BuildError
from scripts.bundling.elf import ElfError, is_elf, read_elf
from scripts.bundling.targets import BundleTarget

# Lambda's limit for a function with its layers, unzipped: 250 MB of 1,048,576 bytes.
UNZIPPED_LIMIT_BYTES = 262_144_000
EXTENSION_OF_ONE_PYTHON = re.compile(r"\.cpython-(\d)(\d+)-[^/]*\.so$")


def check_files(archive: str, files: Mapping[str, bytes], target: BundleTarget) -> None:
    """Check that every native file of a zip runs on the target.

    Raises:
        BuildError: one is of another architecture or Python, or needs a newer glibc.
    """
    for name, data in files.items():
        if is_elf(data):
            _check_native_file(f"{archive}: {name}", data, target)


def _check_native_file(where: str, data: bytes, target: BundleTarget) -> None:
    try:
        elf = read_elf(data)
    except ElfError as error:
        raise BuildError(f"{where} cannot be checked: {error}") from error
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
