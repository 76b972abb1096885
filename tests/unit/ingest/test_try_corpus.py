"""A dry run: as few pages as it takes, the limit kept over all of them, and nothing remembered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from services.ingest.try_corpus import (
    MAXIMUM_PAGES,
    Trial,
    TryAnswer,
    TryRequest,
    parse_try_request,
)
from shared.corpora.documents import CorpusRegistry
from shared.errors import InvalidInputError, SourceUnavailableError
from shared.models.corpus import Corpus
from shared.models.run import EndpointCheckpoint, RunMode
from shared.sources.base import (
    CheckpointReader,
    EndpointPlan,
    FetchedPage,
    Plan,
    PlannedPage,
)

NOTES = {"name": "notes", "source": {"kind": "jsonl", "prefix": "sources/notes/"}}


def page(number: int) -> PlannedPage:
    return PlannedPage("objects", f"p-{number}", {"number": str(number)})


def record(number: int) -> str:
    return json.dumps({"id": number, "title": f"Note {number}", "text": "Some text."})


@dataclass
class ScriptedSource:
    """Pages by number; `planned` of them are known at once."""

    pages: Mapping[int, FetchedPage]
    planned: tuple[int, ...]
    records: int | None = None
    fetched: list[str] = field(default_factory=list)

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        assert mode == "full"
        assert checkpoints("objects") == EndpointCheckpoint()
        pages = tuple(page(number) for number in self.planned)
        plan = EndpointPlan("objects", pages, EndpointCheckpoint(), records=self.records)
        return Plan((plan,))

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        assert (endpoint, etag) == ("objects", None)
        self.fetched.append(query["number"])
        return self.pages[int(query["number"])]


class Registry:
    def get(self, name: str) -> Corpus:
        return Corpus.model_validate(NOTES | {"name": name})


def tried(source: ScriptedSource, **request: Any) -> TryAnswer:
    asked = {"action": "try", "corpus": "notes"} | request
    trial = Trial(cast(CorpusRegistry, Registry()), lambda _: source)
    return trial.run(TryRequest.model_validate(asked))


def test_one_page_is_enough_when_it_has_enough() -> None:
    pages = {1: FetchedPage(tuple(map(record, range(50)))), 2: FetchedPage()}
    source = ScriptedSource(pages, (1, 2), records=99)
    answer = tried(source, limit=3)
    assert source.fetched == ["1"]
    assert [entity.title for entity in answer.entities] == ["Note 0", "Note 1", "Note 2"]
    assert (answer.pages_of_source, answer.records_of_source) == (2, 99)
    assert (answer.pages_read, answer.records, answer.has_chained_pages) == (1, 3, False)


def test_further_pages_are_read_until_there_are_enough() -> None:
    pages = {n: FetchedPage((record(n),)) for n in (1, 2, 3)} | {4: FetchedPage((record(4), "{"))}
    answer = tried(ScriptedSource(pages, (1, 2, 3, 4)), limit=5)
    assert [entity.key for entity in answer.entities] == [f"document:{n}" for n in (1, 2, 3, 4)]
    assert len(answer.rejects) == 1
    assert answer.records == 5


def test_what_a_listing_leads_to_is_read_and_its_loops_are_not() -> None:
    pages = {
        1: FetchedPage(next_pages=(page(1), page(2), page(3))),
        2: FetchedPage(next_pages=(page(1), page(3))),
        3: FetchedPage((record(3),), attribution="By somebody."),
    }
    source = ScriptedSource(pages, (1,))
    answer = tried(source, limit=5)
    assert source.fetched == ["1", "2", "3"]
    assert answer.has_chained_pages
    assert [entity.attribution for entity in answer.entities] == ["By somebody."]
    assert answer.warnings == ()


def test_a_source_without_end_is_not_read_for_ever() -> None:
    pages = {n: FetchedPage(next_pages=(page(n + 1),)) for n in range(1, 100)}
    source = ScriptedSource(pages, (1,))
    answer = tried(source)
    assert len(source.fetched) == MAXIMUM_PAGES
    assert any("no records" in warning for warning in answer.warnings)


def test_a_source_without_pages_is_said_to_have_none() -> None:
    answer = tried(ScriptedSource({}, ()))
    assert answer.warnings == ("the source has no pages; check where it is said to be",)


def test_a_source_that_fails_is_for_the_caller() -> None:
    class Broken(ScriptedSource):
        def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
            raise SourceUnavailableError("it keeps failing")

    with pytest.raises(SourceUnavailableError, match="keeps failing"):
        tried(Broken({}, (1,)))


def test_a_document_is_tried_before_it_is_a_corpus() -> None:
    source = ScriptedSource({1: FetchedPage((record(1),))}, (1,))
    answer = tried(source, corpus=None, document=NOTES | {"name": "draft"})
    assert answer.corpus == "draft"
    with pytest.raises(InvalidInputError, match="corpus at document is not valid: source"):
        tried(source, corpus=None, document={"name": "draft", "source": {"kind": "x"}})


def test_the_largest_answer_fits_into_an_invocation() -> None:
    huge = json.dumps({"id": "x" * 500, "title": "é" * 90_000, "text": "\u0001" * 200_000})
    lines = tuple(huge.replace('"x', f'"{n}x') for n in range(100))
    answer = tried(ScriptedSource({1: FetchedPage(lines)}, (1,)), limit=100)
    assert len(answer.model_dump_json().encode()) < 1_000_000


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({}, "either corpus or document"),
        ({"corpus": "a", "document": {}}, "either corpus or document"),
        ({"corpus": "../x"}, "corpus"),
        ({"corpus": "a", "limit": 0}, "limit"),
        ({"corpus": "a", "limit": 101}, "limit"),
        ({"document": "text"}, "document"),
        ({"corpus": "a", "mode": "full"}, "mode"),
    ],
)
def test_a_wrong_request_says_what_to_send(event: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named) as caught:
        parse_try_request({"action": "try"} | event)
    assert '"action": "try"' in str(caught.value)
