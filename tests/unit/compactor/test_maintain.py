"""The weekly look: what is rewritten, what is merged, what is collected."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.compactor.maintain import Maintainer, MaintenanceReport
from shared.errors import CorruptObjectError
from shared.index.maintenance.compaction_plan import CompactionPolicy
from shared.index.maintenance.garbage import GarbagePolicy
from shared.models.maintenance import CompactJob
from tests.unit.compactor.compactor_builders import NOW, SEQ, Index, job_of
from tests.unit.index.index_builders import CORPUS, MODEL
from tests.unit.table.given_time import GivenTime

FEW = CompactionPolicy(fan_in=3, minimum_bytes=10**6, maximum_bytes=10**7)
NEVER = CompactionPolicy(fan_in=64, minimum_bytes=1, maximum_bytes=1)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def maintainer(
    index: Index, policy: CompactionPolicy = FEW, age: timedelta = timedelta()
) -> Maintainer:
    return Maintainer(
        index.store,
        MODEL,
        index.directory / "work",
        index.requests(policy),
        GarbagePolicy(),
        GivenTime(lambda: NOW + age),
    )


def asked(index: Index) -> list[tuple[str, ...]]:
    return [job.shard_ids for job in index.publisher.sent if isinstance(job, CompactJob)]


def test_a_mostly_dead_shard_is_rewritten_alone(index: Index) -> None:
    dead = index.add({"hero:1": 3, "hero:2": 1})
    index.add({"hero:1": 1}, SEQ + 1)
    report = maintainer(index, NEVER).maintain(CORPUS)
    assert (report.rewrites, report.merges) == (1, 0)
    assert asked(index) == [(dead.shard_id,)]
    assert list((index.directory / "work").iterdir()) == []


def test_a_shard_that_is_rewritten_is_not_merged_too(index: Index) -> None:
    dead = index.add({"hero:1": 3, "hero:2": 1})
    others = [index.add({f"hero:{n}": 1}, SEQ + 1) for n in (1, 3, 4)]
    report = maintainer(index).maintain(CORPUS)
    assert (report.rewrites, report.merges) == (1, 1)
    assert asked(index) == [(dead.shard_id,), tuple(shard.shard_id for shard in others)]


def test_what_was_asked_for_just_now_is_not_asked_for_again(index: Index) -> None:
    for number in range(3):
        index.add({f"hero:{number}": 1})
    assert maintainer(index).maintain(CORPUS).merges == 1
    assert maintainer(index).maintain(CORPUS).merges == 0
    assert len(asked(index)) == 1


def test_what_it_asks_for_leaves_nothing_to_ask_for(index: Index) -> None:
    dead = index.add({"hero:1": 3, "hero:2": 1})
    index.add({"hero:1": 1}, SEQ + 1)
    before = index.live()
    maintainer(index, NEVER).maintain(CORPUS)
    index.compactor().compact(job_of(dead))
    assert index.live() == before
    assert maintainer(index, NEVER).maintain(CORPUS).rewrites == 0


def test_garbage_is_collected_after_its_grace(index: Index) -> None:
    shards = [index.add({f"hero:{number}": 1}) for number in range(3)]
    index.compactor().compact(job_of(*shards))
    index.add({"hero:3": 1})  # the version before the present one is always kept
    files = [file.key for shard in shards for file in shard.files]
    for days in (0, 8, 10, 12):
        maintainer(index, NEVER, timedelta(days=days)).maintain(CORPUS)
    assert not any(index.store.exists(key) for key in files)
    assert all(index.store.exists(f.key) for s in index.manifest.shards for f in s.files)


def test_a_corpus_without_an_index_needs_nothing(index: Index) -> None:
    assert maintainer(index).maintain(CORPUS) == MaintenanceReport()
    assert index.publisher.sent == []


def test_a_damaged_catalog_is_named_and_nothing_is_done(index: Index) -> None:
    shard = index.add({"hero:1": 1})
    index.store.put(shard.catalog.key, b"x")
    with pytest.raises(CorruptObjectError, match=shard.catalog.key):
        maintainer(index).maintain(CORPUS)
    assert index.publisher.sent == []
