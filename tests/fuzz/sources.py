"""Whole sources, to each of whose questions a stranger gives the same answer; and page jobs."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache

from pydantic import TypeAdapter, ValidationError

from shared.errors import PostponedError, SourceError
from shared.models.corpus import Corpus
from shared.models.jobs import PageJob
from shared.models.run import EndpointCheckpoint
from shared.models.sources import RateLimit
from shared.sources.base import FetchedPage, PlannedPage, Source
from shared.sources.marvel.signing import MarvelKeys
from shared.sources.raw_object import raw_metadata, read_attribution
from shared.sources.registry import SourceTools, make_source
from shared.storage.jsonl import encode_lines
from shared.storage.keys import raw_key
from shared.storage.memory import MemoryObjectStore
from shared.web.http_get import HttpClient, HttpResponse
from shared.web.outbound import OutboundGuard
from shared.web.rates import Slot
from shared.web.retry import Timing
from tests.fuzz.target import Target, first_line, text_of

QUERY: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
RUN = "20261123T060000Z-1a2b3c4d"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SINCE = EndpointCheckpoint(last_modified="2024-01-02T03:04:05+00:00")
FOLLOWED_PAGES = 3
HOME = "https://a.example"
PAGED = {"kind": "http_json", "url": HOME, "items": "items"}
SOURCES: Mapping[str, Mapping[str, object]] = {
    "wiki": {"kind": "mediawiki", "api_url": f"{HOME}/api.php"},
    "extracts": {"kind": "mediawiki", "api_url": f"{HOME}/api.php", "text": "extract"},
    "sitemap": {"kind": "sitemap", "sitemap_url": f"{HOME}/sitemap.xml"},
    "marvel": {"kind": "marvel", "base_url": HOME, "endpoints": ["comics"]},
    "offset": {**PAGED, "total": "total", "paging": {"style": "offset"}},
    "cursor": {**PAGED, "paging": {"style": "cursor", "next_cursor": "next"}},
    "next": {**PAGED, "paging": {"style": "next_url", "next_url": "next"}},
    "link": {**PAGED, "paging": {"style": "link"}},
}
ENDPOINTS = ("records", "listing", "pages", "sitemap", "comics")
HEADERS = ("location", "retry-after", "link", "etag", "content-type", "last-modified")


class _Stranger(HttpClient):
    """Answers every call alike, and reaches nobody."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__()
        self._own_guard = OutboundGuard()
        self._answer = answer

    def get(self, url: str, headers: Mapping[str, str]) -> HttpResponse:
        self._own_guard.check_url(url)
        return self._answer


class _Rates:
    """Grants every place at once, until the source refuses a call."""

    def __init__(self) -> None:
        self._held_seconds = 0.0

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        return Slot(self._held_seconds == 0.0, self._held_seconds)

    def hold(self, bucket: str, seconds: float, lapse_seconds: float) -> None:
        assert seconds > 0
        self._held_seconds = seconds

    def end_refusal(self, bucket: str) -> None:
        pass

    def spend_budget(self, bucket: str, day: date, limit: int) -> None:
        pass


@cache
def corpus_of(name: str) -> Corpus:
    return Corpus.model_validate({"name": "fuzz", "source": SOURCES[name]})


def source_over(name: str, answer: HttpResponse) -> Source:
    tools = SourceTools(
        store=MemoryObjectStore(),
        marvel_keys=lambda _: MarvelKeys("public", "private"),
        secret_field=lambda *_: "a-secret-of-ours",
        rates=_Rates(),
        http=_Stranger(answer),
        timing=Timing(lambda: NOW, lambda: 0.0, lambda _: None, lambda low, _: low),
    )
    return make_source(corpus_of(name), tools)


def job_of(page: PlannedPage) -> PageJob:
    """A page that was planned or told of becomes a job, whatever the source made of its name."""
    return PageJob(
        corpus="fuzz",
        run_id=RUN,
        page_id=page.page_id,
        seq=int(NOW.timestamp() * 1000),
        endpoint=page.endpoint,
        query=dict(page.query),
    )


def kept(job: PageJob, page: FetchedPage) -> None:
    """What is fetched is written as a raw object, with metadata that S3 takes."""
    encode_lines(page.lines)
    metadata = raw_metadata(job, "fuzz", page)
    assert all(value.isascii() for value in metadata.values())
    assert len(str(metadata)) < 2048
    read_attribution(metadata)
    raw_key(job).encode()


def followed(source: Source, planned: list[PlannedPage]) -> None:
    for _ in range(FOLLOWED_PAGES):
        if not planned:
            return
        job = job_of(planned.pop(0))
        with suppress(SourceError, PostponedError):
            page = source.fetch(job.endpoint, job.query, None)
            kept(job, page)
            planned += page.next_pages


def foreign_source(data: bytes) -> None:
    """The first line says which source, which status and which header, the rest is the body."""
    line, body = first_line(data)
    name, status, header, value = [*line.split(" ", 3), "", "", "", ""][:4]
    number = int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 200
    headers = {header: value} if header in HEADERS else {}
    source = source_over(name if name in SOURCES else "wiki", HttpResponse(number, headers, body))
    with suppress(SourceError, PostponedError):
        plan = source.plan("incremental", lambda _: SINCE)
        followed(source, list(plan.pages[:FOLLOWED_PAGES]))


def page_job(data: bytes) -> None:
    """A job's query, as anyone may have put it into the queue; no source answers."""
    try:
        query = QUERY.validate_json(text_of(data))
    except ValidationError:
        return
    for name in SOURCES:
        source = source_over(name, HttpResponse(404, {}, b""))
        for endpoint in ENDPOINTS:
            with suppress(SourceError, PostponedError):
                source.fetch(endpoint, query, None)


TARGETS = {
    "foreign_source": Target(foreign_source, is_json=True),
    "page_job": Target(page_job, is_json=True),
}
