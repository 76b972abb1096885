"""What the floor of a corpus keeps out of a rebuild, also when it rises while an index is built."""

from datetime import timedelta

import numpy as np

from shared.index.shard.origin import sweep_origin
from shared.index.shard.vector_file import StoredVectors, encode_vectors
from shared.models.chunk import CoveredEntity
from shared.models.entity import NO_CONTENT
from shared.storage import jsonl
from tests.unit.compactor.rebuild_world import EXPECTED, World
from tests.unit.index.index_builders import DIMS, MODEL
from tests.unit.index.rebuild_builders import RUN_1, RUN_2, SEQS, chunks_key, vectors_key

SWEPT_RUN = "20261101T180000Z-1a2b3c4d"
SWEPT_SEQ = SEQS[RUN_1] + timedelta(hours=12) // timedelta(milliseconds=1)
FIRST_PART, SECOND_PART = f"{RUN_1}/comics-0/0", f"{RUN_1}/comics-0/1"


def keep_sweep(world: World, *deleted: str) -> None:
    """Keep what the sweep of a run between the two others deleted."""
    stored = StoredVectors(
        (),
        np.empty((0, DIMS), np.float32),
        sweep_origin(SWEPT_RUN),
        SWEPT_SEQ,
        dict.fromkeys(deleted, NO_CONTENT),
    )
    world.index.store.put(
        vectors_key(SWEPT_RUN, "sweep"),
        encode_vectors(stored),
        metadata={"model-id": MODEL.id, "model-revision": MODEL.revision},
    )
    lines = jsonl.encode_models(CoveredEntity(entity_key=key) for key in deleted)
    world.index.store.put(chunks_key(SWEPT_RUN, "sweep"), lines)


def test_a_part_that_was_not_indexed_before_the_floor_rose_is_left_out(world: World) -> None:
    world.remembered.floor = SEQS[RUN_2]
    world.remembered.indexed = {SECOND_PART}
    world.begin()
    world.run()
    assert world.rows() == {"hero:1": SEQS[RUN_2], "hero:3": SEQS[RUN_1]}


def test_what_a_sweep_below_the_floor_deleted_does_not_come_back(world: World) -> None:
    keep_sweep(world, "hero:3")
    world.remembered.floor = SEQS[RUN_2]
    world.remembered.indexed = {FIRST_PART, SECOND_PART}
    world.begin()
    world.run()
    assert world.rows() == {key: seq for key, seq in EXPECTED.items() if key != "hero:3"}


def test_a_part_that_is_refused_since_it_was_built_is_left_out(world: World) -> None:
    world.begin()
    last = world.last_job()
    world.remembered.floor = SEQS[RUN_2]
    world.rebuilder.do_step(last)
    world.run()
    assert world.rows() == {"hero:1": SEQS[RUN_2]}


def test_a_floor_that_rises_just_after_the_last_look_at_it_holds_for_the_rebuild(
    world: World,
) -> None:
    world.index.add({"hero:9": 1}, seq=1)
    world.begin()
    last = world.last_job()

    def rise() -> None:
        # As for whoever removes something: what was decided over an earlier version fails.
        world.remembered.floor = SEQS[RUN_2]
        world.index.manifests.fence()

    world.remembered.after_read = rise
    world.rebuilder.do_step(last)
    world.run()
    assert world.rows() == {"hero:1": SEQS[RUN_2]}
