"""The small object-store protocol that the engine and the stages stand on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as read; `etag` is what a later `if_match` needs."""

    key: str
    data: bytes
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """An object as listed; `modified_at` is when it was written, with its zone."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime


class ObjectStore(Protocol):
    """Reads and writes objects of one bucket.

    Missing keys raise `NotFoundError`; a lost conditional write raises `ConflictError`, and one
    that the store never decided, so that nothing was written, raises `ContentionError`.
    """

    def get(self, key: str) -> StoredObject:
        """Return the object at `key`."""
        ...

    def get_if_changed(self, key: str, etag: str) -> StoredObject | None:
        """Return the object, or None while its etag is still `etag`."""
        ...

    def get_range(self, key: str, offset: int, length: int, *, if_match: str) -> bytes:
        """Return `length` bytes from `offset` of the version whose etag is `if_match`.

        Fewer come where the object ends, none behind its end; another version is a `ConflictError`.
        """
        ...

    def download(self, key: str, path: Path) -> None:
        """Write the object to the local file `path`, whole or not at all."""
        ...

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Write an object and return its etag.

        `if_match`: only if the present etag is this one. `if_absent`: only if there is none.
        A write that was made, and is repeated because its answer was lost, is no conflict while
        what it wrote is there; once another writer has replaced that, it is one.
        """
        ...

    def upload(self, path: Path, key: str) -> None:
        """Write the local file `path` as an object; memory does not grow with its size."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectSummary]:
        """Yield the objects below `prefix` in key order."""
        ...

    def delete(self, key: str) -> None:
        """Delete the object; a missing one is no error."""
        ...
