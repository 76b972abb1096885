"""Large objects in a real bucket, read in pages of one version."""

from typing import TYPE_CHECKING

import pytest

from shared.errors import SourceError
from shared.models.run import EndpointCheckpoint
from shared.models.sources import JsonlSource
from shared.sources.base import PlannedPage
from shared.sources.objects.source import JsonlObjects
from shared.storage.s3 import S3ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "sources/large/a.jsonl"
LINES = [f'{{"id": {number}, "text": "{"é" * (number % 50)}"}}' for number in range(300)]


@pytest.fixture
def store(s3_client: "S3Client", bucket_name: str) -> S3ObjectStore:
    store = S3ObjectStore(s3_client, bucket_name)
    store.put(KEY, "\r\n".join(LINES).encode())
    return store


@pytest.fixture
def source(store: S3ObjectStore) -> JsonlObjects:
    return JsonlObjects(JsonlSource(prefix="sources/large/", page_bytes=1024), store)


@pytest.fixture
def pages(source: JsonlObjects) -> tuple[PlannedPage, ...]:
    pages = source.plan("full", lambda _: EndpointCheckpoint()).pages
    assert len(pages) > 10
    return pages


def test_the_pages_together_hold_every_line_once(
    source: JsonlObjects, pages: tuple[PlannedPage, ...]
) -> None:
    fetched = [source.fetch(page.endpoint, page.query, None) for page in pages]
    assert [line for page in fetched for line in page.lines] == LINES
    (etag,) = {page.etag for page in fetched}
    assert source.fetch(pages[3].endpoint, pages[3].query, etag).is_not_modified


def test_a_version_that_is_gone_is_no_page(
    source: JsonlObjects, pages: tuple[PlannedPage, ...], store: S3ObjectStore
) -> None:
    store.put(KEY, "\n".join(LINES).encode())
    with pytest.raises(SourceError, match=f"{KEY} was changed while it was read"):
        source.fetch(pages[3].endpoint, pages[3].query, None)
    store.delete(KEY)
    assert source.fetch(pages[3].endpoint, pages[3].query, None).lines == ()
