"""Shard files on this machine, fetched once and checked as they come."""

import hashlib
import logging
import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path

from shared.errors import CorruptObjectError, NotFoundError, OverloadedError
from shared.models.manifest import FileReference
from shared.storage.object_store import ObjectStore

_logger = logging.getLogger(__name__)

_ABANDONED_SECONDS = 3600.0


class HeldFile:
    """A file that stays in the cache for as long as this object lives."""

    def __init__(self, file: FileReference, fetch: Callable[[FileReference], Path]) -> None:
        self.file = file
        self._fetch = fetch

    def path(self) -> Path:
        """Where it lies; it is fetched again should another process have removed it."""
        return self._fetch(self.file)


class ShardCache:
    """A folder of shard files named by their sha256; threads and processes may share it.

    A file stands under its name only when it is whole and checked: it is fetched under a name of
    its own and moved into place. So a file that is there needs no second hash. Under a limit, the
    files that were not used for longest make room for new ones, but never those that a search in
    this process holds: they would only have to be fetched again.
    """

    def __init__(
        self, store: ObjectStore, directory: Path, *, limit_bytes: int | None = None
    ) -> None:
        """Keep files of `store` in `directory`, `limit_bytes` at most; None: any number."""
        self._store = store
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._held: weakref.WeakSet[HeldFile] = weakref.WeakSet()
        self._coming: dict[str, int] = {}
        self._fetching: dict[str, threading.Lock] = {}

    def hold(self, file: FileReference) -> HeldFile:
        """Fetch a file and keep it until the returned object is gone; raises like `fetch`."""
        held = HeldFile(file, self.fetch)
        with self._lock:
            self._held.add(held)
        held.path()
        return held

    def fetch(self, file: FileReference) -> Path:
        """Return the local path of a file, downloading it if it is not here.

        Raises:
            CorruptObjectError: the object is gone or not what the reference says; names the key.
            OverloadedError: files that are in use leave no room for it under the limit.
        """
        path = self._directory / _name(file)
        if _is_here(path, file):
            return path
        with self._turn(path.name):
            if not _is_here(path, file):
                self._download(file, path)
        return path

    def _turn(self, name: str) -> threading.Lock:
        """Threads of this process fetch a file one after the other: the second finds it there."""
        with self._lock:
            return self._fetching.setdefault(name, threading.Lock())

    def _download(self, file: FileReference, path: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex}")
        with self._lock:
            self._make_room(file)
            self._coming[path.name] = file.size_bytes
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
            with self._lock:
                del self._coming[path.name]
                self._fetching.pop(path.name, None)

    def _make_room(self, file: FileReference) -> None:
        """Remove files until one more fits, or say that none may be removed."""
        if self._limit_bytes is None:
            return
        present = self._present()
        # By name: a file that was moved into place is still coming for a moment, and counts once.
        sizes = {path.name: entry.st_size for path, entry in present.items()}
        sizes |= self._coming | {_name(file): file.size_bytes}
        excess = sum(sizes.values()) - self._limit_bytes
        kept = {_name(held.file) for held in self._held} | self._coming.keys() | {_name(file)}
        removable = sorted(
            (path for path in present if path.name not in kept),
            key=lambda path: (present[path].st_mtime_ns, path.name),
        )
        if excess > sum(present[path].st_size for path in removable):
            raise OverloadedError(
                f"{file.key} of {file.size_bytes} bytes does not fit in the cache of shards: its "
                f"limit is {self._limit_bytes} bytes, and what is there is in use; raise the "
                "limit, and the storage it is taken from"
            )
        for path in removable:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= present[path].st_size
            _logger.debug("removed a shard file from the cache", extra={"file": path.name})

    def _present(self) -> dict[Path, os.stat_result]:
        """The files that are there; those that a process left unfinished long ago go."""
        present: dict[Path, os.stat_result] = {}
        for path in self._directory.iterdir():
            try:
                entry = path.stat()
            except FileNotFoundError:
                continue  # another process was faster
            if not path.name.startswith("."):
                present[path] = entry
            elif time.time() - entry.st_mtime > _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)
        return present


def _name(file: FileReference) -> str:
    return f"{file.sha256}{Path(file.key).suffix}"


def _is_here(path: Path, file: FileReference) -> bool:
    """Whether a file is there whole; notes that it was used."""
    try:
        is_whole = path.stat().st_size == file.size_bytes
        if is_whole:
            os.utime(path)
    except FileNotFoundError:
        return False
    return is_whole


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
