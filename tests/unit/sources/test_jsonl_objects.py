"""The jsonl source on an object store."""

import gzip

import pytest
from pydantic import TypeAdapter

from shared.errors import SourceError
from shared.models.base import PageId
from shared.models.run import EndpointCheckpoint
from shared.models.sources import JsonlSource
from shared.sources.base import Plan
from shared.sources.jsonl import MAXIMUM_OBJECT_BYTES, JsonlObjects
from shared.storage.memory import MemoryObjectStore

PREFIX = "sources/manuals/"


@pytest.fixture
def store() -> MemoryObjectStore:
    store = MemoryObjectStore()
    store.put(f"{PREFIX}a.jsonl", b'{"id": 1}\n\n  \n{"id": 2}\r\n')
    store.put(f"{PREFIX}b/A.jsonl.gz", gzip.compress(b'\xef\xbb\xbf{"id": 3.10}'))
    store.put(f"{PREFIX}readme.txt", b"no records")
    store.put("sources/other/a.jsonl", b'{"id": 9}')
    return store


def plan(store: MemoryObjectStore, etag: str | None = None, full: bool = False) -> Plan:
    source = JsonlObjects(JsonlSource(prefix=PREFIX), store)
    checkpoint = EndpointCheckpoint(etag=etag)
    return source.plan("full" if full else "incremental", lambda _: checkpoint)


def fetch(store: MemoryObjectStore, name: str, etag: str | None = None) -> tuple[str, ...]:
    query = {"key": f"{PREFIX}{name}", "size_bytes": "10"}
    return JsonlObjects(JsonlSource(prefix=PREFIX), store).fetch("records", query, etag).lines


def test_every_object_of_records_is_a_page(store: MemoryObjectStore) -> None:
    pages = plan(store).pages
    assert [page.query["key"] for page in pages] == [f"{PREFIX}a.jsonl", f"{PREFIX}b/A.jsonl.gz"]
    for page in pages:
        TypeAdapter(PageId).validate_python(page.page_id)


def test_page_ids_depend_on_the_key_alone_and_differ(store: MemoryObjectStore) -> None:
    before = {page.query["key"]: page.page_id for page in plan(store).pages}
    store.put(f"{PREFIX}0.jsonl", b"")
    store.put(f"{PREFIX}B/a.jsonl", b"")
    after = {page.query["key"]: page.page_id for page in plan(store).pages}
    assert {key: after[key] for key in before} == before
    assert len(set(after.values())) == 4


def test_same_name_with_and_without_gzip_are_two_pages(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}a.jsonl.gz", gzip.compress(b""))
    assert len({page.page_id for page in plan(store).pages}) == 3


def test_an_unchanged_listing_plans_nothing(store: MemoryObjectStore) -> None:
    (first,) = plan(store).endpoints
    (second,) = plan(store, first.next_checkpoint.etag).endpoints
    assert second.is_unchanged
    assert second.pages == ()
    assert second.next_checkpoint == first.next_checkpoint
    assert len(plan(store, first.next_checkpoint.etag, full=True).pages) == 2
    store.put(f"{PREFIX}a.jsonl", b'{"id": 1, "title": "new"}')
    assert len(plan(store, first.next_checkpoint.etag).pages) == 2


def test_an_empty_prefix_plans_nothing() -> None:
    assert plan(MemoryObjectStore()).pages == ()


def test_lines_are_kept_as_they_are(store: MemoryObjectStore) -> None:
    assert fetch(store, "a.jsonl") == ('{"id": 1}', '{"id": 2}')
    assert fetch(store, "b/A.jsonl.gz") == ('{"id": 3.10}',)


def test_an_object_that_has_not_changed_is_not_read(store: MemoryObjectStore) -> None:
    source = JsonlObjects(JsonlSource(prefix=PREFIX), store)
    query = {"key": f"{PREFIX}a.jsonl", "size_bytes": "10"}
    first = source.fetch("records", query, None)
    again = source.fetch("records", query, first.etag)
    assert (again.is_not_modified, again.lines, again.etag) == (True, (), first.etag)
    store.put(f"{PREFIX}a.jsonl", b'{"id": 5}')
    assert source.fetch("records", query, first.etag).lines == ('{"id": 5}',)


def test_an_object_that_is_gone_is_an_empty_page(store: MemoryObjectStore) -> None:
    assert fetch(store, "gone.jsonl") == ()
    assert fetch(store, "gone.jsonl", "etag") == ()


def test_a_line_that_is_no_utf8_is_refused_by_json_alone(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}x.jsonl", b'{"id": "\xff"}\n{"id": "\xc3\xa9"}')
    assert fetch(store, "x.jsonl") == ('{"id": "\\xff"}', '{"id": "é"}')


@pytest.mark.parametrize(
    ("endpoint", "query", "reason"),
    [
        ("records", {}, "names no key"),
        ("records", {"key": f"{PREFIX}a.jsonl", "size_bytes": "x"}, "names no key"),
        ("pages", {"key": f"{PREFIX}a.jsonl", "size_bytes": "1"}, "no endpoint 'pages'"),
        ("records", {"key": "sources/other/a.jsonl", "size_bytes": "1"}, "is not below"),
        (
            "records",
            {"key": f"{PREFIX}a.jsonl", "size_bytes": str(MAXIMUM_OBJECT_BYTES + 1)},
            "split it",
        ),
    ],
)
def test_bad_pages(
    store: MemoryObjectStore, endpoint: str, query: dict[str, str], reason: str
) -> None:
    with pytest.raises(SourceError, match=reason):
        JsonlObjects(JsonlSource(prefix=PREFIX), store).fetch(endpoint, query, None)


def test_damaged_gzip_is_a_source_error(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}cut.jsonl.gz", gzip.compress(b'{"id": 1}')[:-3])
    with pytest.raises(SourceError, match="cut short"):
        fetch(store, "cut.jsonl.gz")


def test_a_key_that_is_too_long_is_named(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}{'x' * 400}.jsonl", b"")
    with pytest.raises(SourceError, match="more than 400 bytes"):
        plan(store)
