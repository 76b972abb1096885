"""Collects garbage: old versions of a manifest, and shard files that no version names.

A collection deletes nothing that a reader or a restore can still reach. It first condemns a file
that no manifest names: a job may be about to commit the file, or a restore under way may name it
again. It deletes the file when it has been condemned for its grace and the manifest and its
history, read again, still do not name it. A crash between any two steps does no harm: the next
collection goes on.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field, ValidationError

from shared.errors import ConflictError, CorruptObjectError, NotFoundError
from shared.index.manifest.manifest_history import KeptVersion, ManifestHistory
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.base import Contract, CorpusName
from shared.models.manifest import Manifest, ModelIdentity
from shared.storage.keys import maintenance_key, shards_prefix
from shared.storage.object_store import ObjectStore, ObjectSummary

_logger = logging.getLogger(__name__)

LIST_NAME = "garbage.json"
_LONGEST_TASK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class GarbagePolicy:
    """How long a collection keeps what may still be needed.

    `history_kept` counts from when a version was replaced; the newest replaced version is always
    kept, as its number is what remains when the manifest is damaged. `removed_grace` is for files
    that a collected version named, `orphan_grace` for those that none did: longer than a message
    can lie in a queue and its dead-letter queue. Terraform's `index_maintenance` sets all three,
    with the same defaults.
    """

    history_kept: timedelta = timedelta(days=7)
    removed_grace: timedelta = timedelta(hours=24)
    orphan_grace: timedelta = timedelta(days=21)

    @property
    def notes_kept(self) -> timedelta:
        """How long a note of maintenance is kept: less than the files it may speak of.

        But a day at least, or a collection would take the notes of a rebuild that is under way.
        """
        return max(_LONGEST_TASK, min(self.history_kept, self.orphan_grace / 2))


@dataclass(frozen=True, slots=True)
class GarbageReport:
    """What a collection did; `files_condemned` counts those that still wait for their end."""

    versions_deleted: int = 0
    notes_deleted: int = 0
    files_pardoned: int = 0
    files_condemned: int = 0
    files_deleted: int = 0
    bytes_deleted: int = 0


class CondemnedFile(Contract):
    """Since when nothing names a file, and whether a committed version ever did."""

    since: AwareDatetime
    was_committed: bool


class CondemnedFiles(Contract):
    """The list that one collection leaves for the next."""

    collected_at: AwareDatetime
    files: dict[str, CondemnedFile] = Field(default_factory=dict)


def collect_garbage(
    store: ObjectStore,
    corpus: CorpusName,
    model: ModelIdentity,
    policy: GarbagePolicy,
    now: datetime,
) -> GarbageReport:
    """Delete the versions and files that nothing can reach any more.

    Raises:
        ConflictError: another collection is at work; nothing was deleted by this one.
        CorruptObjectError: the manifest or a version that is to be kept cannot be read, so that the
            files it names are unknown; no file was deleted.
        DimensionMismatchError: the manifest is of another model.
    """
    return _Collection(store, corpus, model, policy, now).run()


@dataclass(frozen=True, slots=True)
class _Version:
    """What a collection needs of a version: its time and its files; None if it is unreadable."""

    committed_at: datetime | None
    files: frozenset[str]


class _Collection:
    """One collection."""

    def __init__(
        self,
        store: ObjectStore,
        corpus: CorpusName,
        model: ModelIdentity,
        policy: GarbagePolicy,
        now: datetime,
    ) -> None:
        self._store = store
        self._manifests = ManifestStore(store, corpus, model)
        self._history = ManifestHistory(store, corpus, model)
        self._policy = policy
        self._now = now
        self._list_key = maintenance_key(corpus, model, LIST_NAME)
        self._notes_prefix = maintenance_key(corpus, model, "")
        self._shards_prefix = shards_prefix(corpus, model)
        self._read: dict[KeptVersion, _Version] = {}

    def run(self) -> GarbageReport:
        # The list is read first: if another collection changes it later, our write of it fails.
        earlier, etag = self._earlier_list()
        present = self._present()
        if present is None:
            return GarbageReport()
        versions = self._versions()
        expired = self._expired(versions, present)
        kept = [version for listed, version in versions.items() if listed not in expired]
        self._require_readable(versions, expired)
        named = _files(present).union(*(version.files for version in kept))
        gone = frozenset[str]().union(*(versions[listed].files for listed in expired)) - named
        found = {item.key: item for item in self._store.list(self._shards_prefix)}
        condemned = {
            key: self._judged(item, earlier.files.get(key), is_removed=key in gone)
            for key, item in found.items()
            if key not in named
        }
        # Before the versions are deleted: only they show that their files were committed.
        self._write_list(condemned, etag)
        for listed in sorted(expired, key=lambda listed: listed.version):
            self._store.delete(listed.key)
        notes = self._delete_notes()
        deleted = self._delete_files(condemned)
        return GarbageReport(
            versions_deleted=len(expired),
            notes_deleted=notes,
            files_pardoned=len(named & found.keys() & earlier.files.keys()),
            files_condemned=len(condemned) - len(deleted),
            files_deleted=len(deleted),
            bytes_deleted=sum(found[key].size_bytes for key in deleted),
        )

    def _earlier_list(self) -> tuple[CondemnedFiles, str | None]:
        try:
            stored = self._store.get(self._list_key)
        except NotFoundError:
            return CondemnedFiles(collected_at=self._now), None
        try:
            return CondemnedFiles.model_validate_json(stored.data), stored.etag
        except ValidationError:
            # Without it every grace begins again, which deletes nothing too early.
            _logger.error("the list of condemned files is begun again", extra={"key": stored.key})
            return CondemnedFiles(collected_at=self._now), stored.etag

    def _present(self) -> Manifest | None:
        try:
            return self._manifests.read().manifest
        except NotFoundError:
            if newest := self._history.newest():
                raise CorruptObjectError(
                    f"{self._manifests.key} is missing, though versions up to {newest} are in its "
                    "history; bring one back with `ultron index restore` before garbage is "
                    "collected"
                ) from None
            return None

    def _versions(self) -> dict[KeptVersion, _Version]:
        """The history, oldest first. Read after the manifest, it holds what that one followed."""
        versions: dict[KeptVersion, _Version] = {}
        for listed in self._history.listed():
            if (version := self._version(listed)) is not None:
                versions[listed] = version
        return versions

    def _version(self, listed: KeptVersion) -> _Version | None:
        if listed not in self._read:
            try:
                manifest = self._history.read(listed.version)
            except NotFoundError:
                return None  # another collection deleted it since it was listed
            except CorruptObjectError:
                self._read[listed] = _Version(None, frozenset())
            else:
                self._read[listed] = _Version(manifest.committed_at, _files(manifest))
        return self._read[listed]

    def _expired(
        self, versions: Mapping[KeptVersion, _Version], present: Manifest
    ) -> set[KeptVersion]:
        """Versions that were replaced long ago, never the newest of them."""
        expired: set[KeptVersion] = set()
        replaced_at: datetime | None = present.committed_at
        # A committer that died has put the present version here without replacing it.
        replaced = [listed for listed in versions if listed.version != present.version]
        for position, listed in enumerate(reversed(replaced)):
            is_old = replaced_at is not None and self._age(replaced_at) > self._policy.history_kept
            if position > 0 and is_old:
                expired.add(listed)
            # Unknown for a version that cannot be read: the time of a later one keeps it longer.
            replaced_at = versions[listed].committed_at or replaced_at
        return expired

    def _require_readable(
        self, versions: Mapping[KeptVersion, _Version], expired: set[KeptVersion]
    ) -> None:
        for listed, version in versions.items():
            if version.committed_at is None and listed not in expired:
                raise CorruptObjectError(
                    f"{listed.key} cannot be read, so it is not known what it names; no garbage "
                    f"is collected until it is {self._policy.history_kept} old or deleted by hand"
                )

    def _judged(
        self, item: ObjectSummary, earlier: CondemnedFile | None, *, is_removed: bool
    ) -> CondemnedFile:
        if is_removed:
            return CondemnedFile(since=self._now, was_committed=True)
        if earlier is None or item.modified_at > earlier.since:
            # A repeated job wrote it again: it is about to be committed, as if it were new.
            return CondemnedFile(since=self._now, was_committed=False)
        return earlier

    def _write_list(self, condemned: Mapping[str, CondemnedFile], etag: str | None) -> None:
        data = CondemnedFiles(collected_at=self._now, files=dict(condemned))
        encoded = data.model_dump_json().encode()
        kind = "application/json"
        try:
            if etag is None:
                self._store.put(self._list_key, encoded, content_type=kind, if_absent=True)
            else:
                self._store.put(self._list_key, encoded, content_type=kind, if_match=etag)
        except ConflictError as error:
            raise ConflictError(
                f"{self._list_key} was changed by another collection; nothing was deleted"
            ) from error

    def _delete_notes(self) -> int:
        old = [
            item.key
            for item in self._store.list(self._notes_prefix)
            if item.key != self._list_key and self._age(item.modified_at) > self._policy.notes_kept
        ]
        for key in old:
            self._store.delete(key)
        return len(old)

    def _delete_files(self, condemned: Mapping[str, CondemnedFile]) -> set[str]:
        due = {key for key, file in condemned.items() if self._is_due(file)}
        if not due:
            return due
        present = self._present()
        if present is None:
            return set()
        versions = self._versions()
        self._require_readable(versions, set())
        due -= _files(present).union(*(version.files for version in versions.values()))
        for key in sorted(due):
            self._store.delete(key)
        return due

    def _is_due(self, file: CondemnedFile) -> bool:
        policy = self._policy
        grace = policy.removed_grace if file.was_committed else policy.orphan_grace
        return self._age(file.since) > grace

    def _age(self, since: datetime) -> timedelta:
        return self._now - since


def _files(manifest: Manifest) -> frozenset[str]:
    return frozenset(file.key for shard in manifest.shards for file in shard.files)
