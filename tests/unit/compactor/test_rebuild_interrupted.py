"""A rebuild whose worker dies, whose files are collected, or whose index is deleted meanwhile."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from services.compactor.rebuild.rebuild_notes import BuiltShard
from shared.errors import NotFoundError
from shared.storage.keys import index_prefix
from tests.unit.compactor.rebuild_world import EXPECTED, World
from tests.unit.embedder.remembered import WorkerDiedError
from tests.unit.index.failing_store import HookedStore, once
from tests.unit.index.index_builders import CORPUS, MODEL

NOTES = f"{index_prefix(CORPUS, MODEL)}maintenance/rebuilds/"


def die() -> None:
    raise WorkerDiedError


@pytest.mark.parametrize("suffix", [".npz", ".hnsw", ".sqlite"])
def test_a_step_whose_files_were_collected_is_built_again(world: World, suffix: str) -> None:
    started = world.begin()
    last = world.last_job()
    store = world.index.store
    note = store.get(f"{NOTES}{started.rebuild_id}/step-000001.json").data
    shard = BuiltShard.model_validate_json(note).shard
    assert shard is not None
    for file in shard.files:
        if PurePosixPath(file.key).suffix == suffix:
            store.delete(file.key)
    world.rebuilder.do_step(last)
    assert not store.exists(world.index.manifests.key)
    world.run()
    assert [job.step for job in world.done] == [1, 2]
    assert all(store.exists(file.key) for shard in world.manifest.shards for file in shard.files)
    assert world.rows() == EXPECTED


def test_a_rebuild_that_dies_just_after_its_commit_has_forgotten_what_it_changed(
    world: World,
) -> None:
    world.index.add({"hero:2": 1, "hero:9": 1}, seq=1)
    world.begin()
    last = world.last_job()
    store = HookedStore(world.index.store, after=once("put", "/manifest.json", die))
    with pytest.raises(WorkerDiedError):
        replace(world.rebuilder, store=store).do_step(last)
    assert world.rows() == EXPECTED
    assert world.remembered.forgotten == EXPECTED.keys() | {"hero:9"}
    assert world.remembered.reads_again
    # The next delivery finds the index as it is to be, so that nothing seems to be changed by it.
    world.rebuilder.do_step(last)
    assert world.rows() == EXPECTED


def test_an_index_that_is_deleted_while_it_is_rebuilt_does_not_come_back(world: World) -> None:
    world.index.add({"hero:9": 1}, seq=1)
    world.begin()
    last = world.last_job()
    manifest_key = world.index.manifests.key

    def delete() -> None:
        # The manifest goes first and the shards last; a removal may be cut off between the two.
        world.index.store.delete(manifest_key)
        for found in world.index.store.list(NOTES):
            world.index.store.delete(found.key)

    store = HookedStore(world.index.store, before=once("get", "/manifest.json", delete))
    with pytest.raises(NotFoundError, match="was deleted while it was rebuilt"):
        replace(world.rebuilder, store=store).do_step(last)
    assert world.take() == []
    assert not world.index.store.exists(manifest_key)
