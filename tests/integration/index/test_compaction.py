"""Maintenance on the local AWS: real handlers, queue and table, and answers that stay the same."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from services.compactor import handler as compactor_handler
from services.indexer import handler as indexer_handler
from shared.corpora.compaction_claims import CompactionClaims
from shared.embedding.model_files import read_model_identity
from shared.errors import InvalidInputError, NotFoundError
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest
from tests.integration.index.conftest import CORPUS, MAXIMUM_RECEIVES, Invocation, Line, sqs_event
from tests.unit.table.given_time import GivenTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TEXTS = {
    "hero:1": "the android was built by a scientist",
    "hero:2": "a sorcerer who guards the sanctum",
    "hero:3": "the god of thunder and his hammer",
    "hero:4": "a king of a hidden nation",
}


@dataclass
class Maintenance:
    """The compactor and its queue beside the end of the line."""

    line: Line

    @property
    def manifest(self) -> Manifest:
        model = read_model_identity(self.line.store, os.environ["MODEL_PREFIX"])
        return ManifestStore(self.line.store, CORPUS, model).read().manifest

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = compactor_handler.handler(event, Invocation())
        return answer

    def jobs(self) -> list[str]:
        url = os.environ["COMPACT_QUEUE_URL"]
        return Line(self.line.store, self.line.runs, self.line.failures, self.line.sqs, url).take()

    def work_off(self, copies: int = 1) -> list[str]:
        """Do what is in the queue until nothing is; return the kinds of jobs, in order."""
        kinds: list[str] = []
        while bodies := self.jobs():
            for body in bodies:
                kinds.append(json.loads(body)["kind"])
                failed = self.invoke(sqs_event([body] * copies))
                assert failed == {"batchItemFailures": []}
            assert len(kinds) < 50
        return kinds

    def ingest(self, number: int, texts: dict[str, str], *, one_batch: bool = False) -> None:
        """Embed and index each entity as a separate page."""
        run_id = self.line.start_run(number, len(texts))
        for page, (key, text) in enumerate(texts.items()):
            jobs = self.line.chunked(run_id, page, [{key: text}])
            assert self.line.embed([job.model_dump_json() for job in jobs]) == []
            if not one_batch:
                assert self.line.index(self.line.take()) == []
        if one_batch:
            assert self.line.index(self.line.take()) == []

    def answers(self) -> dict[str, Any]:
        """What each text finds first, and its score."""
        found = {}
        for key, text in TEXTS.items():
            results = self.line.retrieve(q=text, corpus=CORPUS, k=3)["results"]
            found[key] = [(result["id"], result["snippet"], result["score"]) for result in results]
        return found


@pytest.fixture
def maintenance(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Maintenance]:
    monkeypatch.setenv("WORK_DIR", str(tmp_path / "compactor"))
    monkeypatch.setenv("COMPACTION_FAN_IN", "4")
    caches = (
        compactor_handler._corpora,
        compactor_handler._tasks,
        compactor_handler._stage,
        compactor_handler._compaction_requests,
        indexer_handler._stage,
    )
    for cached in caches:
        cached.cache_clear()
    yield Maintenance(line)
    for cached in caches:
        cached.cache_clear()


def test_a_commit_asks_for_a_merge_that_changes_no_answer(maintenance: Maintenance) -> None:
    maintenance.ingest(1, TEXTS, one_batch=True)
    before, committed = maintenance.answers(), maintenance.manifest
    assert len(committed.shards) == 4
    assert maintenance.work_off() == ["compact"]
    merged = maintenance.manifest
    assert (merged.change, len(merged.shards), merged.version) == ("compact", 1, 2)
    assert merged.shards[0].vectors == 4
    assert maintenance.answers() == before


def test_a_merge_delivered_three_times_is_one_version(maintenance: Maintenance) -> None:
    maintenance.ingest(1, TEXTS, one_batch=True)
    maintenance.work_off(copies=3)
    assert maintenance.manifest.version == 2
    assert len(maintenance.manifest.shards) == 1


def test_batches_do_not_ask_for_the_same_merge_again(maintenance: Maintenance) -> None:
    maintenance.ingest(1, TEXTS)
    maintenance.ingest(2, {"hero:5": "one more", "hero:6": "and another"})
    assert len(maintenance.jobs()) == 1


def test_updates_and_dead_rows_are_merged_away(maintenance: Maintenance) -> None:
    older = {"hero:1": "an older text", "hero:2": "older too"}
    maintenance.ingest(1, TEXTS | older | {"hero:9": "soon without text"})
    maintenance.work_off()
    maintenance.ingest(2, {key: TEXTS[key] for key in older} | {"hero:9": ""})
    before = maintenance.answers()
    maintenance.work_off()
    assert maintenance.invoke({"maintain": {"corpus": CORPUS}})["corpus"] == CORPUS
    maintenance.work_off()
    assert sum(shard.vectors for shard in maintenance.manifest.shards) == 4
    assert maintenance.answers() == before


def test_an_index_is_rebuilt_without_embedding(
    maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    maintenance.ingest(1, TEXTS | {"hero:1": "an older text"})
    maintenance.ingest(2, {"hero:1": TEXTS["hero:1"]})
    maintenance.jobs()
    before = maintenance.answers()
    store, key = maintenance.line.store, ""
    for found in store.list(f"indexes/{CORPUS}/"):
        key = found.key if found.key.endswith("/manifest.json") else key
    store.put(key, b"{}")
    started = maintenance.invoke({"rebuild": {"corpus": CORPUS}})
    assert started["steps"] == 1
    assert maintenance.work_off(copies=2)[0] == "rebuild"
    rebuilt = f"rebuild:{started['rebuild_id']}"
    model = maintenance.manifest.model
    changes = [m.change for m in ManifestStore(store, CORPUS, model).versions()]
    assert changes.count(rebuilt) == 1
    assert maintenance.answers() == before


def test_a_damaged_shard_is_taken_out_and_rebuilt(maintenance: Maintenance) -> None:
    maintenance.ingest(1, TEXTS)
    maintenance.jobs()
    before = maintenance.answers()
    damaged = maintenance.manifest.shards[1]
    for file in damaged.files:
        maintenance.line.store.put(file.key, b"damaged")
    answer = maintenance.invoke({"mark_bad": {"corpus": CORPUS, "shard": damaged.shard_id}})
    assert (answer["version"], answer["vectors"]) == (5, 3)
    assert answer["rebuild"]["steps"] == 1
    assert maintenance.work_off(copies=2)[0] == "rebuild"
    assert maintenance.answers() == before
    with pytest.raises(NotFoundError, match="no shard"):
        maintenance.invoke({"mark_bad": {"corpus": CORPUS, "shard": "0123456789abcdef"}})


def test_an_older_version_is_restored(maintenance: Maintenance) -> None:
    maintenance.ingest(1, {"hero:1": TEXTS["hero:1"]})
    before = maintenance.answers()
    maintenance.ingest(2, {"hero:1": "another text"})
    for run_id in ("20261123T010000Z-00000001", "20261123T020000Z-00000002"):
        assert maintenance.line.runs.reader.get_run(run_id).is_ended
    answer = maintenance.invoke({"restore": {"corpus": CORPUS, "version": 1}})
    assert (answer["version"], answer["restored"], answer["vectors"]) == (3, 1, 1)
    assert maintenance.answers() == before
    with pytest.raises(NotFoundError):
        maintenance.invoke({"restore": {"corpus": CORPUS, "version": 9}})


def test_a_poison_message_fails_alone_and_its_reason_can_be_read(maintenance: Maintenance) -> None:
    event = sqs_event(
        ['{"kind": "dance"}', json.dumps({"kind": "maintain", "corpus": CORPUS})], MAXIMUM_RECEIVES
    )
    assert maintenance.invoke(event) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    failure = maintenance.line.failures.reason("compactor", "0")
    assert failure is not None
    assert failure["code"] == "INVALID_JOB"
    assert maintenance.line.failures.reason("compactor", "1") is None


def test_a_strange_request_is_refused(maintenance: Maintenance) -> None:
    with pytest.raises(InvalidInputError):
        maintenance.invoke({"compact": "please"})


def test_claims_are_taken_together_and_expire(
    dynamodb_client: "DynamoDBClient", checkpoint_table: str
) -> None:
    now = datetime(2126, 11, 23, tzinfo=UTC)  # a local AWS deletes what has expired

    def claims(age: timedelta = timedelta()) -> CompactionClaims:
        return CompactionClaims(dynamodb_client, checkpoint_table, GivenTime(lambda: now + age))

    assert claims().claim("a", ["1", "2"])
    assert not claims().claim("a", ["3", "2"])
    assert claims().claim("a", ["3"])
    assert claims().claim("b", ["1", "2"])
    assert not claims(timedelta(minutes=59)).claim("a", ["1"])
    assert claims(timedelta(minutes=60)).claim("a", ["1", "2"])
    assert not claims(timedelta(minutes=61)).claim("a", ["1"])
    assert claims().claim("c", [str(number) for number in range(64)])
