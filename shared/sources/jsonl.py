"""The jsonl source: objects of JSON lines below a prefix of the bucket, an object a page."""

import hashlib
import re
from collections.abc import Mapping

from shared.errors import NotFoundError, SourceError
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import JsonlSource
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan, PlannedPage
from shared.sources.http import gunzip
from shared.storage.object_store import ObjectStore, ObjectSummary

ENDPOINT = "records"
# A page passes through functions of 512 MB, which hold it several times over.
MAXIMUM_OBJECT_BYTES = 32 * 1024 * 1024
MAXIMUM_DECOMPRESSED_BYTES = 32 * 1024 * 1024
_LONGEST_KEY = 400
_SUFFIXES = (".jsonl", ".jsonl.gz")


class JsonlObjects:
    """Implements `Source` over an object store."""

    def __init__(self, settings: JsonlSource, store: ObjectStore) -> None:
        self._settings = settings
        self._store = store

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Plan a page for each object; none at all when no object has changed."""
        objects = [
            listed
            for listed in self._store.list(self._settings.prefix)
            if listed.key.endswith(_SUFFIXES)
        ]
        checkpoint = checkpoints(ENDPOINT)
        etag = _listing_etag(objects)
        if mode == "incremental" and checkpoint.etag == etag:
            return Plan((EndpointPlan(ENDPOINT, (), checkpoint, is_unchanged=True),))
        pages = tuple(self._page(listed) for listed in objects)
        return Plan((EndpointPlan(ENDPOINT, pages, EndpointCheckpoint(etag=etag)),))

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        """Read one object; one that was deleted since the plan is an empty page."""
        key, size_bytes = _read_query(endpoint, query)
        if not key.startswith(self._settings.prefix):
            raise SourceError(f"{key} is not below {self._settings.prefix}")
        if size_bytes > MAXIMUM_OBJECT_BYTES:
            raise SourceError(
                f"{key} has {size_bytes} bytes, more than the {MAXIMUM_OBJECT_BYTES} of one page; "
                "split it into several objects"
            )
        try:
            stored = self._store.get(key) if etag is None else self._store.get_if_changed(key, etag)
        except NotFoundError:
            return FetchedPage()
        if stored is None:
            return FetchedPage(etag=etag, is_not_modified=True)
        data = stored.data
        if key.endswith(".gz"):
            data = gunzip(data, MAXIMUM_DECOMPRESSED_BYTES)
        return FetchedPage(tuple(_lines(data)), stored.etag)

    def _page(self, listed: ObjectSummary) -> PlannedPage:
        if len(listed.key.encode()) > _LONGEST_KEY:
            raise SourceError(
                f"the key {listed.key[:80]}… has more than {_LONGEST_KEY} bytes; rename the object"
            )
        query = {"key": listed.key, "size_bytes": str(listed.size_bytes)}
        return PlannedPage(
            ENDPOINT, _page_id(listed.key.removeprefix(self._settings.prefix)), query
        )


def _page_id(name: str) -> str:
    """Return a readable id that depends on the object's name alone, so a second plan agrees."""
    stem = name.removesuffix(".gz").removesuffix(".jsonl")
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60]
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return "-".join(part for part in (ENDPOINT, slug, digest) if part)


def _listing_etag(objects: list[ObjectSummary]) -> str:
    text = "\n".join(f"{listed.key}\t{listed.etag}" for listed in objects)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_query(endpoint: str, query: Mapping[str, str]) -> tuple[str, int]:
    try:
        key, size_bytes = query["key"], int(query["size_bytes"])
    except (KeyError, ValueError):
        raise SourceError("a page of a jsonl corpus names no key and size_bytes") from None
    if endpoint != ENDPOINT:
        raise SourceError(f"a jsonl corpus has no endpoint {endpoint!r}")
    return key, size_bytes


def _lines(data: bytes) -> list[str]:
    """Split into lines without empty ones.

    Bytes that are no UTF-8 become `\\xNN`, which JSON refuses: such a line is rejected by itself.
    """
    lines = (
        line.decode("utf-8", "backslashreplace").rstrip("\r")
        for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    )
    return [line for line in lines if line.strip()]
