"""The ELF reader: on files of this machine, and on what is none."""

import struct
import sys
from io import BytesIO
from pathlib import Path

import hnswlib
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scripts.bundling.native.elf import ElfError, is_elf, read_elf
from scripts.bundling.native.native_target import local_architecture

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs ELF files of this machine")

LIBRARY = Path(hnswlib.__file__).read_bytes()


def test_reads_an_extension_of_this_machine() -> None:
    elf = read_elf(LIBRARY)
    assert elf.architecture == local_architecture()
    assert "libc.so.6" in elf.needed
    assert (2, 2) < elf.glibc < (3, 0)


def damaged(offset: int, damage: bytes) -> bytes:
    return LIBRARY[:offset] + damage + LIBRARY[offset + len(damage) :]


def test_another_machine_is_seen() -> None:
    assert read_elf(damaged(18, struct.pack("<H", 183))).architecture == "arm64"
    assert read_elf(damaged(18, struct.pack("<H", 243))).architecture is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no ELF file"),
        (b"PK\x03\x04", "no ELF file"),
        (b"\x7fELF", "not a 64-bit"),
        (b"\x7fELF\x01\x01" + b"\0" * 60, "not a 64-bit"),
        (b"\x7fELF\x02\x02" + b"\0" * 60, "not a 64-bit"),
        (LIBRARY[:40], "damaged"),
        (LIBRARY[:80], "damaged"),
        (LIBRARY[:4096], "no text ends|damaged|in no segment"),
    ],
)
def test_what_is_none_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ElfError, match=message):
        read_elf(data)


def test_a_file_without_sections_is_refused_as_its_glibc_cannot_be_seen() -> None:
    no_sections = LIBRARY[:40] + bytes(8) + LIBRARY[48:60] + bytes(4) + LIBRARY[64:]
    with pytest.raises(ElfError, match="no section lists them"):
        read_elf(no_sections)


def test_a_version_that_follows_itself_is_no_endless_work() -> None:
    file = ELFFile(BytesIO(LIBRARY))
    number, section = next(
        (number, section)
        for number, section in enumerate(file.iter_sections())
        if isinstance(section, GNUVerNeedSection)
    )
    header = file["e_shoff"] + number * file["e_shentsize"]
    entry = section["sh_offset"]
    # sh_info, how many entries there are, and vn_next, how far the next one is away.
    endless = damaged(header + 44, b"\xff\xff\xff\xff")
    endless = endless[: entry + 12] + bytes(4) + endless[entry + 16 :]
    with pytest.raises(ElfError, match="more than 10000 versions"):
        read_elf(endless)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(min_value=4, max_value=20_000 - 1) | st.integers(min_value=-3_000, max_value=-17),
    st.binary(min_size=1, max_size=16),
)
@example(offset=300, damage=b"\x00\x00\x00\x80")  # a table beyond 2^63
def test_damage_raises_nothing_else(offset: int, damage: bytes) -> None:
    data = damaged(offset % len(LIBRARY), damage)
    assert is_elf(data)
    try:
        read_elf(data)
    except ElfError as error:
        assert str(error)
