"""Large objects are cut by bytes: together the ranges give every line once, wherever they meet."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.errors import SourceError
from shared.models.base import PageId
from shared.models.run import EndpointCheckpoint
from shared.models.sources import JsonlSource
from shared.sources.base import PlannedPage, query_hash
from shared.sources.objects import json_lines
from shared.sources.objects.json_lines import ByteRange, range_lines, split_lines
from shared.sources.objects.source import JsonlObjects
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.failing_store import HookedStore

KEY = "sources/manuals/large.jsonl"
SETTINGS = JsonlSource(prefix="sources/manuals/", page_bytes=1024)
ALPHABET = [b"a", b"\n", b"\r", b" ", "é".encode(), "\N{GRINNING FACE}".encode(), b"\xef\xbb\xbf"]


def read_in_ranges(data: bytes, size: int) -> list[list[str]]:
    def read(offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        return data[offset : offset + length]

    ends = [*range(size, len(data), size), len(data)]
    starts = range(0, len(data), size)
    return [
        range_lines(ByteRange(start, end, len(data)), read)
        for start, end in zip(starts, ends, strict=False)
    ]


@pytest.fixture
def short_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bytes are read at once, so that short texts need many reads."""
    monkeypatch.setattr(json_lines, "_FIRST_TAIL_BYTES", 1)


@given(
    data=st.lists(st.one_of(st.sampled_from(ALPHABET), st.binary(max_size=3)), max_size=60).map(
        b"".join
    ),
    size=st.integers(1, 20),
    first_tail=st.integers(1, 8),
)
def test_the_ranges_of_any_bytes_give_the_lines_of_the_whole(
    data: bytes, size: int, first_tail: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_FIRST_TAIL_BYTES", first_tail)
        parts = read_in_ranges(data, size)
    assert list(itertools.chain(*parts)) == split_lines(data)


@pytest.mark.usefixtures("short_tails")
@pytest.mark.parametrize(
    ("data", "size", "parts"),
    [
        (b"aa\nbb\n", 3, [["aa"], ["bb"]]),
        (b"aa\nbb", 3, [["aa"], ["bb"]]),
        (b"aa\nbb\n", 2, [["aa"], ["bb"], []]),
        (b"aaaaaaaa\nb", 3, [["aaaaaaaa"], [], [], ["b"]]),
        (b"a\n\n \nb\n", 2, [["a"], [], ["b"], []]),
        (b"aa\r\nbb\r\n", 3, [["aa"], ["bb"], []]),
        (b"\xef\xbb\xbfa\nb", 2, [["a"], [], ["b"]]),
        ("xé\nyé".encode(), 2, [["xé"], [], ["yé"], []]),
        (b"aa\n\xef\xbb\xbfb", 3, [["aa"], ["\ufeffb"], []]),
        (b"a\xff\nb", 2, [["a\\xff"], ["b"]]),
    ],
)
def test_a_line_belongs_to_the_range_in_which_it_begins(
    data: bytes, size: int, parts: list[list[str]]
) -> None:
    assert read_in_ranges(data, size) == parts


def test_a_line_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_FIRST_TAIL_BYTES", 2)
    monkeypatch.setattr(json_lines, "MAXIMUM_TAIL_BYTES", 20)
    data = b"b\n" + b"a" * 20 + b"\n"
    assert read_in_ranges(data, 3)[0] == ["b", "a" * 20]
    with pytest.raises(SourceError, match="the line across byte 3 goes on for more than 20 bytes"):
        read_in_ranges(b"b\n" + b"a" * 21 + b"\n", 3)


def lines_of(number: int) -> Iterator[str]:
    return (f'{{"id": {n}, "text": "{"é" * (n % 40)}"}}' for n in range(number))


def planned(store: MemoryObjectStore, settings: JsonlSource = SETTINGS) -> list[PlannedPage]:
    plan = JsonlObjects(settings, store).plan("incremental", lambda _: EndpointCheckpoint())
    return list(plan.pages)


@pytest.fixture
def store() -> MemoryObjectStore:
    store = MemoryObjectStore()
    store.put(KEY, "\n".join(lines_of(200)).encode())
    return store


def test_a_large_object_is_planned_in_ranges_that_cover_it(store: MemoryObjectStore) -> None:
    size = len(store.get(KEY).data)
    pages = planned(store)
    starts = [int(page.query["start"]) for page in pages]
    ends = [int(page.query["end"]) for page in pages]
    assert starts == [0, *ends[:-1]]
    assert ends[-1] == size
    assert all(end - start == 1024 for start, end in zip(starts[:-1], ends[:-1], strict=True))
    assert len({page.page_id for page in pages}) == len(pages) > 5
    assert sorted(page.page_id for page in pages) == [page.page_id for page in pages]
    for page in pages:
        TypeAdapter(PageId).validate_python(page.page_id)


def test_only_large_plain_json_lines_are_cut(store: MemoryObjectStore) -> None:
    data = store.get(KEY).data
    for name in ("a.jsonl.gz", "a.json", "a.csv"):
        store.put(f"{SETTINGS.prefix}{name}", data)
    store.put(f"{SETTINGS.prefix}small.jsonl", data[:1024])
    others = [page for page in planned(store) if page.query["key"] != KEY]
    assert [set(page.query) for page in others] == [{"key", "size_bytes"}] * 4


def test_the_pages_together_hold_every_line_once(store: MemoryObjectStore) -> None:
    source = JsonlObjects(SETTINGS, store)
    pages = [source.fetch(page.endpoint, page.query, None) for page in planned(store)]
    assert [line for page in pages for line in page.lines] == list(lines_of(200))


def test_a_page_reads_little_more_than_its_range(
    store: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    whole = store.get_range

    def get_range(key: str, offset: int, length: int, *, if_match: str) -> bytes:
        asked.append(length)
        return whole(key, offset, length, if_match=if_match)

    monkeypatch.setattr(json_lines, "_FIRST_TAIL_BYTES", 100)
    monkeypatch.setattr(store, "get_range", get_range)
    page = planned(store)[2]
    JsonlObjects(SETTINGS, store).fetch(page.endpoint, page.query, None)
    assert asked == [1125]


def test_an_unchanged_object_is_the_same_pages_and_none_is_read(store: MemoryObjectStore) -> None:
    hooked = HookedStore(store)
    source = JsonlObjects(SETTINGS, hooked)
    before = planned(store)
    etags = {
        query_hash(page.endpoint, page.query): source.fetch(page.endpoint, page.query, None).etag
        for page in before
    }
    store.put(f"{SETTINGS.prefix}another.jsonl", b"")
    after = [page for page in planned(store) if page.query["key"] == KEY]
    assert after == before
    hooked.calls.clear()
    for page in after:
        known = etags[query_hash(page.endpoint, page.query)]
        assert source.fetch(page.endpoint, page.query, known).is_not_modified
    assert hooked.calls == []


def test_a_new_version_is_read_anew_under_the_same_page_ids(store: MemoryObjectStore) -> None:
    before = planned(store)
    store.put(KEY, "\n".join(lines_of(199)).encode())
    after = planned(store)
    assert {page.page_id for page in after} <= {page.page_id for page in before}
    hashes = [
        {query_hash(page.endpoint, page.query) for page in pages} for pages in (before, after)
    ]
    assert hashes[0].isdisjoint(hashes[1])


def test_an_object_that_changes_between_plan_and_fetch_is_a_gap(store: MemoryObjectStore) -> None:
    page = planned(store)[1]
    store.put(KEY, b"\n".join([b"{}"] * 2000))
    with pytest.raises(SourceError, match=f"{KEY} was changed while it was read; the next run"):
        JsonlObjects(SETTINGS, store).fetch(page.endpoint, page.query, None)


def test_an_object_that_vanishes_between_plan_and_fetch_is_an_empty_page(
    store: MemoryObjectStore,
) -> None:
    page = planned(store)[1]
    store.delete(KEY)
    fetched = JsonlObjects(SETTINGS, store).fetch(page.endpoint, page.query, None)
    assert (fetched.lines, fetched.etag, fetched.is_not_modified) == ((), None, False)


def test_a_line_that_is_too_long_names_its_object(
    store: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "_FIRST_TAIL_BYTES", 1)
    monkeypatch.setattr(json_lines, "MAXIMUM_TAIL_BYTES", 500)
    store.put(KEY, b"{}\n" + b"a" * 5000)
    page = planned(store)[0]
    with pytest.raises(SourceError, match=rf"^{KEY}: the line across byte 1024 goes on"):
        JsonlObjects(SETTINGS, store).fetch(page.endpoint, page.query, None)
