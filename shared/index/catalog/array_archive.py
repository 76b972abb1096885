"""Reads untrusted numpy archives: it checks every claim of an archive before it acts on it.

`numpy.load` allocates what the header of an array claims, inflates what is compressed and lets
Python's parser read the header. Then a small file can ask for any amount of memory, and its
`MemoryError` looks like that of a machine which is out of memory. Here every size is compared with
the bytes that are there first.
"""

import io
import math
import re
import struct
import zipfile
import zlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

_SUFFIX = ".npy"
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER_LENGTH = struct.Struct("<H")
_HEADER = re.compile(
    rb"\{'descr': '([<|](?:u1|u4|u8|i8|f4|f8|U\d{1,9}))', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \} *\n"
)
_IS_ENCRYPTED = 0x1
# The end record: disks, entries on this disk, entries, size and place of their list, comment.
_END, _END_SIGNATURE = struct.Struct("<4s4H2LH"), b"PK\x05\x06"
# The characters of Unicode but for halves of surrogate pairs; of others numpy makes no text, or
# one that cannot be encoded.
_GREATEST_CHARACTER, _SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)
# What zipfile raises at bytes in memory that are no archive of its, or a cut or altered one.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError,
)  # fmt: skip


def read_arrays(data: bytes) -> Arrays:
    """Return the arrays of an uncompressed `.npz`, by their names; they cannot be written to.

    They hold numbers or text, and take together no more than the bytes of the archive.

    Raises:
        ValueError: it is no such archive, or is damaged; says in what way.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_count(entries, data)
            _check_entries(entries, len(data))
            return {
                entry.filename.removesuffix(_SUFFIX): _parse(entry.filename, archive.read(entry))
                for entry in entries
            }
    except _DAMAGE as error:
        raise ValueError(str(error) or "it ends too soon") from error


def _check_count(entries: list[zipfile.ZipInfo], data: bytes) -> None:
    """Require as many entries as the archive's end record counts.

    Where the length of an entry's comment is damaged, zipfile takes the entries that follow for
    that comment, and reads an archive with fewer arrays.
    """
    signature, *_, count, _, _, _ = _END.unpack_from(data, len(data) - _END.size)
    if signature != _END_SIGNATURE or count != len(entries):
        raise ValueError("its list of arrays is damaged")


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len({entry.filename for entry in entries}) != len(entries):
        raise ValueError("it holds an array twice")
    if sum(max(entry.file_size, entry.compress_size) for entry in entries) > size:
        raise ValueError("its arrays are larger than the file")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _IS_ENCRYPTED:
            raise ValueError(f"its {entry.filename[:40]!r} is compressed or encrypted")


def _parse(name: str, data: bytes) -> npt.NDArray[Any]:
    """One `.npy` file as numpy writes it for arrays of a plain type."""
    start = len(_MAGIC) + _HEADER_LENGTH.size
    if not name.endswith(_SUFFIX) or data[: len(_MAGIC)] != _MAGIC or len(data) < start:
        raise ValueError(f"its {name[:40]!r} is no array")
    begin = start + _HEADER_LENGTH.unpack_from(data, len(_MAGIC))[0]
    header = _HEADER.fullmatch(data[start:begin])
    if header is None:
        raise ValueError(f"its {name[:40]!r} is no array of numbers or text")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(length) for length in re.findall(rb"\d+", header[3]))
    if math.prod(shape) * dtype.itemsize != len(data) - begin or math.prod(shape) > len(data):
        raise ValueError(f"its {name[:40]!r} has another length than it says")
    if dtype.kind == "U" and not _is_text(np.frombuffer(data, "<u4", offset=begin)):
        raise ValueError(f"its {name[:40]!r} holds what is no text")
    order: Literal["C", "F"] = "F" if header[2] == b"True" else "C"
    return np.ndarray(shape, dtype, buffer=data, offset=begin, order=order)


def _is_text(characters: npt.NDArray[np.uint32]) -> bool:
    first, last = _SURROGATES
    is_half = (characters >= first) & (characters <= last)
    return not np.any(is_half | (characters > _GREATEST_CHARACTER))
