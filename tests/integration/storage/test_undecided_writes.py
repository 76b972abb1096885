"""S3's 409, and an answer that was lost, decide nothing: whoever writes on a condition goes on."""

import ast
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from services.compactor.live_versions import open_live_catalogs
from shared.errors import ConflictError, ContentionError
from shared.index.maintenance.garbage import GarbagePolicy, collect_garbage
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.platform import aws
from shared.storage.keys import manifest_key, manifest_version_key
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore
from tests.integration.line.indexed_corpus import CORPUS as SHELF
from tests.integration.line.indexed_corpus import Shelf, checksums
from tests.integration.line.run_of_pages import Line
from tests.integration.storage.write_faults import ConditionalWrites, Fault
from tests.unit.embedder.remembered import MODEL as REMEMBERED
from tests.unit.index.failing_store import Call, HookedStore
from tests.unit.index.manifest_builders import (
    CORPUS,
    MODEL,
    Calendar,
    named,
    no_floor,
    restore_alone,
    store_of,
    written,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from scripts.processes.process import BackgroundServer

ROOT = Path(__file__).resolve().parents[3]
NO_GRACE = GarbagePolicy(timedelta(0), timedelta(0), timedelta(0))
NOW = datetime.now(UTC) + timedelta(days=1)
FAULTS: tuple[Fault, ...] = ("undecided", "answer lost")


@pytest.fixture
def client(local_aws: "BackgroundServer", monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    """The functions' own client, with its own retries, which here do not wait."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.url)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    aws.forget_clients()
    yield aws.s3_client()
    aws.forget_clients()


def new_store(client: "S3Client", wait: Callable[[float], None] = lambda _: None) -> S3ObjectStore:
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return S3ObjectStore(client, name, wait)


def contents(store: ObjectStore) -> Mapping[str, bytes]:
    return {item.key: store.get(item.key).data for item in store.list("")}


# The store itself.


def test_a_write_that_s3_did_not_decide_is_sent_again(client: "S3Client") -> None:
    waits: list[float] = []
    store = new_store(client, waits.append)
    with ConditionalWrites(client).failing("undecided", due=0, times=3):
        etag = store.put("k", b"one", if_absent=True)
    assert store.get("k").etag == etag
    assert len(waits) == 3
    assert all(0 <= wait <= 2 for wait in waits)
    with ConditionalWrites(client).failing("undecided", due=0):
        store.put("k", b"two", if_match=etag)
    assert store.get("k").data == b"two"


def test_a_write_that_s3_never_decides_is_no_conflict(client: "S3Client") -> None:
    store = new_store(client)
    writes = ConditionalWrites(client)
    with (
        writes.failing("undecided", due=0, times=100),
        pytest.raises(ContentionError, match=r"^k was not written: .* 8 attempts") as caught,
    ):
        store.put("k", b"one", if_absent=True)
    assert not isinstance(caught.value, ConflictError)
    assert writes.sent == 8
    assert not store.exists("k")


def test_a_write_that_met_another_is_a_conflict_after_a_409_too(client: "S3Client") -> None:
    store = new_store(client)
    store.put("k", b"one")
    with ConditionalWrites(client).failing("undecided", due=0), pytest.raises(ConflictError):
        store.put("k", b"two", if_absent=True)
    assert store.get("k").data == b"one"


@pytest.mark.parametrize("metadata", [{}, {"run": "1"}])
def test_a_write_whose_answer_was_lost_does_not_meet_itself(
    client: "S3Client", metadata: dict[str, str]
) -> None:
    store = new_store(client)
    writes = ConditionalWrites(client)
    with writes.failing("answer lost", due=0):
        first = store.put("k", b"one", metadata=metadata, if_absent=True)
    assert writes.sent == 2
    with writes.failing("answer lost", due=0):
        second = store.put("k", b"two", metadata=metadata, if_match=first)
    assert store.get("k").etag == second


@pytest.mark.parametrize(("data", "metadata"), [(b"other", {"run": "1"}), (b"one", {"run": "2"})])
def test_what_another_wrote_is_told_from_ones_own(
    client: "S3Client", data: bytes, metadata: dict[str, str]
) -> None:
    store = new_store(client)
    store.put("k", data, metadata=metadata)
    writes = ConditionalWrites(client)
    # The answer that is lost is a 412: the write is sent twice, and loses both times.
    with writes.failing("answer lost", due=0), pytest.raises(ConflictError):
        store.put("k", b"one", metadata={"run": "1"}, if_absent=True)
    assert writes.sent == 2
    assert store.get("k").data == data


# Whoever writes on a condition.


@dataclass(frozen=True, slots=True)
class Caller:
    """What writes on a condition: `act` on a store that `prepare` has filled."""

    act: Callable[[ObjectStore], Any]
    prepare: Callable[[ObjectStore], Any] = lambda _: None


def committed(store: ObjectStore, *letters: str) -> None:
    for letter in letters:
        store_of(store, calendar=Calendar()).commit(written(store, letter), floor=no_floor)


def damaged(store: ObjectStore) -> None:
    committed(store, "a", "b", "c")
    store.put(manifest_key(CORPUS, MODEL), b"{")


def damaged_history(store: ObjectStore) -> None:
    committed(store, "a")
    store.put(manifest_version_key(CORPUS, MODEL, 1), b"{")


def with_garbage(store: ObjectStore) -> None:
    committed(store, "a", "b")
    store_of(store, calendar=Calendar()).replace(
        [named("a"), named("b")], written(store, "x"), "compact"
    )
    written(store, "o")


def collected(store: ObjectStore) -> Any:
    return collect_garbage(store, CORPUS, MODEL, NO_GRACE, NOW)


def collected_before(store: ObjectStore) -> None:
    with_garbage(store)
    collect_garbage(store, CORPUS, MODEL, GarbagePolicy(), NOW)


CALLERS = {
    "the first commit": Caller(lambda store: committed(store, "a")),
    "a later commit": Caller(lambda store: committed(store, "b"), lambda s: committed(s, "a")),
    "a commit over a damaged history": Caller(lambda store: committed(store, "b"), damaged_history),
    "a merge": Caller(
        lambda store: store_of(store, calendar=Calendar()).replace(
            [named("a")], written(store, "x"), "compact"
        ),
        lambda store: committed(store, "a", "b"),
    ),
    "a restore over a damaged manifest": Caller(
        lambda store: restore_alone(store_of(store, calendar=Calendar()), 2), damaged
    ),
    "the first collection of garbage": Caller(collected, with_garbage),
    "a later collection of garbage": Caller(collected, collected_before),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CALLERS)
def test_a_fault_at_any_conditional_write_changes_nothing(
    client: "S3Client", name: str, fault: Fault
) -> None:
    caller, writes = CALLERS[name], ConditionalWrites(client)

    def outcome(due: int | None) -> tuple[Any, Mapping[str, bytes]]:
        store = new_store(client)
        caller.prepare(store)
        with writes.failing(fault, due):
            result = caller.act(store)
        return result, contents(store)

    expected = outcome(None)
    conditional_writes = writes.sent
    assert conditional_writes >= 1
    for number in range(conditional_writes):
        assert outcome(number) == expected
        assert writes.faults_left == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_page_is_kept_once_and_with_the_pages_that_it_told_of(
    client: "S3Client", dynamodb_client: "DynamoDBClient", checkpoint_table: str, fault: Fault
) -> None:
    found = []
    for due in (None, 0):
        line = Line(dynamodb_client, checkpoint_table)
        store = new_store(client)
        line.fetcher = replace(line.fetcher, store=store)
        line.source.planned, line.source.follows = ["one"], {"one": ["two"]}
        run_id = line.start().run_id
        with (writes := ConditionalWrites(client)).failing(fault, due):
            line.work()
        assert (due is None) or writes.faults_left == 0
        progress = line.runs.reader.get_run(run_id)
        found.append((
            progress.run.status, progress.pages_done, progress.raw_records,
            [data for key, data in contents(store).items() if "_next" not in key],
        ))  # fmt: skip
    assert found[0] == found[1]
    assert found[0][:3] == ("succeeded", 2, 2)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sweep_whose_record_was_not_decided_deletes_what_is_gone(
    client: "S3Client",
    dynamodb_client: "DynamoDBClient",
    checkpoint_table: str,
    tmp_path: Path,
    fault: Fault,
) -> None:
    shelf = Shelf(dynamodb_client, checkpoint_table, tmp_path)
    shelf.run(1, [{"a:1": "one", "a:2": "two"}])
    for page in shelf.plan(2, 1):
        shelf.finish(shelf.chunked(page, {"a:1": "one"}))
    store = new_store(client)
    for item in shelf.store.list(""):
        kept = shelf.store.get(item.key)
        store.put(kept.key, kept.data, metadata=kept.metadata)
    with (writes := ConditionalWrites(client)).failing(fault, due=0):
        replace(shelf.sweeper, store=store).sweep(shelf.sweeps.pop())
    assert writes.faults_left == 0
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 1)
    swept = ManifestStore(store, SHELF, REMEMBERED).read().manifest
    live = [
        found.catalog.entity_key(int(number))
        for found in open_live_catalogs(swept.shards, ShardCache(store, tmp_path / "read"))
        for number in np.flatnonzero(found.with_content)
    ]
    assert live == ["a:1"]


def test_a_record_of_a_sweep_that_is_not_there_is_no_decision(
    dynamodb_client: "DynamoDBClient", checkpoint_table: str, tmp_path: Path
) -> None:
    shelf = Shelf(dynamodb_client, checkpoint_table, tmp_path)
    shelf.run(1, [{"a:1": "one", "a:2": "two"}])
    for page in shelf.plan(2, 1):
        shelf.finish(shelf.chunked(page, {"a:1": "one"}))
    job = shelf.sweeps.pop()

    def lose(call: Call) -> None:
        if call.is_conditional:
            raise ConflictError(call.key)

    with pytest.raises(ConflictError, match="sweep-0000"):
        replace(shelf.sweeper, store=HookedStore(shelf.store, before=lose)).sweep(job)
    assert shelf.progress(2).run.status == "running"
    shelf.sweeper.sweep(job)
    assert (shelf.progress(2).entities_deleted, shelf.live()) == (1, checksums({"a:1": "one"}))


def conditional_writers() -> set[str]:
    """The modules that call `put` with a condition."""
    found = set()
    for folder in ("services", "shared"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                conditions = {keyword.arg for keyword in node.keywords}
                if node.func.attr == "put" and conditions & {"if_absent", "if_match"}:
                    found.add(path.relative_to(ROOT).as_posix())
    return found


def test_no_other_module_writes_on_a_condition() -> None:
    assert conditional_writers() == {
        "services/compactor/sweep/sweep_run.py",
        "services/fetch/fetch_page.py",
        "shared/index/maintenance/garbage.py",
        "shared/index/manifest/manifest_history.py",
        "shared/index/manifest/manifest_object.py",
    }
