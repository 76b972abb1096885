"""Reading what a bundle's check needs of an ELF file: machine, needed libraries, glibc version.

Only 64-bit little-endian files are read, which is what both architectures of Lambda are.
"""

import re
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Literal

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

Architecture = Literal["x86_64", "arm64"]

MAGIC = b"\x7fELF"
MACHINES: dict[str, Architecture] = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64"}
# pyelftools takes some tables for what they ought to be: not all that it raises is an ELFError.
SIGNS_OF_DAMAGE = (
    ELFError, AssertionError, AttributeError, OverflowError, TypeError, ValueError,
)  # fmt: skip
# Far more than any library asks for; in a damaged file an entry may follow itself.
MOST_VERSIONS = 10_000


class ElfError(ValueError):
    """The bytes begin like an ELF file and are none that can be read."""


@dataclass(frozen=True, slots=True)
class ElfFile:
    """`architecture` is None for a machine that Lambda does not have.

    `glibc` is the highest version of a symbol that the file asks for, (0, 0) if it asks for none.
    """

    architecture: Architecture | None
    needed: tuple[str, ...]
    glibc: tuple[int, int]


def is_elf(data: bytes) -> bool:
    """Whether bytes begin like an ELF file."""
    return data.startswith(MAGIC)


def read_elf(data: bytes) -> ElfFile:
    """Read an executable or shared library.

    Raises:
        ElfError: it is no ELF file, not 64-bit little-endian, or its tables point outside of it.
    """
    if not is_elf(data):
        raise ElfError("no ELF file")
    if data[4:6] != b"\x02\x01":
        raise ElfError("not a 64-bit little-endian ELF file")
    try:
        file = ELFFile(BytesIO(data))
        needed, is_versioned = _read_dynamic(file)
        versions = _symbol_versions(file)
    except SIGNS_OF_DAMAGE as error:
        raise ElfError(f"a damaged ELF file: {str(error) or type(error).__name__}") from error
    if is_versioned and not versions:
        raise ElfError("it asks for versions of symbols, and no section lists them")
    return ElfFile(MACHINES.get(file["e_machine"]), needed, _highest_glibc(versions))


def _read_dynamic(file: ELFFile) -> tuple[tuple[str, ...], bool]:
    """The needed libraries, and whether symbols are asked for by version."""
    segments = (each for each in file.iter_segments() if isinstance(each, DynamicSegment))
    tags = [tag for segment in segments for tag in segment.iter_tags()]
    needed = tuple(vars(tag)["needed"] for tag in tags if tag["d_tag"] == "DT_NEEDED")
    if not all(needed):
        raise ElfError("a needed library has no name")
    return needed, any(tag["d_tag"] == "DT_VERNEED" for tag in tags)


def _symbol_versions(file: ELFFile) -> list[str]:
    sections = (each for each in file.iter_sections() if isinstance(each, GNUVerNeedSection))
    listed = (
        version.name
        for section in sections
        for _, versions in section.iter_versions()
        for version in versions
    )
    found = list(islice(listed, MOST_VERSIONS + 1))
    if len(found) > MOST_VERSIONS:
        raise ElfError(f"it lists more than {MOST_VERSIONS} versions of symbols")
    return found


def _highest_glibc(versions: list[str]) -> tuple[int, int]:
    found = (re.match(r"GLIBC_(\d+)\.(\d+)", version) for version in versions)
    return max(((int(match[1]), int(match[2])) for match in found if match), default=(0, 0))
