"""An object store in memory: the real conditions of S3 without the network, for the tests."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import ConflictError, NotFoundError
from shared.storage.object_store import ObjectSummary, StoredObject


class MemoryObjectStore:
    """Implements `ObjectStore`; safe under threads."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._objects: dict[str, StoredObject] = {}
        self._modified_at: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> StoredObject:
        """Return the object at `key`."""
        with self._lock:
            stored = self._objects.get(key)
        if stored is None:
            raise NotFoundError(f"there is no object at {key}")
        return stored

    def get_if_changed(self, key: str, etag: str) -> StoredObject | None:
        """Return the object, or None while its etag is still `etag`."""
        stored = self.get(key)
        return None if stored.etag == etag else stored

    def get_range(self, key: str, offset: int, length: int, *, if_match: str) -> bytes:
        """Return a range of the object while its etag is `if_match`."""
        stored = self.get(key)
        if stored.etag != if_match:
            raise ConflictError(f"{key} was changed by another writer")
        return stored.data[offset : offset + length]

    def download(self, key: str, path: Path) -> None:
        """Write the object to `path`."""
        path.write_bytes(self.get(key).data)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",  # noqa: ARG002 - part of the protocol
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Write an object under the same conditions as S3."""
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        with self._lock:
            present = self._objects.get(key)
            if if_absent and present is not None:
                raise ConflictError(f"{key} exists already")
            if if_match is not None and (present is None or present.etag != if_match):
                raise ConflictError(f"{key} was changed by another writer")
            self._objects[key] = StoredObject(key, data, etag, dict(metadata or {}))
            self._modified_at[key] = self._clock()
        return etag

    def upload(self, path: Path, key: str) -> None:
        """Write the local file `path` as an object."""
        self.put(key, path.read_bytes())

    def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        with self._lock:
            return key in self._objects

    def list(self, prefix: str) -> Iterator[ObjectSummary]:
        """Yield the objects below `prefix` in key order."""
        with self._lock:
            found = [
                ObjectSummary(key, len(stored.data), stored.etag, self._modified_at[key])
                for key, stored in sorted(self._objects.items())
                if key.startswith(prefix)
            ]
        yield from found

    def delete(self, key: str) -> None:
        """Delete the object; a missing one is no error."""
        with self._lock:
            self._objects.pop(key, None)
