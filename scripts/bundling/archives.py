"""Zips whose bytes depend on nothing but names and contents."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The oldest time a zip can hold.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o100644
COMPRESSION_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished zip; `sha256_base64` is what Lambda and Terraform compare."""

    path: Path
    sha256_base64: str
    zipped_bytes: int
    unzipped_bytes: int


def read_tree(folder: Path, prefix: str) -> dict[str, bytes]:
    """All files below `folder`, by their name in the zip: `prefix` and the path from `folder`."""
    return {
        f"{prefix}{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Zip in the order of names, with fixed times and permissions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=FIXED_TIME)
            entry.create_system = 3  # Unix, whatever this machine is: it decides about the mode
            entry.external_attr = FILE_MODE << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED, COMPRESSION_LEVEL)
    return buffer.getvalue()


def describe_archive(path: Path) -> Archive:
    """Measure a zip on disk."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return Archive(path, digest, len(data), unzipped)
