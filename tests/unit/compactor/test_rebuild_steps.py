"""Rebuilding an index job by job: every step again, any order, and what happens meanwhile."""

from pathlib import Path

import pytest

from shared.errors import ConflictError, CorruptObjectError, InvalidJobError, NotFoundError
from shared.models.maintenance import MaintainJob, RebuildJob
from shared.storage.keys import index_prefix
from tests.unit.compactor.compactor_builders import job_of
from tests.unit.compactor.rebuild_world import EXPECTED, World
from tests.unit.index.index_builders import CORPUS, MODEL
from tests.unit.index.manifest_builders import restore_alone
from tests.unit.index.rebuild_builders import OTHER, RUN_2, SEQS, vectors_key


def test_an_index_is_made_anew_from_what_is_kept(world: World) -> None:
    old = world.index.add({"hero:2": 1, "hero:9": 1}, seq=1)
    started = world.begin()
    assert started.steps == 3
    world.run()
    assert [job.step for job in world.done] == [0, 1, 2]
    assert world.manifest.change == f"rebuild:{started.rebuild_id}"
    assert world.manifest.version == 2
    assert old.shard_id not in world.index.ids
    assert world.rows() == EXPECTED
    assert world.publisher.sent == [MaintainJob(corpus=CORPUS)]
    assert list((world.directory / "work").iterdir()) == []


def test_what_the_rebuild_changes_is_forgotten_and_the_rest_is_remembered(world: World) -> None:
    first_run = SEQS["20261101T060000Z-1a2b3c4d"]
    world.begin()
    world.run()
    assert world.remembered.forgotten == set(EXPECTED)
    assert world.rows() == EXPECTED
    version = world.manifest.version
    world.index.add({"hero:9": 1}, seq=first_run)
    world.remembered.forgotten.clear()
    world.begin()
    world.run()
    assert world.manifest.version > version + 1
    assert world.remembered.forgotten == {"hero:9"}


def test_a_rebuild_over_a_damaged_shard_forgets_all_that_it_made(world: World) -> None:
    damaged = world.index.add({"hero:2": 1}, seq=1)
    world.index.store.put(damaged.catalog.key, b"no catalog")
    world.begin()
    world.run()
    assert world.rows() == EXPECTED
    assert world.remembered.forgotten == set(EXPECTED)


def test_many_parts_become_one_shard(tmp_path: Path) -> None:
    world = World(tmp_path, maximum_bytes=10**6)
    world.keep_parts()
    assert world.begin().steps == 1
    world.run()
    assert [shard.vectors for shard in world.manifest.shards] == [3]
    assert world.rows() == EXPECTED


@pytest.mark.parametrize("version_1", [b'{"schema_version": 1}', b"{", None])
def test_a_manifest_of_no_use_is_replaced(world: World, version_1: bytes | None) -> None:
    world.index.add({"hero:2": 1, "hero:9": 1}, seq=1)
    key = world.index.manifests.key
    if version_1 is None:
        world.index.store.delete(key)
    else:
        world.index.store.put(key, version_1)
    world.begin()
    world.run()
    assert world.rows() == EXPECTED


def test_a_corpus_without_an_index_gets_one(world: World) -> None:
    world.begin()
    world.run()
    assert world.manifest.version == 1
    assert world.rows() == EXPECTED


@pytest.mark.parametrize("copies", [2, 3])
def test_every_job_may_come_again(world: World, copies: int) -> None:
    started = world.begin()
    world.run(copies)
    assert world.manifest.version == 1
    assert len(world.manifest.shards) == 3
    for step in (0, 2):
        world.rebuilder.do_step(RebuildJob(corpus=CORPUS, rebuild_id=started.rebuild_id, step=step))
    assert world.manifest.version == 1


def test_a_last_step_that_comes_late_brings_nothing_back(world: World) -> None:
    started = world.begin()
    world.run()
    world.index.compactor().compact(job_of(*world.manifest.shards))
    compacted = world.manifest
    world.rebuilder.do_step(RebuildJob(corpus=CORPUS, rebuild_id=started.rebuild_id, step=2))
    assert world.manifest == compacted


def test_a_rebuild_begun_twice_is_one(world: World) -> None:
    assert world.begin() == world.begin()
    world.run()
    assert world.manifest.version == 1
    assert len(world.manifest.shards) == 3


def test_a_rebuild_of_something_else_is_another(world: World) -> None:
    first = world.begin()
    world.kept.put({"hero:7": 1}, part=2)
    assert world.begin().rebuild_id != first.rebuild_id


def test_a_step_that_was_built_is_not_built_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin()
    (job,) = world.take()
    world.rebuilder.do_step(job)
    world.index.store.delete(vectors_key())
    world.rebuilder.do_step(job)
    world.run()
    assert world.rows() == EXPECTED


def test_a_step_whose_note_was_lost_is_done_again_before_the_commit(world: World) -> None:
    started = world.begin()
    for step in range(2):
        world.rebuilder.do_step(RebuildJob(corpus=CORPUS, rebuild_id=started.rebuild_id, step=step))
    world.take()
    prefix = f"{index_prefix(CORPUS, MODEL)}maintenance/rebuilds/{started.rebuild_id}/"
    world.index.store.delete(f"{prefix}step-000001.json")
    last = RebuildJob(corpus=CORPUS, rebuild_id=started.rebuild_id, step=2)
    world.rebuilder.do_step(last)
    assert not world.index.store.exists(world.index.manifests.key)
    world.run()
    assert [job.step for job in world.done] == [1, 2]
    assert world.rows() == EXPECTED


def test_what_is_committed_meanwhile_stays(world: World) -> None:
    world.index.add({"hero:9": 1}, seq=1)
    world.begin()
    meanwhile = world.index.add({"hero:1": 1, "hero:8": 1}, seq=SEQS[RUN_2] + 1)
    world.run()
    assert meanwhile in world.manifest.shards
    assert world.rows() == EXPECTED | {"hero:1": SEQS[RUN_2] + 1, "hero:8": SEQS[RUN_2] + 1}


def test_shards_that_were_merged_meanwhile_do_no_harm(world: World) -> None:
    old = [world.index.add({f"hero:{n}": 1}, seq=1) for n in (2, 3)]
    world.begin()
    world.index.compactor().compact(job_of(*old))
    world.run()
    assert world.rows() == EXPECTED


def test_a_restore_meanwhile_has_the_last_word(world: World) -> None:
    world.index.add({"hero:1": 1}, seq=1)
    world.index.add({"hero:2": 1}, seq=1)
    world.begin()
    restore_alone(world.index.manifests, 1)
    with pytest.raises(ConflictError, match="restore:1"):
        world.run()
    assert world.rows() == {"hero:1": 1}


def test_an_index_is_not_emptied_when_all_vectors_are_of_another_model(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.kept.put({"hero:1": 1}, model=OTHER)
    world.index.add({"hero:5": 1})
    before = world.manifest
    world.begin()
    with pytest.raises(NotFoundError, match="none of the vectors"):
        world.run()
    assert world.manifest == before


def test_a_corpus_without_vectors_cannot_be_rebuilt(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no vectors"):
        World(tmp_path).begin()


def test_a_damaged_part_stops_the_rebuild_and_changes_nothing(world: World) -> None:
    world.index.add({"hero:5": 1})
    before = world.manifest
    stored = world.index.store.get(vectors_key(part=1))
    world.index.store.put(stored.key, stored.data[:-9], metadata=stored.metadata)
    world.begin()
    with pytest.raises(CorruptObjectError, match=stored.key):
        world.run()
    assert world.manifest == before


def test_jobs_of_no_rebuild_are_refused(world: World) -> None:
    with pytest.raises(NotFoundError, match=r"plan.json is gone"):
        world.rebuilder.do_step(RebuildJob(corpus=CORPUS, rebuild_id="0" * 16, step=0))
    started = world.begin()
    with pytest.raises(InvalidJobError, match="3 steps"):
        world.rebuilder.do_step(RebuildJob(corpus=CORPUS, rebuild_id=started.rebuild_id, step=3))
