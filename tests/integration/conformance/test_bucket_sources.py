"""What the sources that are read from the bucket must live with."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.conformance.driver import Driver
from tests.integration.sources.pipeline import Pipeline

_ANSWER = {"code": 200, "status": "Ok"}


def lines(records: list[int]) -> bytes:
    return b"".join(
        json.dumps({"id": n, "title": f"Thing {n}", "text": f"It is thing {n}."}).encode() + b"\n"
        for n in records
    )


def document(records: list[int]) -> bytes:
    return json.dumps(
        {"things": [json.loads(line) for line in lines(records).splitlines()]}
    ).encode()


def table(records: list[int]) -> bytes:
    return b"id,title,text\r\n" + b"".join(
        f'{n},Thing {n},"It is\r\nthing {n}."\r\n'.encode() for n in records
    )


def heroes(records: list[int]) -> bytes:
    found = [{"id": n, "name": f"Hero {n}", "modified": "2026-01-01T00:00:00Z"} for n in records]
    return b"".join(json.dumps(hero).encode() + b"\n" for hero in found)


def answer(records: list[int]) -> bytes:
    results = [json.loads(line) for line in heroes(records).splitlines()]
    data = {"offset": 0, "limit": 20, "total": 5, "count": len(results), "results": results}
    return json.dumps(_ANSWER | {"data": data}).encode()


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


@dataclass(frozen=True)
class Dump:
    """Objects in one form: `pack` makes one, `damage` breaks it."""

    name: str
    source: dict[str, Any]
    suffix: str
    pack: Callable[[list[int]], bytes]
    entity_type: str = "document"
    damage: Callable[[bytes], bytes] = halved

    def key(self, prefix: str, number: int) -> str:
        return f"{prefix}characters-{number}{self.suffix}"

    def entity_keys(self, *records: int) -> set[str]:
        return {f"{self.entity_type}:{record}" for record in records}


def packed(pack: Callable[[list[int]], bytes]) -> Callable[[list[int]], bytes]:
    return lambda records: gzip.compress(pack(records))


JSONL: dict[str, Any] = {"kind": "jsonl"}
ITEMS: dict[str, Any] = {"kind": "jsonl", "items": "things"}
ARCHIVE: dict[str, Any] = {"kind": "marvel_archive", "endpoints": ["characters"]}
DUMPS = (
    Dump("jsonl-gz", JSONL, ".jsonl.gz", packed(lines)),
    Dump("json", ITEMS, ".json", document),
    Dump("json-gz", ITEMS, ".json.gz", packed(document)),
    Dump("csv", JSONL, ".csv", table, damage=lambda data: b"\xff" + data),
    Dump("csv-gz", JSONL, ".csv.gz", packed(table)),
    Dump("archive-lines", ARCHIVE, ".jsonl.gz", packed(heroes), "character"),
    Dump("archive-answers", ARCHIVE, ".json", answer, "character"),
)
each_dump = pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.name)


@pytest.fixture
def prefix(corpus: str) -> str:
    return f"sources/{corpus}/"


def put(pipeline: Pipeline, dump: Dump, prefix: str, objects: list[list[int]]) -> None:
    for number, records in enumerate(objects):
        pipeline.store.put(dump.key(prefix, number), dump.pack(records))


@each_dump
def test_all_of_a_dump_arrives_though_records_and_messages_come_twice(
    dump: Dump, pipeline: Pipeline, driver: Driver, corpus: str, prefix: str
) -> None:
    pipeline.put_corpus(corpus, {**dump.source, "prefix": prefix})
    put(pipeline, dump, prefix, [[1, 2, 3], [], [3, 4, 1], [5]])
    outcome = driver.twice().run(corpus)
    outcome.assert_adds_up()
    assert set(outcome.entities) == dump.entity_keys(1, 2, 3, 4, 5)
    assert outcome.progress.raw_records == 7
    assert (outcome.gaps, outcome.progress.rejects) == ([], 0)


@each_dump
def test_a_damaged_object_is_a_gap_until_it_is_mended(
    dump: Dump, pipeline: Pipeline, driver: Driver, corpus: str, prefix: str
) -> None:
    pipeline.put_corpus(corpus, {**dump.source, "prefix": prefix})
    put(pipeline, dump, prefix, [[1, 2], [3, 4], [5]])
    broken = dump.key(prefix, 1)
    pipeline.store.put(broken, dump.damage(dump.pack([3, 4])))
    outcome = driver.run(corpus)
    outcome.assert_adds_up()
    assert set(outcome.entities) == dump.entity_keys(1, 2, 5)
    assert [gap.reason.startswith("SOURCE: ") for gap in outcome.gaps] == [True]
    assert broken in outcome.gaps[0].reason

    pipeline.store.put(broken, dump.pack([3, 4]))
    mended = driver.retry_gaps(corpus, outcome.run_id)
    mended.assert_adds_up()
    assert dict(mended.entities) == dict.fromkeys(dump.entity_keys(1, 2, 3, 4, 5), 1)
    assert mended.gaps == []


def test_a_plain_file_is_read_in_parts_and_a_bad_line_of_it_is_rejected_alone(
    pipeline: Pipeline, driver: Driver, corpus: str, prefix: str
) -> None:
    source = {"kind": "jsonl", "prefix": prefix, "page_bytes": 1024}
    pipeline.put_corpus(corpus, source)
    records = list(range(1, 60))
    data = lines(records[:30]) + b"not json\n\n" + lines(records[30:]).rstrip(b"\n")
    pipeline.store.put(f"{prefix}things.jsonl", data)
    outcome = driver.twice().run(corpus)
    outcome.assert_adds_up()
    assert dict(outcome.entities) == {f"document:{record}": 1 for record in records}
    assert outcome.progress.run.pages_planned == -(-len(data) // 1024)
    assert outcome.progress.rejects == 1


def test_a_plain_file_that_changes_while_it_is_read_is_never_mixed(
    pipeline: Pipeline, driver: Driver, corpus: str, prefix: str
) -> None:
    source = {"kind": "jsonl", "prefix": prefix, "page_bytes": 1024}
    pipeline.put_corpus(corpus, source)
    pipeline.store.put(f"{prefix}things.jsonl", lines(list(range(1, 60))))
    run_id = driver.start(corpus)
    pipeline.store.put(f"{prefix}things.jsonl", lines(list(range(101, 160))))
    outcome = driver.go_on(corpus, run_id)
    outcome.assert_adds_up()
    assert len(outcome.gaps) == outcome.progress.run.pages_planned > 1
    following = driver.run(corpus)
    following.assert_adds_up()
    assert dict(following.entities) == {f"document:{record}": 1 for record in range(101, 160)}
