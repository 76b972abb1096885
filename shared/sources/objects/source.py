"""The jsonl source: objects of records below a prefix of the bucket."""

from collections.abc import Mapping
from functools import partial

from pydantic import NonNegativeInt, ValidationError

from shared.errors import ConflictError, NotFoundError, SourceError
from shared.models.base import Contract
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import JsonlSource
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan, PlannedPage
from shared.sources.json_document import JsonDocument
from shared.sources.objects.csv_rows import csv_lines
from shared.sources.objects.json_lines import ByteRange, range_lines, split_lines
from shared.sources.objects.listing import (
    format_of,
    is_compressed,
    listing_etag,
    page_id,
    readable_objects,
)
from shared.sources.objects.reading import (
    PageContent,
    PageLines,
    bounded_lines,
    fetch_object,
    utf8_text,
)
from shared.storage.object_store import ObjectStore, ObjectSummary

ENDPOINT = "records"
_JSON_LINES = ".jsonl"
_FORMATS = (_JSON_LINES, ".json", ".csv")


class _WholeQuery(Contract):
    key: str
    size_bytes: NonNegativeInt


class _RangeQuery(_WholeQuery):
    etag: str
    start: NonNegativeInt
    end: NonNegativeInt


class JsonlObjects:
    """Implements `Source` over an object store."""

    def __init__(self, settings: JsonlSource, store: ObjectStore) -> None:
        self._settings = settings
        self._store = store

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Plan the pages of each object; none at all when no object has changed."""
        prefix = self._settings.prefix
        objects = readable_objects(self._store.list(prefix), prefix, _FORMATS)
        checkpoint = checkpoints(ENDPOINT)
        etag = listing_etag(objects)
        if mode == "incremental" and checkpoint.etag == etag:
            return Plan((EndpointPlan(ENDPOINT, (), checkpoint, is_unchanged=True),))
        pages = tuple(page for listed in objects for page in self._pages(listed))
        return Plan((EndpointPlan(ENDPOINT, pages, EndpointCheckpoint(etag=etag)),))

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        """Read one object or range; what was deleted since the plan is an empty page."""
        if endpoint != ENDPOINT:
            raise SourceError(f"a jsonl corpus has no endpoint {endpoint!r}")
        page = _read_query(query)
        if not page.key.startswith(self._settings.prefix):
            raise SourceError(f"{page.key} is not below {self._settings.prefix}")
        if isinstance(page, _RangeQuery):
            return self._fetch_range(page, etag)
        read = partial(self._read, format_of(page.key, _FORMATS))
        return fetch_object(self._store, page.key, page.size_bytes, etag, read)

    def _pages(self, listed: ObjectSummary) -> list[PlannedPage]:
        own_id = page_id(ENDPOINT, listed.key.removeprefix(self._settings.prefix))
        query = {"key": listed.key, "size_bytes": str(listed.size_bytes)}
        size = self._settings.page_bytes
        is_plain = format_of(listed.key, _FORMATS) == _JSON_LINES and not is_compressed(listed.key)
        if not is_plain or listed.size_bytes <= size:
            return [PlannedPage(ENDPOINT, own_id, query)]
        # The etag ties the ranges to one version: those of two would not fit together.
        return [
            PlannedPage(
                ENDPOINT,
                f"{own_id}-{number:07d}",
                query
                | {
                    "etag": listed.etag,
                    "start": str(start),
                    "end": str(min(start + size, listed.size_bytes)),
                },
            )
            for number, start in enumerate(range(0, listed.size_bytes, size), start=1)
        ]

    def _fetch_range(self, page: _RangeQuery, known_etag: str | None) -> FetchedPage:
        if known_etag == page.etag:
            # A new version would have been planned with its own etag: there is nothing to ask.
            return FetchedPage(etag=known_etag, is_not_modified=True)
        part = ByteRange(page.start, page.end, page.size_bytes)
        try:
            lines = range_lines(part, partial(self._store.get_range, page.key, if_match=page.etag))
            return FetchedPage(bounded_lines(lines), page.etag)
        except NotFoundError:
            return FetchedPage()
        except ConflictError:
            raise SourceError(
                f"{page.key} was changed while it was read; the next run reads it again"
            ) from None
        except SourceError as error:
            raise SourceError(f"{page.key}: {error}") from None

    def _read(self, file_format: str | None, content: PageContent) -> PageLines:
        match file_format:
            case ".json":
                document = _document(utf8_text(content.data))
                return PageLines(bounded_lines(document.record_texts(self._settings.items)))
            case ".csv":
                text = utf8_text(content.data)
                return PageLines(bounded_lines(csv_lines(text, self._settings.csv_delimiter)))
            case _:
                return PageLines(bounded_lines(split_lines(content.data)))


def _document(text: str) -> JsonDocument:
    try:
        return JsonDocument(text)
    except ValueError as error:
        raise SourceError(f"it is no JSON: {error}") from None


def _read_query(query: Mapping[str, str]) -> _WholeQuery | _RangeQuery:
    model = _RangeQuery if "start" in query else _WholeQuery
    try:
        return model.model_validate(query)
    except ValidationError:
        raise SourceError("a page of a jsonl corpus names no key and size_bytes") from None
