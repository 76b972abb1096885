"""Answers of the Marvel gateway, kept and replayed: the entities are those of the live source."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from examples.marvel.server import running_gateway
from shared.canonical.page import derive_page
from shared.canonical.records import RecordContext
from shared.models.base import Contract
from shared.models.corpus import Corpus
from shared.models.jobs import PageJob
from shared.models.run import EndpointCheckpoint
from shared.models.sources import MarvelArchiveSource, MarvelSource
from shared.sources.base import PlannedPage, Source
from shared.sources.canonicalisers import canonicaliser
from shared.sources.marvel.archive import MarvelArchive
from shared.sources.marvel.signing import MarvelKeys
from shared.sources.marvel.source import MarvelApi
from shared.sources.raw_object import raw_metadata
from shared.storage import jsonl, keys
from shared.storage.memory import MemoryObjectStore
from tests.integration.sources.clients import OpenRates, StillTime, local_client, local_http

KEYS = MarvelKeys("1234", "abcd")
RUN_ID = "20261123T060000Z-1a2b3c4d"
Derived = dict[str, Contract]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running_gateway() as url:
        yield url


@pytest.fixture(scope="module")
def live(gateway: str) -> MarvelApi:
    settings = MarvelSource(base_url=gateway, page_size=40)
    time = StillTime()
    return MarvelApi(settings, KEYS, local_client(OpenRates(), time), local_http(), time.timing)


def planned(source: Source) -> tuple[PlannedPage, ...]:
    return source.plan("full", lambda _: EndpointCheckpoint()).pages


def derived(source: Source, settings: MarvelSource | MarvelArchiveSource) -> Derived:
    """Every entity and edge that the source's pages become."""
    canonicalise = canonicaliser(Corpus(name="heroes", source=settings))
    found: Derived = {}
    for planned_page in planned(source):
        fetched = source.fetch(planned_page.endpoint, planned_page.query, None)
        context = RecordContext(planned_page.endpoint, RUN_ID, fetched.attribution)
        page = derive_page(fetched.lines, canonicalise, context)
        assert page.rejects == ()
        found |= {entity.key: entity for entity in page.entities}
        found |= {edge.model_dump_json(): edge for edge in page.edges}
    return found


@pytest.fixture(scope="module")
def of_the_live_source(live: MarvelApi, gateway: str) -> Derived:
    found = derived(live, MarvelSource(base_url=gateway))
    assert len(found) > 300
    return found


def test_recorded_answers_give_the_same(
    live: MarvelApi, gateway: str, of_the_live_source: Derived
) -> None:
    store = MemoryObjectStore()
    for number, page in enumerate(planned(live)):
        query = f"{urlencode(page.query)}&{KEYS.signed_query(str(number))}"
        answer = local_http().get(f"{gateway}/v1/public/{page.endpoint}?{query}", {})
        assert answer.status == 200
        store.put(f"sources/dump/{page.endpoint}/{number:04d}.json", answer.body)
    settings = MarvelArchiveSource(prefix="sources/dump/")
    assert derived(MarvelArchive(settings, store), settings) == of_the_live_source


def test_what_a_run_left_below_raw_gives_the_same(
    live: MarvelApi, of_the_live_source: Derived
) -> None:
    store = MemoryObjectStore()
    for page in planned(live):
        fetched = live.fetch(page.endpoint, page.query, None)
        job = _job(page)
        metadata = raw_metadata(job, "marvel", fetched)
        store.put(keys.raw_key(job), jsonl.encode_lines(fetched.lines), metadata=metadata)
    settings = MarvelArchiveSource(prefix="raw/heroes/")
    assert derived(MarvelArchive(settings, store), settings) == of_the_live_source


def _job(page: PlannedPage) -> PageJob:
    return PageJob(
        corpus="heroes",
        run_id=RUN_ID,
        page_id=page.page_id,
        seq=1,
        endpoint=page.endpoint,
        query=dict(page.query),
    )
