"""The versions of a manifest that another one followed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from shared.errors import ConflictError, CorruptObjectError, NotFoundError
from shared.index.manifest.manifest_format import parse_manifest
from shared.models.base import CorpusName
from shared.models.manifest import Manifest, ModelIdentity
from shared.storage.keys import manifest_history_prefix, manifest_version_key
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version as listed; equal etags mean equal bytes."""

    version: int
    key: str
    etag: str


class ManifestHistory:
    """The committed versions of one index but the present one, under `manifests/`."""

    def __init__(self, store: ObjectStore, corpus: CorpusName, model: ModelIdentity) -> None:
        self._store = store
        self._corpus = corpus
        self._model = model

    def keep(self, version: int, data: bytes) -> None:
        """Make sure that a version is stored here, before another one replaces it.

        Every committer that is about to replace it writes the same bytes, so it does not matter
        which one is first.

        Raises:
            ConflictError: another writer changed it just now; the caller may try again.
            CorruptObjectError: another manifest stands under this version; names the key.
        """
        key = self.key(version)
        try:
            self._store.put(key, data, content_type="application/json", if_absent=True)
        except ConflictError:
            self._compare(version, data)

    def _compare(self, version: int, data: bytes) -> None:
        key = self.key(version)
        try:
            present = self._store.get(key)
        except NotFoundError as error:
            raise ConflictError(f"{key} was deleted by another process just now") from error
        if present.data == data:
            return
        try:
            parse_manifest(present, self._corpus)
        except CorruptObjectError:
            self._store.put(key, data, content_type="application/json", if_match=present.etag)
        else:
            raise CorruptObjectError(
                f"{key} holds another version {version} than the manifest, which was set back; "
                "bring a version back with `ultron index restore`"
            )

    def read(self, version: int) -> Manifest:
        """Return a version.

        Raises:
            NotFoundError: it is not here.
            CorruptObjectError: it cannot be read; names the key.
        """
        stored = self._store.get(self.key(version))
        manifest = parse_manifest(stored, self._corpus)
        if manifest.version != version:
            raise CorruptObjectError(f"{stored.key} holds version {manifest.version}")
        return manifest

    def listed(self) -> Iterator[KeptVersion]:
        """The versions that are here, oldest first; objects with other names are passed over."""
        for found in self._store.list(manifest_history_prefix(self._corpus, self._model)):
            name = PurePosixPath(found.key)
            if name.suffix == ".json" and name.stem.isascii() and name.stem.isdigit():
                yield KeptVersion(int(name.stem), found.key, found.etag)

    def newest(self) -> int:
        """The greatest version that is here, 0 when none is."""
        return max((kept.version for kept in self.listed()), default=0)

    def key(self, version: int) -> str:
        """Where a version lies."""
        return manifest_version_key(self._corpus, self._model, version)
