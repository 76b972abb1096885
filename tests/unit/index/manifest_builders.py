"""Shards that exist by name only, for the tests of manifests and of garbage."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from shared.errors import CorruptObjectError, NotFoundError
from shared.index.manifest.manifest_store import CommitRetry, CommittedManifest, ManifestStore
from shared.models.manifest import FileReference, Manifest, ModelIdentity, ShardDescriptor
from shared.storage.keys import shard_key
from shared.storage.object_store import ObjectStore

CORPUS = "tests"
MODEL = ModelIdentity(id="random", revision="1", dims=16)
NO_WAIT = CommitRetry(attempts=200, sleep=lambda _: None)
SUFFIXES = ("npz", "hnsw", "sqlite")


def named(origin: str) -> str:
    """The id of the shard of an origin."""
    return hashlib.sha256(origin.encode()).hexdigest()[:16]


def descriptor(
    origin: str, *, entities: int = 1, model: ModelIdentity = MODEL, corpus: str = CORPUS
) -> ShardDescriptor:
    files = [
        FileReference(
            key=shard_key(corpus, model, named(origin), suffix), size_bytes=3, sha256="0" * 64
        )
        for suffix in SUFFIXES
    ]
    return ShardDescriptor(
        shard_id=named(origin),
        origin=origin,
        seq=1,
        model=model,
        vectors=1,
        entities=entities,
        catalog=files[0],
        graph=files[1],
        sidecar=files[2],
    )


def written(store: ObjectStore, *origins: str) -> list[ShardDescriptor]:
    """Shards with files in the store."""
    shards = [descriptor(origin) for origin in origins]
    for shard in shards:
        for file in shard.files:
            store.put(file.key, b"xyz")
    return shards


class Calendar:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


def store_of(
    store: ObjectStore, *, calendar: Calendar | None = None, retry: CommitRetry = NO_WAIT
) -> ManifestStore:
    return ManifestStore(store, CORPUS, MODEL, retry, calendar or (lambda: datetime.now(UTC)))


def origins(shards: tuple[ShardDescriptor, ...]) -> list[str]:
    return [shard.origin for shard in shards]


def no_floor() -> int:
    """The floor of a corpus of which nothing was ever taken away."""
    return 0


def restore_alone(own: ManifestStore, version: int) -> Manifest:
    """Restore a version while nobody else commits."""
    manifest = own.restore(version, over=_present(own))
    assert manifest is not None
    return manifest


def rebuild_alone(
    own: ManifestStore, removed: Collection[str], added: Sequence[ShardDescriptor], change: str
) -> Manifest:
    """Put rebuilt shards in the place of others while nobody else commits."""
    manifest = own.rebuilt(removed, added, change, over=_present(own))
    assert manifest is not None
    return manifest


def _present(own: ManifestStore) -> CommittedManifest | None:
    try:
        return own.read()
    except (NotFoundError, CorruptObjectError):
        return None
