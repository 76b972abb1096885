"""Shards made again from stored vectors and chunks: what the line built, and every defect named."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CorruptObjectError, DimensionMismatchError, InvalidInputError
from shared.index.maintenance.rebuilt_shards import MOST_PARTS_AT_ONCE, plan_steps
from shared.index.shard.shard_writer import ShardContent, ShardSource, collect_content, write_shard
from shared.index.shard.vector_file import StoredVectors, Vectors, encode_vectors
from shared.models.chunk import Chunk
from shared.models.entity import NO_CONTENT, EntityVersion
from shared.models.manifest import ShardDescriptor
from shared.storage import jsonl
from shared.storage.object_store import ObjectSummary
from shared.storage.part_keys import parse_vectors_key
from tests.unit.index.index_builders import CORPUS, DIMS, MODEL, chunk, lines_of, unit_vectors
from tests.unit.index.rebuild_builders import (
    OTHER,
    RUN_1,
    RUN_2,
    SEQS,
    Kept,
    chunks_key,
    vectors_key,
)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def version(run: str, part: int, checksum: str) -> EntityVersion:
    return EntityVersion(SEQS[run], f"{run}/comics-0/{part}", checksum)


def direct(kept: Kept, chunks: Sequence[Chunk], vectors: Vectors, part: int = 0) -> ShardDescriptor:
    origin = f"{RUN_1}/comics-0/{part}"
    content = collect_content(lines_of(chunks), origin=origin, seq=SEQS[RUN_1])
    source = ShardSource(CORPUS, MODEL, "rebuild/0/0", SEQS[RUN_1])
    return write_shard(kept.store, source, ShardContent(content.entities, list(chunks)), vectors)


def test_a_part_becomes_the_shard_that_the_embedder_made(kept: Kept) -> None:
    key = kept.put({"hero:2": 3, "hero:1": 2})
    chunks = [chunk(f"hero:{e}", n + 1, f"hero:{e} number {n} of {RUN_1}")
              for e, count in ((2, 3), (1, 2)) for n in range(count)]  # fmt: skip
    vectors = unit_vectors(5, SEQS[RUN_1] // 1000 % 1000)
    assert kept.build([key]) == direct(kept, chunks, vectors)


def test_parts_become_one_shard_with_the_newest_of_each_entity(kept: Kept) -> None:
    keys = [
        kept.put({"hero:1": 2, "hero:2": 1}),
        kept.put({"hero:1": 1, "hero:3": 1}, run=RUN_2),
        kept.put({"hero:4": 1}, part=1),
    ]
    shard = kept.build(keys)
    assert shard is not None
    assert shard.vectors == 4
    assert shard.seq == SEQS[RUN_2]
    found = kept.versions(shard)
    assert {key: (one.seq, one.origin) for key, one in found.items()} == {
        "hero:1": (SEQS[RUN_2], f"{RUN_2}/comics-0/0"),
        "hero:2": (SEQS[RUN_1], f"{RUN_1}/comics-0/0"),
        "hero:3": (SEQS[RUN_2], f"{RUN_2}/comics-0/0"),
        "hero:4": (SEQS[RUN_1], f"{RUN_1}/comics-0/1"),
    }
    again = kept.build(list(reversed(keys)))
    assert again == shard


def test_only_what_the_part_indexed_comes_back(kept: Kept) -> None:
    shard = kept.build([kept.put({"hero:1": 2, "hero:2": 1}, named=["hero:2"])])
    assert shard is not None
    assert list(kept.versions(shard)) == ["hero:2"]
    assert shard.vectors == 1


def test_deletions_come_back_too(kept: Kept) -> None:
    key = kept.put({"hero:1": 0}, run=RUN_2)
    stored = StoredVectors((), unit_vectors(0, 0), "", SEQS[RUN_2], {"hero:1": NO_CONTENT})
    metadata = {"model-id": MODEL.id, "model-revision": MODEL.revision}
    kept.store.put(key, encode_vectors(stored), metadata=metadata)
    older = kept.put({"hero:1": 2})
    shard = kept.build([older, key])
    assert shard is not None
    assert (shard.vectors, shard.graph, shard.sidecar) == (0, None, None)
    assert kept.versions(shard) == {"hero:1": version(RUN_2, 0, NO_CONTENT)}


def test_vectors_of_an_older_release_speak_for_their_whole_chunk_file(kept: Kept) -> None:
    today = kept.build([kept.put({"hero:1": 2, "hero:2": 0})])
    old = kept.build([kept.put({"hero:1": 2, "hero:2": 0}, is_old=True)])
    assert old is not None
    assert kept.versions(old)["hero:2"].seq == SEQS[RUN_1]
    assert old == today


def test_parts_of_another_model_are_left_out(kept: Kept) -> None:
    keys = [kept.put({"hero:1": 1}), kept.put({"hero:2": 1}, part=1, model=OTHER)]
    shard = kept.build(keys)
    assert shard is not None
    assert list(kept.versions(shard)) == ["hero:1"]
    assert kept.build([keys[1]]) is None
    revised = MODEL.model_copy(update={"revision": "2"})
    assert kept.build(keys, revised) is None


@pytest.mark.parametrize(
    ("damaged", "data", "named"),
    [
        (vectors_key(), b"no archive", vectors_key()),
        (vectors_key(), None, vectors_key()),
        (chunks_key(), b"no gzip", chunks_key()),
        (chunks_key(), None, chunks_key()),
        (chunks_key(), jsonl.encode_lines(['{"type": "chunk"}']), chunks_key()),
        (chunks_key(), jsonl.encode_lines([]), "embed the part again"),
    ],
)
def test_a_damaged_part_is_named(kept: Kept, damaged: str, data: bytes | None, named: str) -> None:
    key = kept.put({"hero:1": 2})
    if data is None:
        kept.store.delete(damaged)
    else:
        kept.store.put(damaged, data, metadata=kept.store.get(key).metadata)
    with pytest.raises(CorruptObjectError, match=named):
        kept.build([key])


def test_vectors_that_are_not_of_the_chunks_are_refused(kept: Kept) -> None:
    key = kept.put({"hero:1": 2})
    metadata = kept.store.get(key).metadata
    for ids in (("hero:1-001",), ("hero:1-001", "hero:1-001"), ("hero:1-001", "hero:1-009")):
        stored = StoredVectors(ids, unit_vectors(len(ids), 1), "", 1, {"hero:1": "x"})
        kept.store.put(key, encode_vectors(stored), metadata=metadata)
        with pytest.raises(CorruptObjectError, match="embed the part again"):
            kept.build([key])


def test_vectors_of_a_wrong_shape_or_length_are_refused(kept: Kept) -> None:
    key = kept.put({"hero:1": 1})
    metadata = kept.store.get(key).metadata
    for vectors, error in (
        (unit_vectors(1, 1, DIMS + 1), DimensionMismatchError),
        (unit_vectors(1, 1) * 2, InvalidInputError),
    ):
        stored = StoredVectors(("hero:1-001",), vectors, "", 1, {"hero:1": "x"})
        kept.store.put(key, encode_vectors(stored), metadata=metadata)
        with pytest.raises(error, match=RUN_1):
            kept.build([key])


def test_keys_are_read_as_they_are_written() -> None:
    found = parse_vectors_key(vectors_key(RUN_2, "comics-12", 34))
    assert found is not None
    assert found.chunks_key == chunks_key(RUN_2, "comics-12", 34)
    assert found.origin == f"{RUN_2}/comics-12/34"
    assert found.run_seq == int(datetime(2026, 11, 2, 6, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    "key",
    [
        "",
        "embeddings/tests/x.npz",
        vectors_key().replace("embeddings", "chunks"),
        vectors_key().replace(".npz", ".npy"),
        vectors_key().replace("-0000", ""),
        vectors_key("20261301T060000Z-1a2b3c4d"),
        vectors_key("19691231T235959Z-1a2b3c4d"),
        vectors_key() + "/more",
    ],
)
def test_other_keys_are_passed_over(key: str) -> None:
    assert parse_vectors_key(key) is None


@given(st.lists(st.integers(0, 400), max_size=600), st.integers(1, 1000))
def test_every_part_is_in_one_step_and_steps_are_bounded(sizes: list[int], maximum: int) -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    parts = [ObjectSummary(str(n), size, "e", moment) for n, size in enumerate(sizes)]
    steps = plan_steps(parts, maximum)
    assert [key for step in steps for key in step] == [part.key for part in parts]
    for step in steps:
        assert 1 <= len(step) <= MOST_PARTS_AT_ONCE
        assert len(step) == 1 or sum(sizes[int(key)] for key in step) <= maximum
