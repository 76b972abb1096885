"""The jsonl source on an object store."""

import gzip
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.errors import SourceError
from shared.models.base import PageId
from shared.models.run import EndpointCheckpoint
from shared.models.sources import JsonlSource
from shared.sources.base import Plan
from shared.sources.objects import reading
from shared.sources.objects.reading import MAXIMUM_OBJECT_BYTES
from shared.sources.objects.source import JsonlObjects
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


def fetch(
    store: MemoryObjectStore, name: str, etag: str | None = None, **settings: Any
) -> tuple[str, ...]:
    query = {"key": f"{PREFIX}{name}", "size_bytes": "10"}
    source = JsonlObjects(JsonlSource(prefix=PREFIX, **settings), store)
    return source.fetch("records", query, etag).lines


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
    store = MemoryObjectStore()
    assert plan(store).pages == ()
    store.put(PREFIX, b"")  # what a console makes of an empty folder
    assert plan(store).pages == ()


def test_a_prefix_of_other_objects_is_no_corpus() -> None:
    store = MemoryObjectStore()
    store.put(f"{PREFIX}a.parquet", b"x")
    with pytest.raises(SourceError, match=r"none of the 1 objects below .* sources/manuals/a.parq"):
        plan(store)


def test_page_ids_sort_as_names_do(store: MemoryObjectStore) -> None:
    names = ["2024-01-01/a.jsonl", "2024-01-02/a.csv", "2024-02-01/0.json.gz"]
    for name in names:
        store.put(f"{PREFIX}{name}", b"")
    ids = {page.query["key"].removeprefix(PREFIX): page.page_id for page in plan(store).pages}
    assert sorted(names, key=lambda name: ids[name]) == names


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


@pytest.mark.parametrize("name", ["cut.jsonl.gz", "cut.json.gz", "cut.csv.gz", "CUT.JSONL.GZ"])
def test_damaged_gzip_is_named(store: MemoryObjectStore, name: str) -> None:
    store.put(f"{PREFIX}{name}", gzip.compress(b'{"id": 1}')[:-3])
    with pytest.raises(SourceError, match=rf"sources/manuals/{name}: .* cut short"):
        fetch(store, name)
    store.put(f"{PREFIX}{name}", b"")
    with pytest.raises(SourceError, match="no gzip"):
        fetch(store, name)


def test_gzip_that_grows_beyond_the_bound_is_refused(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}big.jsonl.gz", gzip.compress(bytes(MAXIMUM_OBJECT_BYTES + 1)))
    with pytest.raises(SourceError, match=r"big.jsonl.gz: .* when decompressed"):
        fetch(store, "big.jsonl.gz")


def test_an_object_that_grew_since_the_plan_is_bounded(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}a.jsonl", bytes(MAXIMUM_OBJECT_BYTES + 1))
    with pytest.raises(SourceError, match="split it"):
        fetch(store, "a.jsonl")


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_the_records_of_a_json_object_are_kept_as_written(
    store: MemoryObjectStore, name: str
) -> None:
    data = b'\xef\xbb\xbf{"data": {"rows": [{"price": 88.10},\n {"id":\r\n 2}]}}'
    store.put(f"{PREFIX}{name}", gzip.compress(data) if name.endswith(".gz") else data)
    assert fetch(store, name, items="data.rows") == ('{"price": 88.10}', '{"id":  2}')
    assert fetch(store, name, items="data.rows[?id]") == ('{"id": 2}',)
    (whole,) = fetch(store, name)
    assert whole.startswith('{"data"')


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is no JSON"),
        (b'{"items": [', "it is no JSON"),
        (b'{"items": NaN}', "it is no JSON: NaN"),
        (b'{"items": [1e999]}', "it is no JSON: 1e999"),
        (b'{"items": []} {}', "it is no JSON"),
        (b"\xff", r"it is not UTF-8 \(byte 0\)"),
        (b'{"records": []}', "has nothing at 'items'"),
        (b'{"items": "x"}', "has neither a list nor an object at 'items'"),
    ],
)
def test_a_json_object_without_records_is_named(
    store: MemoryObjectStore, data: bytes, reason: str
) -> None:
    store.put(f"{PREFIX}bad.json", data)
    with pytest.raises(SourceError, match=f"^sources/manuals/bad.json: {reason}"):
        fetch(store, "bad.json", items="items")


def test_rows_of_csv_become_objects(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}t.csv", b'\xef\xbb\xbfid;title\r\n1;"a ""b""\r\nc"\r\n')
    assert fetch(store, "t.csv", csv_delimiter=";") == ('{"id": "1", "title": "a \\"b\\"\\r\\nc"}',)
    store.put(f"{PREFIX}t.csv", b'id,title\n1,"a"b')
    with pytest.raises(SourceError, match=r"^sources/manuals/t.csv: line 2 is no CSV"):
        fetch(store, "t.csv")
    store.put(f"{PREFIX}t.csv", b"id,title\n1,caf\xe9\n")
    with pytest.raises(SourceError, match=r"t.csv: it is not UTF-8 \(byte 14\)"):
        fetch(store, "t.csv")


def test_records_that_grow_beyond_the_bound_are_refused(
    store: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAXIMUM_LINE_CHARACTERS", 600)
    names = ",".join(f"column_{number}" for number in range(20))
    store.put(f"{PREFIX}t.csv", f"{names}\n{',' * 19}\n{',' * 19}\n".encode())
    assert len(fetch(store, "t.csv", csv_delimiter=";")) == 2
    with pytest.raises(SourceError, match=r"t.csv: its records have more than 600 characters"):
        fetch(store, "t.csv")


def test_a_key_that_is_too_long_is_named(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}{'x' * 400}.jsonl", b"")
    with pytest.raises(SourceError, match="more than 400 bytes"):
        plan(store)
