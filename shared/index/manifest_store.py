"""The manifest of an index: reading it, and committing shards to it by compare-and-swap."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from shared.errors import (
    ConflictError,
    CorruptObjectError,
    DimensionMismatchError,
    NotFoundError,
)
from shared.models.base import CorpusName
from shared.models.manifest import Manifest, ModelIdentity, ShardDescriptor
from shared.observability import logger
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


class ManifestStore:
    """The manifest of one corpus under one model."""

    def __init__(
        self,
        store: ObjectStore,
        corpus: CorpusName,
        model: ModelIdentity,
        retry: CommitRetry | None = None,
    ) -> None:
        self._store = store
        self._corpus = corpus
        self._model = model
        self._retry = retry or CommitRetry()
        self._key = manifest_key(corpus, model)

    @property
    def key(self) -> str:
        """Where the manifest lies."""
        return self._key

    def read(self) -> CommittedManifest:
        """Return the manifest.

        Raises:
            NotFoundError: nothing was committed yet.
            CorruptObjectError: it cannot be parsed or is of another corpus; names the key.
            DimensionMismatchError: it is of another model or revision.
        """
        return self._parsed(self._store.get(self._key))

    def read_if_changed(self, etag: str) -> CommittedManifest | None:
        """Return the manifest, or None while its etag is still `etag`; raises like `read`."""
        stored = self._store.get_if_changed(self._key, etag)
        return None if stored is None else self._parsed(stored)

    def commit(self, shards: Sequence[ShardDescriptor]) -> Manifest:
        """Add shards in one new version and return the manifest that holds them.

        An origin that is present already is left out, as is a shard that speaks for no entity;
        when nothing remains, nothing is written. So a commit may be repeated freely.

        Raises:
            ConflictError: other committers won every attempt; try again later.
            CorruptObjectError: the present manifest cannot be read; names the key.
            DimensionMismatchError: a shard or the present manifest is of another model.
        """
        for shard in shards:
            self._require_model(shard.model, f"shard {shard.shard_id}")
        for attempt in range(self._retry.attempts):
            present, etag = self._read_or_empty()
            manifest = _extended(present, shards)
            if manifest is present:
                return present
            try:
                self._write(manifest, etag)
            except ConflictError:
                self._retry.wait(attempt)
            else:
                return manifest
        raise ConflictError(
            f"{self._key} was changed by others in each of {self._retry.attempts} attempts to "
            f"commit {len(shards)} shards; deliver the jobs again"
        )

    def _read_or_empty(self) -> tuple[Manifest, str | None]:
        try:
            found = self.read()
        except NotFoundError:
            empty = Manifest(
                corpus=self._corpus, model=self._model, version=0, committed_at=datetime.now(UTC)
            )
            return empty, None
        return found.manifest, found.etag

    def _write(self, manifest: Manifest, etag: str | None) -> None:
        data = manifest.model_dump_json().encode()
        if etag is None:
            self._store.put(self._key, data, content_type=_CONTENT_TYPE, if_absent=True)
        else:
            self._store.put(self._key, data, content_type=_CONTENT_TYPE, if_match=etag)

    def _parsed(self, stored: StoredObject) -> CommittedManifest:
        try:
            manifest = Manifest.model_validate_json(stored.data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "document"
            raise CorruptObjectError(
                f"{self._key} is no manifest: {where}: {first['msg']}; restore an older version"
            ) from error
        if manifest.corpus != self._corpus:
            raise CorruptObjectError(
                f"{self._key} is the manifest of corpus {manifest.corpus}; restore an older version"
            )
        self._require_model(manifest.model, self._key)
        return CommittedManifest(manifest, stored.etag)

    def _require_model(self, found: ModelIdentity, where: str) -> None:
        if found != self._model:
            raise DimensionMismatchError(
                f"{where} holds vectors of {describe_model(found)}, "
                f"not of {describe_model(self._model)}; ingest the corpus again under one model"
            )


def _extended(present: Manifest, shards: Iterable[ShardDescriptor]) -> Manifest:
    """The next version, or `present` itself when no shard is new."""
    known = {shard.origin for shard in present.shards}
    added: dict[str, ShardDescriptor] = {}
    for shard in shards:
        if shard.origin not in known and shard.entities > 0:
            added.setdefault(shard.origin, shard)
    if not added:
        return present
    return present.model_copy(
        update={
            "version": present.version + 1,
            "committed_at": datetime.now(UTC),
            "shards": (*present.shards, *added.values()),
        }
    )


def describe_model(model: ModelIdentity) -> str:
    """A model as messages name it."""
    return f"{model.id} revision {model.revision} with {model.dims} dimensions"


class ManifestCache:
    """The manifest as readers see it: looked at again after `recheck_seconds`.

    A manifest that cannot be read does not stop a reader that has a good one: that goes on
    serving, and the defect is logged.
    """

    def __init__(
        self,
        manifests: ManifestStore,
        *,
        recheck_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manifests = manifests
        self._recheck_seconds = recheck_seconds
        self._clock = clock
        self._held: CommittedManifest | None = None
        self._checked_at = 0.0

    def current(self) -> Manifest:
        """Return the newest manifest known.

        Raises:
            NotFoundError: nothing was committed yet.
            CorruptObjectError: the first manifest this reader ever read is unreadable.
            DimensionMismatchError: the first manifest is of another model.
        """
        now = self._clock()
        if self._held is None:
            self._held = self._manifests.read()
            self._checked_at = now
        elif now - self._checked_at >= self._recheck_seconds:
            self._held = self._refreshed(self._held)
            self._checked_at = now
        return self._held.manifest

    def _refreshed(self, held: CommittedManifest) -> CommittedManifest:
        try:
            return self._manifests.read_if_changed(held.etag) or held
        except (CorruptObjectError, DimensionMismatchError) as error:
            logger.error("the last good manifest goes on serving", extra={"reason": str(error)})
            return held
