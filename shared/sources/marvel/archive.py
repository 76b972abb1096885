"""The Marvel archive: dumps of the API in the bucket, read as if the API had answered."""

import re
from collections.abc import Mapping
from functools import partial

from pydantic import NonNegativeInt, ValidationError

from shared.errors import SourceError
from shared.models.base import Contract
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import MARVEL_ENDPOINTS, MarvelArchiveSource
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan, PlannedPage
from shared.sources.marvel.wrapper import parse_page
from shared.sources.objects.json_lines import split_lines
from shared.sources.objects.listing import format_of, listing_etag, page_id, readable_objects
from shared.sources.objects.reading import PageContent, PageLines, bounded_lines, fetch_object
from shared.sources.raw_object import read_attribution
from shared.storage.object_store import ObjectStore, ObjectSummary

_ANSWER = ".json"
_FORMATS = (".jsonl", _ANSWER)
_NAME = re.compile(rf"({'|'.join(MARVEL_ENDPOINTS)})(?![a-z])")


class _PageQuery(Contract):
    key: str
    size_bytes: NonNegativeInt


class MarvelArchive:
    """Implements `Source` over an object store.

    Of an entity in several objects the version in the one whose name sorts last counts, so dumps
    in folders named by date, and what runs left below `raw/`, end with the newest.
    """

    def __init__(self, settings: MarvelArchiveSource, store: ObjectStore) -> None:
        self._settings = settings
        self._store = store

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Plan a page for each object; none for endpoints of which no object has changed."""
        prefix = self._settings.prefix
        objects: dict[str, list[ObjectSummary]] = {e: [] for e in self._settings.endpoints}
        for listed in readable_objects(self._store.list(prefix), prefix, _FORMATS):
            of_endpoint = objects.get(self._endpoint_of(listed.key))
            if of_endpoint is not None:  # else of one that the corpus leaves out
                of_endpoint.append(listed)
        return Plan(
            tuple(
                self._plan_endpoint(endpoint, found, mode, checkpoints(endpoint))
                for endpoint, found in objects.items()
            )
        )

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        """Read one object; one that was deleted since the plan is an empty page."""
        try:
            page = _PageQuery.model_validate(query)
        except ValidationError:
            raise SourceError("a page of an archive names no key and size_bytes") from None
        if not page.key.startswith(self._settings.prefix):
            raise SourceError(f"{page.key} is not below {self._settings.prefix}")
        if endpoint != self._endpoint_of(page.key):
            raise SourceError(f"{page.key} is not of the endpoint {endpoint!r}")
        read = partial(_read, format_of(page.key, _FORMATS) == _ANSWER)
        return fetch_object(self._store, page.key, page.size_bytes, etag, read)

    def _plan_endpoint(
        self,
        endpoint: str,
        objects: list[ObjectSummary],
        mode: RunMode,
        checkpoint: EndpointCheckpoint,
    ) -> EndpointPlan:
        etag = listing_etag(objects)
        if mode == "incremental" and checkpoint.etag == etag:
            return EndpointPlan(endpoint, (), checkpoint, is_unchanged=True)
        pages = tuple(
            PlannedPage(
                endpoint,
                page_id(endpoint, self._name(listed.key)),
                {"key": listed.key, "size_bytes": str(listed.size_bytes)},
            )
            for listed in objects
        )
        return EndpointPlan(endpoint, pages, EndpointCheckpoint(etag=etag))

    def _name(self, key: str) -> str:
        return key.removeprefix(self._settings.prefix)

    def _endpoint_of(self, key: str) -> str:
        """Return what the name begins with, else the innermost folder of an endpoint's name."""
        *folders, name = self._name(key).lower().split("/")
        begin = _NAME.match(name)
        if begin is not None:
            return begin.group(1)
        for folder in reversed(folders):
            if folder in MARVEL_ENDPOINTS:
                return folder
        raise SourceError(
            f"{key} is of no known endpoint: its name must begin with one of "
            f"{', '.join(MARVEL_ENDPOINTS)}, or a folder below {self._settings.prefix} be named so"
        )


def _read(is_answer: bool, content: PageContent) -> PageLines:
    if is_answer:
        page = parse_page(content.data)
        return PageLines(bounded_lines(page.lines), page.attribution)
    lines = bounded_lines(split_lines(content.data))
    return PageLines(lines, _attribution(content.metadata))


def _attribution(metadata: Mapping[str, str]) -> str | None:
    try:
        return read_attribution(metadata)
    except ValueError:
        raise SourceError(
            "its metadata has an attribution that is no JSON text; write it in quotes"
        ) from None
