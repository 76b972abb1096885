"""Hits are entities: each once, ranked by all of its rows, with its best passages."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import DamagedIndexError
from shared.index.search.searcher import Searcher, SearchHit, SearchMode, SearchQuery
from shared.models.chunk import Chunk
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.earlier_release import as_earlier_release
from tests.unit.index.index_builders import (
    DIMS,
    GRAPH_ALWAYS,
    build_shard,
    chunk,
    manifests,
    searcher,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor

MODES: tuple[SearchMode, ...] = ("dense", "lexical", "hybrid")
LONG, OTHERS = 600, 40


class Entities:
    """One entity of many rows, all of which are near to what is asked, and others of a few."""

    def __init__(self, store: MemoryObjectStore) -> None:
        self.centre = unit_vectors(1, 1)[0]
        self.chunks = [chunk("t:long", n, text=f"robot part {n}") for n in range(1, LONG + 1)]
        near = self.centre + 0.05 * unit_vectors(LONG, 2)
        for number in range(OTHERS):
            rows = 1 + number % 4
            self.chunks += [
                chunk(f"t:{number}", n, text="a robot of the others") for n in range(1, rows + 1)
            ]
        far = unit_vectors(len(self.chunks) - LONG, 3) + 0.5 * self.centre
        vectors = np.concatenate([near, far])
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        self.cosines = dict(
            zip((c.chunk_id for c in self.chunks), self.vectors @ self.centre, strict=True)
        )
        shard = build_shard(store, self.chunks, self.vectors)
        manifests(store).commit([shard], floor=no_floor)

    def nearest(self, k: int) -> list[str]:
        best: dict[str, float] = {}
        for one in self.chunks:
            score = float(np.round(self.cosines[one.chunk_id], 6))
            best[one.parent] = max(best.get(one.parent, -1.0), score)
        return sorted(best, key=lambda key: (-best[key], key))[:k]


@pytest.fixture(scope="module")
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture(scope="module")
def entities(store: MemoryObjectStore) -> Entities:
    return Entities(store)


@pytest.fixture(params=[None, GRAPH_ALWAYS], ids=["exact", "graph"])
def reader(
    request: pytest.FixtureRequest, store: MemoryObjectStore, entities: Entities, tmp_path: Path
) -> Searcher:
    return searcher(store, tmp_path, tuning=request.param)


def search(reader: Searcher, entities: Entities, **values: Any) -> tuple[SearchHit, ...]:
    query = {"text": "robot", "vector": entities.centre, "k": 10, **values}
    return reader.search(SearchQuery(**query)).hits


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("k", [1, 5, 41])
def test_k_counts_entities(reader: Searcher, entities: Entities, mode: SearchMode, k: int) -> None:
    hits = search(reader, entities, mode=mode, k=k)
    keys = [hit.chunk.entity_key for hit in hits]
    assert len(keys) == len(set(keys)) == k
    if mode == "dense":
        assert keys == entities.nearest(k)


@pytest.mark.parametrize("mode", MODES)
def test_the_best_passages_of_an_entity_come_with_it(
    reader: Searcher, entities: Entities, mode: SearchMode
) -> None:
    hits = search(reader, entities, mode=mode, k=41, passages=3)
    for hit in hits:
        rows = [one for one in entities.chunks if one.parent == hit.chunk.entity_key]
        assert len(hit.passages) == min(3, len(rows))
        assert {passage.chunk.entity_key for passage in hit.passages} == {hit.chunk.entity_key}
        if mode == "dense":
            expected = sorted((float(entities.cosines[one.chunk_id]) for one in rows), reverse=True)
            shown = [passage.similarity for passage in hit.passages]
            assert shown == pytest.approx(expected[:3], abs=2e-6)
            assert hit.score == hit.similarity == shown[0]


def test_without_groups_every_row_is_a_hit(reader: Searcher, entities: Entities) -> None:
    hits = search(reader, entities, mode="dense", by_entity=False)
    assert {hit.chunk.entity_key for hit in hits} == {"t:long"}
    assert len({hit.chunk.chunk_id for hit in hits}) == 10
    assert all(len(hit.passages) == 1 for hit in hits)


def test_the_first_hits_of_many_are_the_hits_of_few(reader: Searcher, entities: Entities) -> None:
    for mode in MODES:
        many = search(reader, entities, mode=mode, k=41)
        assert search(reader, entities, mode=mode, k=7) == many[:7]


# Keys whose chunk ids lie between those of another entity.
@settings(max_examples=40, deadline=None)
@given(
    keys=st.lists(st.sampled_from(["t:a", "t:a-001", "t:a!", "t:a-002"]), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_rows_of_entities_that_lie_between_each_other_are_told_apart(
    tmp_path_factory: pytest.TempPathFactory, keys: Sequence[str], seed: int
) -> None:
    store = MemoryObjectStore()
    chunks = [chunk(key, n, text=f"word{n} robot") for n, key in enumerate(keys)]
    vectors = unit_vectors(len(chunks), seed)
    manifests(store).commit([build_shard(store, chunks, vectors)], floor=no_floor)
    reader = searcher(store, tmp_path_factory.mktemp("index"))
    question = unit_vectors(1, seed + 100)[0]
    hits = reader.search(SearchQuery("robot", question, k=9, mode="dense", passages=5)).hits
    cosines = np.round((vectors @ question).astype(np.float64), 6)
    best = {key: max(s for s, k in zip(cosines, keys, strict=True) if k == key) for key in keys}
    assert {hit.chunk.entity_key: hit.score for hit in hits} == pytest.approx(best, abs=2e-6)
    found = reader.search(SearchQuery("robot", None, k=9, mode="lexical", passages=5)).hits
    shown = {p.chunk.chunk_id for hit in found for p in hit.passages}
    assert len(found) == len(set(keys))
    assert shown <= {one.chunk_id for one in chunks}


def index_of(tmp_path: Path, chunks: Sequence[Chunk]) -> Searcher:
    store = MemoryObjectStore()
    shard = build_shard(store, chunks, unit_vectors(len(chunks), 5, DIMS))
    manifests(store).commit([shard], floor=no_floor)
    return searcher(store, tmp_path)


def titled(key: str, title: str, text: str, number: int = 1) -> Chunk:
    one = chunk(key, number, text=text)
    return one.model_copy(update={"metadata": one.metadata.model_copy(update={"title": title})})


def lexical(reader: Searcher, text: str, k: int = 10) -> list[str]:
    hits = reader.search(SearchQuery(text, None, k=k, mode="lexical")).hits
    return [hit.chunk.entity_key for hit in hits]


def test_a_title_says_more_than_a_mention(tmp_path: Path) -> None:
    others = [titled(f"c:{n}", f"Issue {n}", f"Ultron fights Vision in {n}.") for n in range(8)]
    named = titled("h:1", "Ultron", "A robot that was built by a scientist, long ago.")
    assert lexical(index_of(tmp_path, [*others, named]), "ultron")[0] == "h:1"


@pytest.mark.parametrize("asked", ["Avengers", "AVENGERS!", "7001", "team:7001"])
def test_an_entity_is_first_for_its_title_its_id_and_its_key(tmp_path: Path, asked: str) -> None:
    named = titled("team:7001", "Avengers", "A long text about many other things. " * 20)
    others = [titled(f"comic:{n}", f"Avengers {n}", "Avengers avengers 7001.") for n in range(9)]
    assert lexical(index_of(tmp_path, [named, *others]), asked)[0] == "team:7001"


@pytest.mark.parametrize("asked", ["Avengers", "AVENGERS!", "7001", "team:7001"])
def test_an_entity_is_first_for_its_name_however_near_others_are(
    tmp_path: Path, asked: str
) -> None:
    others = [titled(f"comic:{n}", f"Avengers {n}", "Avengers avengers 7001.") for n in range(9)]
    named = titled("team:7001", "Avengers", "A long text about many other things. " * 20)
    reader = index_of(tmp_path, [*others, named])
    # Opposite to the named one: that is the farthest of all.
    vector = -unit_vectors(10, 5, DIMS)[9]
    query = SearchQuery(asked, vector, k=3, mode="dense")
    for asked_for in (query, replace(query, threshold=0.2)):
        first = reader.search(asked_for).hits[0]
        assert first.chunk.entity_key == "team:7001"
        assert first.similarity == pytest.approx(-1.0)
        assert first.score == 1.0


def test_a_name_is_none_of_a_passage_nor_of_another_query(tmp_path: Path) -> None:
    chunks = [titled(f"t:{n}", f"Avengers {n}", f"Text {n}.") for n in range(5)]
    reader = index_of(tmp_path, chunks)
    vector = unit_vectors(5, 5, DIMS)[3]
    plain = reader.search(SearchQuery("what is this", vector, k=5, mode="dense"))
    for query in (
        SearchQuery("Avengers 1", vector, k=5, mode="dense", by_entity=False),
        SearchQuery("Avengers", vector, k=5, mode="dense"),
        SearchQuery("?!", vector, k=5, mode="dense"),
    ):
        assert [hit.score for hit in reader.search(query).hits] == [hit.score for hit in plain.hits]


def test_a_text_that_is_the_title_does_not_count_twice(tmp_path: Path) -> None:
    alone = titled("h:1", "Ultron Prime", "Ultron Prime")
    told = titled("h:2", "Ultron Prime", "Ultron Prime returns.")
    other = titled("h:3", "Vision", "Another robot.")
    reader = index_of(tmp_path, [alone, told, other])
    scores = {
        hit.chunk.entity_key: hit.score
        for hit in reader.search(SearchQuery("ultron", None, mode="lexical")).hits
    }
    assert scores["h:1"] < scores["h:2"]


def test_the_words_of_all_rows_of_an_entity_count_together(tmp_path: Path) -> None:
    both = [titled("t:1", "x", "kree here"), titled("t:1", "x", "skrull there", 2)]
    one = [titled(f"t:{n}", "x", "kree kree nothing") for n in (2, 3)]
    rest = [titled(f"t:{n}", "x", "other words") for n in range(4, 9)]
    assert lexical(index_of(tmp_path, [*both, *one, *rest]), "kree skrull")[0] == "t:1"


def test_function_words_score_only_where_a_query_has_no_others(tmp_path: Path) -> None:
    band = titled("b:1", "The Who", "A band.")
    others = [titled(f"t:{n}", f"Song {n}", "what is the who of this and that") for n in range(5)]
    reader = index_of(tmp_path, [band, *others])
    assert lexical(reader, "what is the song", k=9) == [f"t:{n}" for n in range(5)]
    assert "b:1" in lexical(reader, "the who")


def test_a_threshold_drops_no_hit_that_has_every_word(tmp_path: Path) -> None:
    named = titled("h:1", "Zzyzx Road", "Far from everything.")
    others = [titled(f"t:{n}", f"Road {n}", "Many words.") for n in range(5)]
    reader = index_of(tmp_path, [named, *others])
    query = SearchQuery("zzyzx road", unit_vectors(1, 77)[0], k=9, mode="hybrid", threshold=0.99)
    assert [hit.chunk.entity_key for hit in reader.search(query).hits] == ["h:1"]


@pytest.mark.parametrize("mode", MODES)
def test_shards_of_an_earlier_release_answer_beside_new_ones(
    tmp_path: Path, mode: SearchMode
) -> None:
    store = MemoryObjectStore()
    older = [titled(f"o:{n}", f"Older {n}", f"the robot of run {n}") for n in range(6)]
    newer = [titled(f"n:{n}", f"Newer {n}", f"another robot of run {n}") for n in range(6)]
    first = build_shard(store, older, unit_vectors(6, 1), origin="r/a/0", seq=1)
    earlier = as_earlier_release(store, first, older, tmp_path)
    second = build_shard(store, newer, unit_vectors(6, 2), origin="r/b/0", seq=2)
    manifests(store).commit([earlier, second], floor=no_floor)
    reader = searcher(store, tmp_path / "cache")
    hits = reader.search(SearchQuery("robot", unit_vectors(1, 3)[0], k=20, mode=mode)).hits
    assert {hit.chunk.entity_key for hit in hits} == {one.parent for one in (*older, *newer)}
    if mode == "lexical":
        found = reader.search(SearchQuery("older 3", None, k=1, mode=mode)).hits
        assert [hit.chunk.entity_key for hit in found] == ["o:3"]


@pytest.mark.parametrize("part", ["catalog", "sidecar"])
def test_a_sidecar_of_another_version_than_its_catalog_is_damaged(
    tmp_path: Path, part: str
) -> None:
    store = MemoryObjectStore()
    chunks = [titled("t:1", "One", "a text")]
    shard = build_shard(store, chunks, unit_vectors(1, 1))
    earlier = as_earlier_release(store, shard, chunks, tmp_path)
    mixed = shard.model_copy(update={part: getattr(earlier, part)})
    manifests(store).commit([mixed], floor=no_floor)
    with pytest.raises(DamagedIndexError):
        searcher(store, tmp_path / "cache").search(SearchQuery("text", None, mode="lexical"))


def test_no_passage_is_nearer_than_its_hit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of an entity that only its words find, the ranking compares some rows: here the last one."""
    monkeypatch.setattr("shared.index.shard.shard_reader._ROWS_COMPARED", 1)
    monkeypatch.setattr("shared.index.shard.units._evenly", lambda rows, _: rows[-1:])
    monkeypatch.setattr("shared.index.search.searcher._FUSION_DEPTH", 2)
    monkeypatch.setattr("shared.index.search.searcher._LEAST_FUSED", 1)
    store = MemoryObjectStore()
    asked = unit_vectors(1, 9)[0]
    chunks = [chunk("t:words", 1, "zzyzx"), chunk("t:words", 2, "zzyzx")]
    chunks += [chunk(f"t:{n}", text="other") for n in range(3)]
    near = asked + unit_vectors(4, 10)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    vectors = np.stack([unit_vectors(1, 11)[0], -asked, asked, *near[:2]]).astype(np.float32)
    manifests(store).commit([build_shard(store, chunks, vectors)], floor=no_floor)
    query = SearchQuery("zzyzx", asked, k=2, mode="hybrid", passages=2)
    hits = searcher(store, tmp_path).search(query).hits
    [found] = [hit for hit in hits if hit.chunk.entity_key == "t:words"]
    nearest = max(passage.similarity or -1.0 for passage in found.passages)
    assert found.similarity == nearest > -1.0
