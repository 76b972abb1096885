"""Which of a corpus's indexes, one a model, readers are to keep to.

An index that begins beside another one is built in the background: it has no generation until a
full run has put all there is into it. Then it gets one above all others.
"""

import logging
import re
from collections.abc import Iterable, Iterator

from shared.errors import CorruptObjectError, NotFoundError
from shared.index.manifest.manifest_format import parse_manifest
from shared.models.base import CorpusName
from shared.models.manifest import Manifest
from shared.storage.object_store import ObjectStore

_logger = logging.getLogger(__name__)

_MANIFEST_KEY = re.compile(r"indexes/[^/]+/model=[^/]+/dims=\d+/manifest\.json")


def manifest_keys(store: ObjectStore, corpus: CorpusName) -> Iterator[str]:
    """The manifests of a corpus, one a model."""
    for found in store.list(f"indexes/{corpus}/"):
        if _MANIFEST_KEY.fullmatch(found.key):
            yield found.key


def present_manifests(store: ObjectStore, corpus: CorpusName) -> list[Manifest]:
    """The indexes of a corpus as they are; one that cannot be read is left out and logged."""
    manifests = []
    for key in manifest_keys(store, corpus):
        try:
            manifests.append(parse_manifest(store.get(key), corpus))
        except (CorruptObjectError, NotFoundError) as error:
            _logger.warning("an index is left out", extra={"reason": str(error)})
    return manifests


def newest_generation(manifests: Iterable[Manifest]) -> int | None:
    """The generation that readers keep to; None where no index is complete."""
    known = [m.generation for m in manifests if m.generation is not None]
    return max(known, default=None)


def is_behind(index: Manifest | None, manifests: Iterable[Manifest]) -> bool:
    """Whether readers have a newer complete index than this one, which may not be there yet."""
    newest = newest_generation(manifests)
    if newest is None:
        return False
    return index is None or index.generation is None or index.generation < newest
