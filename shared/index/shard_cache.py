"""Shard files on this machine, fetched once and checked as they come."""

import hashlib
import os
import uuid
from pathlib import Path

from shared.errors import CorruptObjectError, NotFoundError
from shared.models.manifest import FileReference
from shared.storage.object_store import ObjectStore


class ShardCache:
    """A folder of shard files named by their sha256; processes may share it.

    A file stands under its name only when it is whole and checked: it is fetched under a name of
    its own and moved into place. So a file that is there needs no second hash.
    """

    def __init__(self, store: ObjectStore, directory: Path) -> None:
        self._store = store
        self._directory = directory

    def fetch(self, file: FileReference) -> Path:
        """Return the local path of a file, downloading it if it is not here.

        Raises:
            CorruptObjectError: the object is gone or not what the reference says; names the key.
        """
        path = self._directory / f"{file.sha256}{Path(file.key).suffix}"
        if path.is_file() and path.stat().st_size == file.size_bytes:
            return path
        self._directory.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex}")
        try:
            self._store.download(file.key, temporary)
            _check(temporary, file)
            temporary.replace(path)
        except NotFoundError as error:
            raise CorruptObjectError(
                f"{file.key} is missing, though a manifest names it; build the shard again"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return path


def _check(path: Path, file: FileReference) -> None:
    size = path.stat().st_size
    if size != file.size_bytes:
        raise CorruptObjectError(
            f"{file.key} has {size} bytes instead of {file.size_bytes}; build the shard again"
        )
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != file.sha256:
        raise CorruptObjectError(
            f"{file.key} has sha256 {digest} instead of {file.sha256}; build the shard again"
        )
