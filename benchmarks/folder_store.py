"""A folder as an object store, for benchmarks of one writer: what S3 is to the functions."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import ConflictError, NotFoundError
from shared.storage.object_store import ObjectSummary, StoredObject


class FolderStore:
    """Implements `ObjectStore`; conditional writes hold as long as one process writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> StoredObject:
        """Return the object at `key`."""
        data = self._existing(key).read_bytes()
        return StoredObject(key, data, _etag(data))

    def get_if_changed(self, key: str, etag: str) -> StoredObject | None:
        """Return the object, or None while its etag is still `etag`."""
        stored = self.get(key)
        return None if stored.etag == etag else stored

    def get_range(self, key: str, offset: int, length: int, *, if_match: str) -> bytes:
        """Return a range of the object while its etag is `if_match`."""
        stored = self.get(key)
        if stored.etag != if_match:
            raise ConflictError(f"{key} was changed by another process")
        return stored.data[offset : offset + length]

    def download(self, key: str, path: Path) -> None:
        """Copy the object to `path`."""
        shutil.copyfile(self._existing(key), path)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",  # noqa: ARG002 - part of the protocol
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - part of the protocol
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Write an object."""
        path = self._folder / key
        if if_absent and path.is_file():
            raise ConflictError(f"{key} exists already")
        if if_match is not None and (not path.is_file() or self.get(key).etag != if_match):
            raise ConflictError(f"{key} was changed by another process")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return _etag(data)

    def upload(self, path: Path, key: str) -> None:
        """Copy the local file `path` to an object."""
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

    def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        return (self._folder / key).is_file()

    def list(self, prefix: str) -> Iterator[ObjectSummary]:
        """Yield the objects below `prefix` in key order."""
        files = (path for path in self._folder.rglob("*") if path.is_file())
        keys = sorted(path.relative_to(self._folder).as_posix() for path in files)
        for key in keys:
            if key.startswith(prefix):
                status = (self._folder / key).stat()
                moment = datetime.fromtimestamp(status.st_mtime, UTC)
                yield ObjectSummary(key, status.st_size, self.get(key).etag, moment)

    def delete(self, key: str) -> None:
        """Delete the object; a missing one is no error."""
        (self._folder / key).unlink(missing_ok=True)

    def _existing(self, key: str) -> Path:
        path = self._folder / key
        if not path.is_file():
            raise NotFoundError(f"there is no object at {key}")
        return path


def _etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'
