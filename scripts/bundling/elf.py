"""Reading what a bundle's check needs of an ELF file: machine, needed libraries, glibc version.

Format: System V ABI, "Object Files"; symbol versions as the Linux Standard Base describes them.
Only 64-bit little-endian files are read, which is what both architectures of Lambda are.
"""

import re
import struct
from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86_64", "arm64"]

MAGIC = b"\x7fELF"
MACHINES: dict[int, Architecture] = {62: "x86_64", 183: "arm64"}
HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
DYNAMIC_ENTRY = struct.Struct("<qQ")
VERSION_NEED = struct.Struct("<HHIII")
VERSION_NEED_ENTRY = struct.Struct("<IHHII")

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5
DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF


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


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


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
        _, machine, _, _, table, _, _, _, entry_size, entries, *_ = HEADER.unpack_from(data)
        segments = [_read_segment(data, table + index * entry_size) for index in range(entries)]
        needed, glibc = _read_dynamic(data, segments)
    except (struct.error, UnicodeDecodeError, IndexError, OverflowError) as error:
        raise ElfError(f"a damaged ELF file: {error}") from error
    return ElfFile(MACHINES.get(machine), needed, glibc)


def _read_segment(data: bytes, offset: int) -> _Segment:
    kind, _, start, address, _, size, _, _ = PROGRAM_HEADER.unpack_from(data, offset)
    return _Segment(kind, start, address, size)


def _read_dynamic(data: bytes, segments: list[_Segment]) -> tuple[tuple[str, ...], tuple[int, int]]:
    dynamic = next((segment for segment in segments if segment.kind == PT_DYNAMIC), None)
    if dynamic is None:
        return (), (0, 0)
    entries: list[tuple[int, int]] = []
    for index in range(dynamic.size // DYNAMIC_ENTRY.size):
        tag, value = DYNAMIC_ENTRY.unpack_from(data, dynamic.offset + index * DYNAMIC_ENTRY.size)
        if tag == DT_NULL:
            break
        entries.append((tag, value))
    values = dict(entries)
    if DT_STRTAB not in values:
        return (), (0, 0)
    strings = _offset_of(values[DT_STRTAB], segments)
    needed = tuple(_text_at(data, strings + value) for tag, value in entries if tag == DT_NEEDED)
    if DT_VERNEED not in values:
        return needed, (0, 0)
    start = _offset_of(values[DT_VERNEED], segments)
    return needed, _highest_glibc(data, start, values.get(DT_VERNEEDNUM, 0), strings)


def _highest_glibc(data: bytes, start: int, libraries: int, strings: int) -> tuple[int, int]:
    highest = (0, 0)
    for _ in range(libraries):
        _, count, _, first, following = VERSION_NEED.unpack_from(data, start)
        entry = start + first
        for _ in range(count):
            _, _, _, name, entry_step = VERSION_NEED_ENTRY.unpack_from(data, entry)
            found = re.match(r"GLIBC_(\d+)\.(\d+)", _text_at(data, strings + name))
            if found:
                highest = max(highest, (int(found[1]), int(found[2])))
            entry += entry_step
        start += following
    return highest


def _offset_of(address: int, segments: list[_Segment]) -> int:
    for segment in segments:
        if segment.kind == PT_LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    raise ElfError(f"the address {address:#x} lies in no segment")


def _text_at(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset)
    if end < 0 or offset >= len(data):
        raise ElfError(f"no text ends after offset {offset}")
    return data[offset:end].decode()
