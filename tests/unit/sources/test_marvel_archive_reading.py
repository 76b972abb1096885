"""Dumps of the Marvel API on an object store."""

import gzip
import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.errors import SourceError
from shared.models.base import PageId
from shared.models.jobs import PageJob
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import MARVEL_ENDPOINTS, MarvelArchiveSource
from shared.sources.base import FetchedPage, Plan
from shared.sources.marvel.archive import MarvelArchive
from shared.sources.raw_object import raw_metadata
from shared.storage import jsonl, keys
from shared.storage.memory import MemoryObjectStore

PREFIX = "sources/dumps/"
NOTICE = "Data provided by Marvel. © 2014 MARVEL"
NO_CHECKPOINTS: dict[str, EndpointCheckpoint] = {}


def answer(*records: dict[str, Any], **changes: Any) -> bytes:
    data = {"offset": 0, "limit": 100, "total": 9, "count": 2, "results": list(records)}
    document = {"code": 200, "attributionText": NOTICE, "etag": "f" * 40, "data": data, **changes}
    return json.dumps(document).encode()


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


def plan(
    store: MemoryObjectStore,
    mode: RunMode = "full",
    checkpoints: dict[str, EndpointCheckpoint] = NO_CHECKPOINTS,
    **settings: Any,
) -> Plan:
    source = MarvelArchive(MarvelArchiveSource(**{"prefix": PREFIX, **settings}), store)
    return source.plan(mode, lambda name: checkpoints.get(name, EndpointCheckpoint()))


def fetch(
    store: MemoryObjectStore, name: str, endpoint: str = "comics", etag: str | None = None
) -> FetchedPage:
    source = MarvelArchive(MarvelArchiveSource(prefix=PREFIX), store)
    return source.fetch(endpoint, {"key": f"{PREFIX}{name}", "size_bytes": "10"}, etag)


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("characters/0001.json", "characters"),
        ("Characters/0001.JSON", "characters"),
        ("2024/series/a/b/0001.json.gz", "series"),
        ("characters-00001.jsonl.gz", "characters"),
        ("creators.jsonl", "creators"),
        ("events_2014.json", "events"),
        ("stories0001.json", "stories"),
        ("characters/1009610/comics-00001.json", "comics"),
        ("characters/comics/0001.json", "comics"),
    ],
)
def test_folder_or_name_says_of_which_endpoint_an_object_is(
    store: MemoryObjectStore, name: str, endpoint: str
) -> None:
    store.put(f"{PREFIX}{name}", b"")
    (page,) = plan(store).pages
    assert page.endpoint == endpoint
    TypeAdapter(PageId).validate_python(page.page_id)


@pytest.mark.parametrize(
    "name", ["0001.json", "comicsans/1.json", "comicsans.json", "dump/x.jsonl"]
)
def test_an_object_of_no_endpoint_is_named(store: MemoryObjectStore, name: str) -> None:
    store.put(f"{PREFIX}comics/0001.json", b"")
    store.put(f"{PREFIX}{name}", b"")
    expected = f"^{PREFIX}{name} is of no known endpoint: .* one of characters, comics, series"
    with pytest.raises(SourceError, match=expected):
        plan(store)


def test_only_the_endpoints_of_the_corpus_are_planned(store: MemoryObjectStore) -> None:
    for endpoint in MARVEL_ENDPOINTS:
        store.put(f"{PREFIX}{endpoint}/1.json", b"")
    store.put(f"{PREFIX}readme.txt", b"")
    pages = plan(store, endpoints=("events", "comics")).pages
    assert [page.endpoint for page in pages] == ["events", "comics"]
    assert len(plan(store).pages) == len(MARVEL_ENDPOINTS)


def test_only_endpoints_with_changes_are_planned(store: MemoryObjectStore) -> None:
    for endpoint in ("comics", "events"):
        store.put(f"{PREFIX}{endpoint}/1.json", answer())
    checkpoints = plan(store).next_checkpoints
    store.put(f"{PREFIX}events/2.json", answer())
    again = plan(store, "incremental", checkpoints)
    assert [page.query["key"] for page in again.pages] == [
        f"{PREFIX}events/1.json",
        f"{PREFIX}events/2.json",
    ]
    assert len(plan(store, "full", checkpoints).pages) == 3
    assert plan(store, "incremental", again.next_checkpoints).pages == ()


def test_an_answer_gives_its_results_as_they_are_and_its_notice(store: MemoryObjectStore) -> None:
    body = b'{"attributionText": "By Marvel.", "data": {"total": 1, "results": [{"p": 88.10}]}}'
    store.put(f"{PREFIX}comics/1.json", body)
    store.put(f"{PREFIX}comics/1.json.gz", gzip.compress(body))
    for name in ("comics/1.json", "comics/1.json.gz"):
        page = fetch(store, name)
        assert (page.lines, page.attribution) == (('{"p": 88.10}',), "By Marvel.")


def test_what_a_run_left_is_read_with_its_notice(store: MemoryObjectStore) -> None:
    job = PageJob(
        corpus="heroes",
        run_id="20261123T060000Z-1a2b3c4d",
        page_id="comics-00001",
        seq=1,
        endpoint="comics",
        query={},
    )
    lines = ('{"id": 1}', '{"id": 2}')
    metadata = raw_metadata(job, "marvel", FetchedPage(lines, attribution=NOTICE))
    store.put(keys.raw_key(job), jsonl.encode_lines(lines), metadata=metadata)
    source = MarvelArchive(MarvelArchiveSource(prefix="raw/heroes/"), store)
    (planned,) = source.plan("full", lambda _: EndpointCheckpoint()).pages
    assert planned.endpoint == "comics"
    page = source.fetch(planned.endpoint, planned.query, None)
    assert (page.lines, page.attribution) == (lines, NOTICE)


def test_later_runs_have_later_pages(store: MemoryObjectStore) -> None:
    names = [
        "2026/11/22/20261122T060000Z-ffffffff/comics-00009.jsonl.gz",
        "2026/11/23/20261123T060000Z-00000000/comics-00001.jsonl.gz",
        "2026/12/01/20261201T060000Z-00000000/comics-00001.jsonl.gz",
    ]
    for name in names:
        store.put(f"raw/heroes/{name}", b"")
    pages = plan(store, prefix="raw/heroes/").pages
    in_order = sorted(pages, key=lambda page: page.page_id)
    assert [page.query["key"].removeprefix("raw/heroes/") for page in in_order] == names


def test_an_object_that_has_not_changed_is_not_read(store: MemoryObjectStore) -> None:
    etag = store.put(f"{PREFIX}comics/1.json", answer({"id": 1}))
    assert fetch(store, "comics/1.json").etag == etag
    assert fetch(store, "comics/1.json", etag=etag).is_not_modified
    assert fetch(store, "comics/gone.json").lines == ()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("comics/1.json", b"{", "is no JSON"),
        ("comics/1.json", b'{"id": 1}', "another shape: data: Field required"),
        ("comics/1.json", b"[]", "another shape"),
        ("comics/1.json", answer(data={"total": 1, "results": {}}), "data.results"),
        ("comics/1.json.gz", gzip.compress(answer())[:-4], "cut short"),
        ("comics/1.jsonl.gz", b"no gzip", "damaged"),
    ],
)
def test_a_damaged_object_is_named(
    store: MemoryObjectStore, name: str, data: bytes, reason: str
) -> None:
    store.put(f"{PREFIX}{name}", data)
    with pytest.raises(SourceError, match=f"^{PREFIX}{name}: .*{reason}"):
        fetch(store, name)


def test_a_notice_that_is_no_json_is_named(store: MemoryObjectStore) -> None:
    store.put(f"{PREFIX}comics/1.jsonl", b"{}", metadata={"attribution": "By Marvel."})
    with pytest.raises(SourceError, match="attribution that is no JSON text"):
        fetch(store, "comics/1.jsonl")


@pytest.mark.parametrize(
    ("endpoint", "query", "reason"),
    [
        ("comics", {}, "names no key"),
        ("comics", {"key": f"{PREFIX}comics/1.json", "size_bytes": "-1"}, "names no key"),
        ("comics", {"key": "sources/x/comics/1.json", "size_bytes": "1"}, "is not below"),
        ("events", {"key": f"{PREFIX}comics/1.json", "size_bytes": "1"}, "not of the endpoint"),
        ("comics", {"key": f"{PREFIX}comics/1.json", "size_bytes": "99999999"}, "split it"),
    ],
)
def test_bad_pages(
    store: MemoryObjectStore, endpoint: str, query: dict[str, str], reason: str
) -> None:
    with pytest.raises(SourceError, match=reason):
        MarvelArchive(MarvelArchiveSource(prefix=PREFIX), store).fetch(endpoint, query, None)
