"""Search against oracles: brute force over vectors, BM25 written out, dictionaries for filters."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import DamagedIndexError, InvalidInputError, NotFoundError
from shared.index.catalog.filters import SearchFilters, parse_moment
from shared.index.graph.hnsw_file import Vectors
from shared.index.search.searcher import Searcher, SearchMode, SearchQuery
from shared.index.shard.shard_reader import SearchTuning
from shared.index.shard.tokenizer import MAXIMUM_WORDS, query_terms
from shared.models.chunk import Chunk
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    GRAPH_ALWAYS,
    build_shard,
    chunk,
    manifests,
    searcher,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor

ROWS = 1200
TYPES = ("comic", "hero", "event")
WORDS = ("alpha", "beta", "gamma", "delta", "omega", "robot")


def corpus(rows: int, seed: int) -> list[Chunk]:
    random = np.random.default_rng(seed)
    day = datetime(2020, 1, 1, tzinfo=UTC)
    return [
        chunk(
            f"{TYPES[n % 3]}:{n}",
            text=" ".join(random.choice(WORDS, size=random.integers(3, 12))),
            modified=None if n % 7 == 0 else (day + timedelta(days=n)).isoformat(),
        )
        for n in range(rows)
    ]


def committed(
    store: MemoryObjectStore, chunks: Sequence[Chunk], vectors: Vectors, parts: int
) -> None:
    shards = []
    for part in range(parts):
        rows = list(range(part, len(chunks), parts))
        shards.append(
            build_shard(store, [chunks[n] for n in rows], vectors[rows], origin=f"r/p/{part}")
        )
    manifests(store).commit(shards, floor=no_floor)


class Index:
    """A corpus, its vectors and the answers that brute force gives."""

    def __init__(self, directory: Path, rows: int = ROWS, parts: int = 3) -> None:
        self.store = MemoryObjectStore()
        self.chunks = corpus(rows, seed=1)
        self.vectors = unit_vectors(rows, seed=2)
        self.directory = directory
        committed(self.store, self.chunks, self.vectors, parts)

    def searcher(self, tuning: SearchTuning | None = None) -> Searcher:
        return searcher(self.store, self.directory, tuning=tuning)

    def nearest(self, vector: Vectors, k: int, keep: Sequence[bool] | None = None) -> list[str]:
        scores = np.round((self.vectors @ vector).astype(np.float64), 6)
        rows = [n for n in range(len(self.chunks)) if keep is None or keep[n]]
        rows.sort(key=lambda n: (-scores[n], self.chunks[n].chunk_id))
        return [self.chunks[n].chunk_id for n in rows[:k]]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index(tmp_path_factory.mktemp("index"))


def found(reader: Searcher, **values: Any) -> list[str]:
    query = SearchQuery(**{"text": "", "vector": None, **values})
    return [hit.chunk.chunk_id for hit in reader.search(query).hits]


def test_small_shards_are_searched_exactly(index: Index) -> None:
    reader = index.searcher()
    for query in unit_vectors(30, seed=3):
        assert found(reader, vector=query, k=10, mode="dense") == index.nearest(query, 10)


def test_the_graph_recalls_what_exact_search_finds(index: Index) -> None:
    reader = index.searcher(GRAPH_ALWAYS)
    hits = total = 0
    for query in unit_vectors(100, seed=4):
        expected = set(index.nearest(query, 10))
        hits += len(expected & set(found(reader, vector=query, k=10, mode="dense")))
        total += len(expected)
    assert hits / total >= 0.99


def matches(one: Chunk, filters: SearchFilters) -> bool:
    moment = parse_moment(one.metadata.modified)
    return (
        (not filters.entity_types or one.metadata.entity_type in filters.entity_types)
        and (not filters.source_ids or one.metadata.source_id in filters.source_ids)
        and (filters.since is None or (moment is not None and moment >= filters.since))
        and (filters.before is None or (moment is not None and moment < filters.before))
    )


moments = st.none() | st.datetimes(
    datetime(2019, 12, 1), datetime(2023, 12, 1), timezones=st.just(UTC)
)
filter_values = st.builds(
    SearchFilters,
    entity_types=st.lists(st.sampled_from([*TYPES, "none"]), max_size=2, unique=True).map(tuple),
    source_ids=st.lists(st.integers(0, ROWS + 9).map(str), max_size=2, unique=True).map(tuple),
    since=moments,
    before=moments,
)


@settings(max_examples=80, deadline=None)
@given(filters=filter_values, k=st.integers(1, 50), seed=st.integers(0, 999))
@example(filters=SearchFilters(since=datetime(2020, 1, 4, tzinfo=UTC)), k=50, seed=0)
def test_filters_agree_with_a_plain_loop(
    index: Index, filters: SearchFilters, k: int, seed: int
) -> None:
    vector = unit_vectors(1, seed)[0]
    keep = [matches(one, filters) for one in index.chunks]
    expected = index.nearest(vector, k, keep)
    assert found(index.searcher(), vector=vector, k=k, mode="dense", filters=filters) == expected
    by_graph = found(
        index.searcher(GRAPH_ALWAYS), vector=vector, k=k, mode="dense", filters=filters
    )
    allowed = {one.chunk_id for one, kept in zip(index.chunks, keep, strict=True) if kept}
    assert set(by_graph) <= allowed
    assert len(by_graph) == len(expected)


def tokens(text: str) -> Counter[str]:
    return Counter(re.findall(r"[a-z0-9]+", text.lower()))


def bm25(chunks: Sequence[Chunk], query: Sequence[str]) -> dict[str, float]:
    """BM25F of entities written out: k1 1.4, b .75 and .5, titles weigh twice as much as texts."""
    texts: dict[str, Counter[str]] = {}
    titles: dict[str, Counter[str]] = {}
    for one in chunks:
        texts.setdefault(one.parent, Counter()).update(tokens(one.text))
        titles[one.parent] = tokens(one.metadata.title)
    scores: dict[str, float] = {}
    for term in query:
        holding = sum(term in texts[key] or term in titles[key] for key in texts)
        worth = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for key in texts:
            count = normed(texts, key, term, 0.75) + 2.0 * normed(titles, key, term, 0.5)
            if count:
                scores[key] = scores.get(key, 0.0) + worth * count * 2.4 / (count + 1.4)
    return scores


def normed(field: Mapping[str, Counter[str]], key: str, term: str, weight: float) -> float:
    average = max(sum(words.total() for words in field.values()) / len(field), 1.0)
    return field[key][term] / (1 - weight + weight * field[key].total() / average)


# None of them is changed by the Porter stemmer, which the oracle does not know.
PLAIN_WORDS = ("kree", "skrull", "vibranium", "asgard", "robot", "omega")


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(PLAIN_WORDS), max_size=8), min_size=1, max_size=24),
    query=st.lists(st.sampled_from(PLAIN_WORDS), min_size=1, max_size=4, unique=True),
    parts=st.integers(1, 4),
    updated=st.integers(0, 4),
)
def test_lexical_scores_are_bm25_of_the_live_entities_however_they_are_sharded(
    texts: Sequence[Sequence[str]], query: Sequence[str], parts: int, updated: int
) -> None:
    chunks = [
        chunk(f"t:{n // 2}", n % 2, text=" ".join(["x", *text])) for n, text in enumerate(texts)
    ]
    store = MemoryObjectStore()
    old = [chunk(f"t:{n}", text="robot kree kree") for n in range(min(updated, len(texts) // 2))]
    if old:
        vectors = unit_vectors(len(old), 7)
        manifests(store).commit(
            [build_shard(store, old, vectors, origin="old", seq=0)], floor=no_floor
        )
    committed_by_entity(store, chunks, parts)
    with TemporaryDirectory() as folder:
        question = SearchQuery(text=" ".join(query), vector=None, k=50, mode="lexical")
        hits = searcher(store, Path(folder)).search(question).hits
    scores = {hit.chunk.entity_key: hit.score for hit in hits}
    assert scores == pytest.approx(bm25(chunks, query), abs=2e-6)
    order = [(-hit.score, hit.chunk.entity_key) for hit in hits]
    assert order == sorted(order)


def committed_by_entity(store: MemoryObjectStore, chunks: Sequence[Chunk], parts: int) -> None:
    """Commit chunks in so many shards, with all chunks of an entity in the same one."""
    keys = list(dict.fromkeys(one.parent for one in chunks))
    shards = [
        build_shard(store, own, unit_vectors(len(own), part), origin=f"run/page/{part}", seq=1)
        for part in range(parts)
        if (own := [one for one in chunks if keys.index(one.parent) % parts == part])
    ]
    manifests(store).commit(shards, floor=no_floor)


def test_a_word_that_one_shard_is_full_of_still_tells(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    about = [chunk(f"hero:{n}", text=f"ultron number {n}") for n in range(10)]
    others = [chunk(f"comic:{n}", text=f"a comic of number {n}") for n in range(90)]
    manifests(store).commit(
        [
            build_shard(store, about, unit_vectors(10, 1), origin="r/a/0"),
            build_shard(store, others, unit_vectors(90, 2), origin="r/b/0"),
        ],
        floor=no_floor,
    )
    reader = searcher(store, tmp_path)
    best = found(reader, text="ultron number", k=10, mode="lexical")
    assert set(best) == {one.chunk_id for one in about}


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
@example('" OR text:* NEAR(a b) -c ^d {title}: ( AND NOT')
@example("'; DROP TABLE rows; --")
@example("spider-man's \0 nul")
@example(" ".join(f"word{n}" for n in range(200)))
@example("\ud800")
def test_no_text_breaks_or_bends_the_lexical_query(index: Index, text: str) -> None:
    reader = index.searcher()
    plain = " ".join(query_terms(text))
    assert found(reader, text=text, mode="lexical", k=9) == found(
        reader, text=plain, mode="lexical", k=9
    )


def test_operators_are_words_like_others(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    texts = ["the black widow", "this AND that", "NOT a robot", "near and far", "a rose", "b", "c"]
    chunks = [chunk(f"t:{n}", text=text) for n, text in enumerate(texts)]
    committed(store, chunks, unit_vectors(len(chunks), 1), 2)
    reader = searcher(store, tmp_path)
    assert set(found(reader, text="NEAR(widow) AND robot", mode="lexical")) == {
        "t:0-001", "t:2-001", "t:3-001",
    }  # fmt: skip
    assert set(found(reader, text="NOT(and)", mode="lexical")) == {"t:1-001", "t:2-001", "t:3-001"}
    assert found(reader, text='title:"rose"*', mode="lexical")[:1] == ["t:4-001"]


def test_words_are_found_by_stem_accent_and_case(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    texts = ["Hank Pym creates a robot", "Café résumé", "Ягуар прыгнул", "other", "more", "words"]
    chunks = [chunk(f"t:{n}", text=text) for n, text in enumerate(texts)]
    committed(store, chunks, unit_vectors(len(chunks), 1), 1)
    reader = searcher(store, tmp_path)
    for text, expected in [
        ("CREATED", "t:0-001"),
        ("cafe", "t:1-001"),
        ("re\u0301sume\u0301", "t:1-001"),
        ("ЯГУАР", "t:2-001"),
    ]:
        assert found(reader, text=text, mode="lexical") == [expected]


def test_a_query_has_a_bounded_number_of_words() -> None:
    terms = query_terms(" ".join(f"W{n}" for n in range(2 * MAXIMUM_WORDS)))
    assert terms == tuple(f"w{n}" for n in range(MAXIMUM_WORDS))


def test_a_word_counts_as_often_as_the_query_has_it(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    texts = ["the red lamp", "the blue lamp", "the green door"]
    chunks = [chunk(f"t:{n}", text=text) for n, text in enumerate(texts)]
    committed(store, chunks, unit_vectors(len(chunks), 1), 1)
    reader = searcher(store, tmp_path)
    assert found(reader, text="red blue blue", mode="lexical") == ["t:1-001", "t:0-001"]
    assert found(reader, text="red red blue", mode="lexical") == ["t:0-001", "t:1-001"]


def test_hybrid_is_the_fusion_of_both_rankings(index: Index) -> None:
    reader = index.searcher()
    vector = unit_vectors(1, seed=8)[0]
    text = "robot omega"
    dense = found(reader, vector=vector, k=200, mode="dense")
    lexical = found(reader, text=text, k=200, mode="lexical")
    cosines = dict(zip((c.chunk_id for c in index.chunks), index.vectors @ vector, strict=True))
    everything = SearchQuery(text=text, vector=None, k=len(index.chunks), mode="lexical")
    words = {hit.chunk.chunk_id: hit.score for hit in reader.search(everything).hits}
    union = sorted({*dense, *lexical})
    both = np.array([[cosines[name], words.get(name, 0.0)] for name in union])
    standard = ((both - both.mean(axis=0)) / both.std(axis=0)).mean(axis=1)
    fused = dict(zip(union, standard.tolist(), strict=True))
    expected = sorted(fused, key=lambda name: (-round(fused[name], 5), name))[:20]
    hits = reader.search(SearchQuery(text=text, vector=vector, k=20, mode="hybrid")).hits
    assert [hit.chunk.chunk_id for hit in hits] == expected
    for hit in hits:
        assert hit.score == pytest.approx(fused[hit.chunk.chunk_id], abs=2e-5)
        assert hit.similarity == pytest.approx(cosines[hit.chunk.chunk_id], abs=2e-6)


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_the_threshold_bounds_the_cosine(index: Index, mode: SearchMode) -> None:
    reader = index.searcher()
    vector = index.vectors[17]

    def hits(threshold: float | None) -> list[float]:
        query = SearchQuery(
            text="robot absent", vector=vector, k=50, mode=mode, threshold=threshold
        )
        return [hit.similarity or 0.0 for hit in reader.search(query).hits]

    assert min(hits(None)) < 0.5
    assert min(hits(0.5)) >= 0.5
    assert {s for s in hits(None) if s >= 0.5} <= set(hits(0.5))
    assert hits(0.9999) == [pytest.approx(1.0)]
    assert len(hits(-1.0)) == 50


def test_equal_scores_are_ordered_by_chunk_id(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    rng = np.random.default_rng(5)
    chunks = [chunk(f"t:{n:03d}", text="all the same") for n in rng.permutation(200)]
    vectors = np.repeat(unit_vectors(1, 1), 200, axis=0)
    committed(store, chunks, vectors, 7)
    reader = searcher(store, tmp_path)
    expected = [f"t:{n:03d}-001" for n in range(20)]
    assert found(reader, vector=vectors[0], k=20, mode="dense") == expected
    assert found(reader, text="same", k=20, mode="lexical") == expected


@pytest.mark.parametrize("tuning", [None, GRAPH_ALWAYS])
@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_more_is_asked_for_than_there_is(
    tmp_path: Path, mode: SearchMode, tuning: SearchTuning | None
) -> None:
    store = MemoryObjectStore()
    chunks = [chunk(f"t:{n}", text="few rows") for n in range(3)]
    committed(store, chunks, unit_vectors(3, 1), 1)
    query = SearchQuery(text="rows", vector=unit_vectors(1, 2)[0], k=50, mode=mode)
    hits = searcher(store, tmp_path, tuning=tuning).search(query).hits
    assert {hit.chunk.chunk_id for hit in hits} == {one.chunk_id for one in chunks}


def test_the_graph_finds_the_live_rows_among_many_dead_ones(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    chunks = [chunk(f"t:{n}", text="old") for n in range(400)]
    vectors = unit_vectors(400, 3)
    old = build_shard(store, chunks, vectors, origin="r1/p/0", seq=1)
    manifests(store).commit([old], floor=no_floor)
    reader = searcher(store, tmp_path, tuning=GRAPH_ALWAYS)
    assert len(found(reader, vector=vectors[0], k=50, mode="dense")) == 50
    updated = [chunk(f"t:{n}", text="new") for n in range(380)]
    newer = build_shard(store, updated, -vectors[:380], origin="r2/p/0", seq=2)
    manifests(store).commit([newer], floor=no_floor)
    hits = reader.search(SearchQuery(text="", vector=vectors[0], k=50, mode="dense")).hits
    assert len(hits) == 50
    live = {f"t:{n}-001" for n in range(380, 400)}
    assert {hit.chunk.chunk_id for hit in hits if hit.chunk.text == "old"} <= live
    only_old = SearchFilters(source_ids=tuple(str(n) for n in range(370, 400)))
    hits = reader.search(
        SearchQuery(text="", vector=vectors[0], k=50, mode="dense", filters=only_old)
    ).hits
    assert {h.chunk.chunk_id for h in hits if h.chunk.text == "old"} == live
    assert len(hits) == 30


def test_a_mode_without_its_vector_or_with_a_useless_threshold_is_refused(index: Index) -> None:
    reader = index.searcher()
    with pytest.raises(InvalidInputError, match="dense"):
        found(reader, text="x", mode="dense")
    with pytest.raises(InvalidInputError, match="lexical"):
        found(reader, text="x", mode="lexical", threshold=0.1)


def test_an_index_that_was_never_committed_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        found(searcher(MemoryObjectStore(), tmp_path), text="x", mode="lexical")


def test_a_new_version_that_cannot_be_opened_leaves_the_last_one_serving(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    first = build_shard(store, [chunk("t:1", text="old")], unit_vectors(1, 1), seq=1)
    manifests(store).commit([first], floor=no_floor)
    reader = searcher(store, tmp_path)
    assert reader.refresh().opened == 1
    second = build_shard(
        store, [chunk("t:1", text="new")], unit_vectors(1, 2), origin="r2/p/0", seq=2
    )
    assert second.graph is not None
    good = store.get(second.graph.key).data
    store.put(second.graph.key, good[:-1])
    manifests(store).commit([second], floor=no_floor)
    vector = unit_vectors(1, 1)[0]
    query = SearchQuery(text="", vector=vector, mode="dense")
    result = reader.search(query)
    assert result.snapshot.manifest.version == 1
    assert [hit.chunk.text for hit in result.hits] == ["old"]
    with pytest.raises(DamagedIndexError, match=second.shard_id):
        searcher(store, tmp_path / "other").search(query)
    store.put(second.graph.key, good)
    fresh = searcher(store, tmp_path / "other").search(query)
    assert [hit.chunk.text for hit in fresh.hits] == ["new"]


def test_threads_that_search_together_agree(index: Index) -> None:
    reader = index.searcher(GRAPH_ALWAYS)
    queries = [
        SearchQuery(text="robot omega", vector=vector, k=10, mode="hybrid")
        for vector in unit_vectors(40, seed=9)
    ]
    alone = [reader.search(query).hits for query in queries]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda query: reader.search(query).hits, queries)) == alone
