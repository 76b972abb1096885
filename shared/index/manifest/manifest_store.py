"""The manifest of an index: reading it, changing it, and the versions before it."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime

from shared.errors import (
    CorruptObjectError,
    DimensionMismatchError,
    NotFoundError,
)
from shared.index.manifest.manifest_changes import (
    begun_anew,
    brings_back,
    completed,
    fenced,
    with_added,
    with_rebuilt,
    with_replaced,
    with_shards_of,
)
from shared.index.manifest.manifest_object import (
    CommitRetry,
    CommittedManifest,
    ManifestObject,
    SeenManifest,
    describe_model,
)
from shared.models.base import CorpusName
from shared.models.manifest import Manifest, ModelIdentity, ShardDescriptor
from shared.storage.keys import shards_prefix
from shared.storage.object_store import ObjectStore

_logger = logging.getLogger(__name__)

__all__ = [
    "CommitRetry",
    "CommittedManifest",
    "Floor",
    "ManifestCache",
    "ManifestStore",
    "describe_model",
]

Floor = Callable[[], int]
"""Returns the least `seq` of a shard that may still be committed."""


class ManifestStore:
    """The manifest of one corpus under one model, and the versions before it."""

    def __init__(
        self,
        store: ObjectStore,
        corpus: CorpusName,
        model: ModelIdentity,
        retry: CommitRetry | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._corpus = corpus
        self._model = model
        self._object = ManifestObject(store, corpus, model, retry, clock)
        self._history = self._object.history

    @property
    def key(self) -> str:
        """Where the manifest lies."""
        return self._object.key

    def read(self) -> CommittedManifest:
        """Return the manifest.

        Raises:
            NotFoundError: nothing was committed yet.
            CorruptObjectError: it cannot be parsed or is of another corpus; names the key.
            DimensionMismatchError: it is of another model or revision.
        """
        return self._object.read()

    def read_if_changed(self, etag: str) -> CommittedManifest | None:
        """Return the manifest, or None while its etag is still `etag`; raises like `read`."""
        return self._object.read_if_changed(etag)

    def read_version(self, version: int) -> Manifest:
        """Return a version that is committed, be it the present one.

        Raises:
            NotFoundError: it never was, or was collected.
            CorruptObjectError, DimensionMismatchError: it cannot be used; names the key.
        """
        # Between two looks a version may move from the manifest to the history.
        for find in (self._object.read_kept, self._present_version, self._object.read_kept):
            if (found := find(version)) is not None:
                return found
        raise NotFoundError(
            f"version {version} of {self.key} does not exist, or no longer; "
            "`ultron index list` names those that do"
        )

    def versions(self) -> Iterator[Manifest]:
        """Yield the present version and those before it, newest first.

        What cannot be read is left out and logged, so that a damaged index can still be restored.
        """
        newest: Manifest | None = None
        try:
            newest = self.read().manifest
            yield newest
        except (NotFoundError, CorruptObjectError, DimensionMismatchError) as error:
            _logger.warning("the present manifest is left out", extra={"reason": str(error)})
        for kept in sorted(self._history.listed(), key=lambda kept: -kept.version):
            if newest is not None and kept.version == newest.version:
                continue
            try:
                manifest = self._history.read(kept.version)
                self._object.require_model(manifest.model, kept.key)
            except (NotFoundError, CorruptObjectError, DimensionMismatchError) as error:
                _logger.warning("an older manifest is left out", extra={"reason": str(error)})
            else:
                yield manifest

    def commit(
        self, shards: Sequence[ShardDescriptor], change: str = "commit", *, floor: Floor
    ) -> Manifest:
        """Add shards in one new version and return the manifest that holds them.

        Left out is a shard whose `seq` is below the floor, whose origin is present already, or
        that speaks for no entity; when nothing remains, nothing is written. So a commit may be
        repeated freely.

        Args:
            shards: what comes.
            change: what the version says of itself.
            floor: returns the least `seq` that may still be committed. It is called at every
                attempt, after the manifest was read that the attempt replaces.

        Raises:
            ConflictError: other committers won every attempt; try again later.
            CorruptObjectError: the present manifest cannot be used; names the key.
            DimensionMismatchError: a shard or the present manifest is of another model.
        """
        self._require_models(shards)

        def step(seen: SeenManifest) -> Manifest:
            least = floor()
            current = [shard for shard in shards if shard.seq >= least]
            return with_added(seen.manifest, current, change, self._object.clock())

        return self._object.swap(step, f"commit {len(shards)} shards")

    def fence(self) -> Manifest:
        """Make a new version that holds the same shards.

        A commit that was decided over an earlier version fails, and is decided again.

        Raises:
            ConflictError, CorruptObjectError, DimensionMismatchError: as `commit`.
        """
        return self._object.swap(
            lambda seen: fenced(seen.manifest, self._object.clock()), "fence the index"
        )

    def replace(
        self,
        removed: Collection[str],
        added: Sequence[ShardDescriptor],
        change: str,
        *,
        made_from: int | None = None,
    ) -> Manifest | None:
        """Replace shards, named by their ids, by others in one new version.

        The added ones stand where the first removed one stood. As in `commit`, an origin that the
        rest holds is left out, and a repeated call writes nothing.

        Args:
            removed: the shards that leave.
            added: the shards that come.
            change: what the version says of itself.
            made_from: the version by which it was decided which rows of the removed shards are
                dead. A restore or a rebuild since then may have brought them back to life.

        Returns:
            None, and nothing is written, when a removed shard is not in the manifest any more, or
            when there was a restore or rebuild after `made_from`.

        Raises:
            ConflictError, CorruptObjectError, DimensionMismatchError: as `commit`.
        """
        self._require_models(added)

        def step(seen: SeenManifest) -> Manifest | None:
            manifest = with_replaced(seen.manifest, removed, added, change, self._object.clock())
            if manifest is None or manifest is seen.manifest:
                return manifest
            if made_from is not None and self._was_brought_back(made_from, seen.manifest):
                return None
            return manifest

        return self._object.swap(step, f"replace {len(removed)} shards by {len(added)}")

    def complete(self, generation: int) -> Manifest:
        """Have readers keep to this index from now on, in one new version.

        One that they keep to already is left as it is. One without a manifest is empty from now on:
        nothing was left in the source to be indexed.

        Raises:
            ConflictError, CorruptObjectError, DimensionMismatchError: as `commit`.
        """

        return self._object.swap(
            lambda seen: completed(seen.manifest, generation, self._object.clock()),
            "complete the index",
        )

    def restore(self, version: int, *, over: CommittedManifest | None) -> Manifest | None:
        """Make a new version that holds what an older one held; nothing is forgotten by it.

        Args:
            version: the older one.
            over: the present manifest, as the caller read it; None where it is damaged or missing.

        Returns:
            None, and nothing is written, when the present manifest is not `over` any more. When
            the present version holds these very shards, it is returned and nothing is written.

        Raises:
            NotFoundError: there is no such version, or no longer.
            CorruptObjectError: that version cannot be read, or a file of it is gone.
            ConflictError, DimensionMismatchError: as `commit`.
        """
        target = self.read_version(version)
        self._require_files(target)

        def step(seen: SeenManifest) -> Manifest | None:
            if not _is_over(seen, over):
                return None
            if seen.is_usable and seen.manifest.shards == target.shards:
                return seen.manifest
            return with_shards_of(seen.manifest, target, self._object.clock())

        return self._object.swap(step, f"restore version {version}", tolerant=True)

    def rebuilt(
        self,
        removed: Collection[str],
        added: Sequence[ShardDescriptor],
        change: str,
        *,
        over: CommittedManifest | None,
    ) -> Manifest | None:
        """Replace shards by rebuilt ones in one new version.

        Unlike `replace` it works when some of the removed shards left meanwhile: others that came
        stay. Where the manifest is damaged or missing, it holds the added ones alone from now on.
        `over` and None are as in `restore`.

        Raises:
            ConflictError, DimensionMismatchError: as `commit`.
        """
        self._require_models(added)

        def step(seen: SeenManifest) -> Manifest | None:
            now = self._object.clock()
            if not _is_over(seen, over):
                return None
            if seen.is_usable:
                return with_rebuilt(seen.manifest, removed, added, change, now)
            return begun_anew(seen.manifest, added, change, now)

        described = f"put {len(added)} rebuilt shards in the place of {len(removed)}"
        return self._object.swap(step, described, tolerant=True)

    def _was_brought_back(self, since: int, present: Manifest) -> bool:
        """Whether a version after `since` may hold older rows; also when that is unknown."""
        if brings_back(present.change) and present.version > since:
            return True
        for version in range(since + 1, present.version):
            try:
                if brings_back(self._history.read(version).change):
                    return True
            except (NotFoundError, CorruptObjectError):
                return True
        return False

    def _present_version(self, version: int) -> Manifest | None:
        try:
            manifest = self.read().manifest
        except NotFoundError:
            return None
        return manifest if manifest.version == version else None

    def _require_files(self, manifest: Manifest) -> None:
        present = {
            found.key for found in self._store.list(shards_prefix(self._corpus, self._model))
        }
        for shard in manifest.shards:
            for file in shard.files:
                if file.key not in present:
                    raise CorruptObjectError(
                        f"{file.key} is gone, so version {manifest.version} cannot be restored"
                    )

    def _require_models(self, shards: Sequence[ShardDescriptor]) -> None:
        for shard in shards:
            self._object.require_model(shard.model, f"shard {shard.shard_id}")


def _is_over(seen: SeenManifest, over: CommittedManifest | None) -> bool:
    """Whether a change is still made over the manifest that its caller read."""
    if over is None:
        return not seen.is_usable or seen.stored is None
    return seen.stored is not None and seen.stored.etag == over.etag


class ManifestCache:
    """The manifest as readers see it: looked at again after `recheck_seconds`.

    A reader that has a good manifest goes on serving it when the present one is damaged or the
    store does not answer: that is logged, and looked at again after the same time.
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
        """Return the newest manifest known; raises like `committed`."""
        return self.committed().manifest

    def committed(self) -> CommittedManifest:
        """Return the newest manifest known, and its etag.

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
        return self._held

    def _refreshed(self, held: CommittedManifest) -> CommittedManifest:
        try:
            return self._manifests.read_if_changed(held.etag) or held
        except Exception as error:  # noqa: BLE001 - whatever ails the store, a good manifest serves
            _logger.error(
                "the last good manifest goes on serving",
                extra={"manifest": self._manifests.key, "reason": repr(error)},
            )
            return held
