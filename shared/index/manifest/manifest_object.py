"""The object that holds the manifest of an index, and changing it by compare-and-swap."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from shared.errors import (
    ConflictError,
    CorruptObjectError,
    DimensionMismatchError,
    NotFoundError,
)
from shared.index.manifest.generations import manifest_keys
from shared.index.manifest.manifest_format import encode_manifest, parse_manifest, salvaged_version
from shared.index.manifest.manifest_history import ManifestHistory
from shared.models.base import CorpusName
from shared.models.manifest import Manifest, ModelIdentity
from shared.storage.keys import manifest_key
from shared.storage.object_store import ObjectStore, StoredObject

_CONTENT_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class CommitRetry:
    """How often a commit is tried, and how long it waits: up to `base * 2^n` seconds."""

    attempts: int = 12
    base_seconds: float = 0.02
    maximum_seconds: float = 2.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, attempt: int) -> None:
        """Wait a random part of the bound of this attempt, so that committers spread out."""
        bound = min(self.maximum_seconds, self.base_seconds * 2**attempt)
        self.sleep(random.uniform(0.0, bound))  # noqa: S311 - jitter, no secret


@dataclass(frozen=True, slots=True)
class CommittedManifest:
    """A manifest as read, with the etag that a commit over it must match."""

    manifest: Manifest
    etag: str


@dataclass(frozen=True, slots=True)
class SeenManifest:
    """What a change starts from.

    `stored` is what lies at the key, None when nothing does. Where that cannot be used, `manifest`
    stands in for it: no shards, and a version that no committed one exceeds.
    """

    manifest: Manifest
    stored: StoredObject | None
    is_usable: bool = True


AnswerT = TypeVar("AnswerT", Manifest, Manifest | None)
"""What a step makes of what it sees: the version to write; None or the same one: nothing."""


class ManifestObject:
    """`manifest.json` of one index.

    Before a version replaces another one, the committer makes sure that the replaced one is in the
    history: so the history holds committed versions only, and all of them until they are collected.
    """

    def __init__(
        self,
        store: ObjectStore,
        corpus: CorpusName,
        model: ModelIdentity,
        retry: CommitRetry | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.key = manifest_key(corpus, model)
        self.history = ManifestHistory(store, corpus, model)
        self.clock = clock
        self._store = store
        self._corpus = corpus
        self._model = model
        self._retry = retry or CommitRetry()

    def read(self) -> CommittedManifest:
        """Return the manifest; see `ManifestStore.read` for what it raises."""
        return self._parsed(self._store.get(self.key))

    def read_if_changed(self, etag: str) -> CommittedManifest | None:
        """Return the manifest, or None while its etag is still `etag`; raises like `read`."""
        stored = self._store.get_if_changed(self.key, etag)
        return None if stored is None else self._parsed(stored)

    def read_kept(self, version: int) -> Manifest | None:
        """Return a version of the history, None when it is not there; else raises like `read`."""
        try:
            manifest = self.history.read(version)
        except NotFoundError:
            return None
        self.require_model(manifest.model, self.history.key(version))
        return manifest

    def swap(
        self, step: Callable[[SeenManifest], AnswerT], described: str, *, tolerant: bool = False
    ) -> AnswerT:
        """Write what `step` makes of the present version, until no other writer came in between.

        Args:
            step: what to do; called again with what others wrote.
            described: what it is, for the error.
            tolerant: whether to write over a manifest that is damaged or missing.

        Raises:
            ConflictError: others won every attempt.
            CorruptObjectError, DimensionMismatchError: see `ManifestStore.commit`.
        """
        tried: Manifest | None = None
        for attempt in range(self._retry.attempts):
            seen = self._look(tolerant=tolerant)
            # The client repeats a write whose answer was lost, and then finds its own write.
            if tried is not None and self._has_landed(tried, seen.manifest):
                return tried
            following = step(seen)
            if following is None or following is seen.manifest:
                return following
            try:
                self._write(following, seen)
            except ConflictError:
                tried = following
                self._retry.wait(attempt)
            else:
                return following
        if tried is not None and self._has_landed(tried, self._look(tolerant=tolerant).manifest):
            return tried
        raise ConflictError(
            f"{self.key} was changed by others in each of {self._retry.attempts} attempts to "
            f"{described}; try again later"
        )

    def _look(self, *, tolerant: bool) -> SeenManifest:
        try:
            stored = self._store.get(self.key)
        except NotFoundError:
            newest = self.history.newest()
            if newest and not tolerant and not self._is_deleted(newest):
                raise CorruptObjectError(
                    f"{self.key} is missing, though versions up to {newest} are in its history; "
                    "bring one back with `ultron index restore`"
                ) from None
            if newest:
                return self._unusable(None, newest, newest + 1)
            return SeenManifest(self._unborn(), None)
        if not tolerant:
            return SeenManifest(self._parsed(stored).manifest, stored)
        return self._look_at_damage(stored)

    def _is_deleted(self, newest: int) -> bool:
        """Whether all files that a version names are gone, so that it cannot be restored.

        A commit that was under way while an index was deleted may leave a version in the history.
        """
        try:
            shards = self.history.read(newest).shards
        except (NotFoundError, CorruptObjectError):
            return False
        return not any(self._store.exists(file.key) for shard in shards for file in shard.files)

    def _look_at_damage(self, stored: StoredObject) -> SeenManifest:
        newest = self.history.newest()
        try:
            manifest = self._parsed(stored).manifest
        except CorruptObjectError:
            return self._unusable(stored, newest, max(newest + 1, salvaged_version(stored.data)))
        if not self._was_set_back(manifest, newest):
            return SeenManifest(manifest, stored)
        return self._unusable(stored, newest, newest + 1)

    def _was_set_back(self, present: Manifest, newest: int) -> bool:
        """Whether an operator put an old object back, whose next versions are in the history."""
        if present.version != newest:
            return present.version < newest
        try:
            return self.history.read(newest) != present
        except (NotFoundError, CorruptObjectError):
            return False

    def _write(self, manifest: Manifest, over: SeenManifest) -> None:
        data = encode_manifest(manifest)
        if over.stored is None:
            self._store.put(self.key, data, content_type=_CONTENT_TYPE, if_absent=True)
        else:
            if over.is_usable:
                self.history.keep(over.manifest.version, over.stored.data)
            self._store.put(self.key, data, content_type=_CONTENT_TYPE, if_match=over.stored.etag)
        if not over.is_usable:
            # The version that it replaced is not in the history, which must know the newest one.
            self.history.keep(manifest.version, data)

    def _has_landed(self, tried: Manifest, present: Manifest) -> bool:
        if present.version <= tried.version:
            return present == tried
        return self.read_kept(tried.version) == tried

    def _unborn(self) -> Manifest:
        """What the first version follows; beside the index of another model, one to be built."""
        is_alone = next(manifest_keys(self._store, self._corpus), None) is None
        return self._empty(0, generation=0 if is_alone else None)

    def _unusable(self, stored: StoredObject | None, newest: int, version: int) -> SeenManifest:
        """Stand in for a manifest that is damaged or missing, of the generation that it had."""
        try:
            generation = self.history.read(newest).generation
        except (NotFoundError, CorruptObjectError):
            generation = 0
        return SeenManifest(self._empty(version, generation), stored, is_usable=False)

    def _empty(self, version: int, generation: int | None) -> Manifest:
        return Manifest(
            corpus=self._corpus,
            model=self._model,
            version=version,
            committed_at=self.clock(),
            generation=generation,
        )

    def _parsed(self, stored: StoredObject) -> CommittedManifest:
        manifest = parse_manifest(stored, self._corpus)
        self.require_model(manifest.model, self.key)
        return CommittedManifest(manifest, stored.etag)

    def require_model(self, found: ModelIdentity, where: str) -> None:
        """Raise DimensionMismatchError when something is of another model than this index."""
        if found != self._model:
            raise DimensionMismatchError(
                f"{where} holds vectors of {describe_model(found)}, "
                f"not of {describe_model(self._model)}; ingest the corpus again under one model"
            )


def describe_model(model: ModelIdentity) -> str:
    """A model as messages name it."""
    return f"{model.id} revision {model.revision} with {model.dims} dimensions"
