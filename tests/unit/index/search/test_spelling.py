"""Searches with words that the index does not know."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.index.search.group_messages import GroupScope, group_request
from shared.index.search.remote_group import RemoteGroup, answer_group_request
from shared.index.search.searcher import ScaleOut, Searcher, SearchQuery, SearchResult
from shared.index.search.shard_group import LocalGroup, ShardGroup, Spread
from shared.index.search.snapshot import Snapshot
from shared.index.shard.suggestions import NOTHING_SUGGESTED, Unknown
from shared.models.chunk import Chunk
from shared.models.manifest import Manifest, ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.earlier_release import as_earlier_release
from tests.unit.index.index_builders import (
    CORPUS,
    MODEL,
    POOL,
    build_shard,
    chunk,
    manifests,
    searcher,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor

NAMES = {
    "1": ("Spider-Man", "He was bitten by a spider that was radioactive."),
    "2": ("War Machine", "A soldier in armour, of whom Ultron is afraid."),
    "3": ("Avengers", "They avenge what others did. Ultron fights them."),
    "4": ("Ultron", "A robot that learned to hate."),
    "5": ("Daredevil", "The man without fear."),
    "6": ("X-23", "A clone with claws, 23 years old."),
    "7": ("X51", "A machine that thinks."),
    "8": ("Thor", "The god of thunder is the strongest."),
    "thorr": ("Beta Ray Bill", "He, too, lifts the hammer."),
    "9": ("Jörmungandr", "The serpent whom Thor fights at the end of the world. 東京"),
}


def chunks_of(names: Mapping[str, tuple[str, str]]) -> list[Chunk]:
    made = []
    for number, (title, text) in names.items():
        one = chunk(f"hero:{number}", text=text)
        made.append(
            one.model_copy(update={"metadata": one.metadata.model_copy(update={"title": title})})
        )
    return made


class Index:
    """The names in three shards; `earlier` writes the first as earlier releases did."""

    def __init__(self, folder: Path, *, earlier: bool = False) -> None:
        self.store = MemoryObjectStore()
        chunks = chunks_of(NAMES)
        self.vectors = unit_vectors(len(chunks), seed=1)
        shards: list[ShardDescriptor] = []
        for number, start in enumerate(range(0, len(chunks), 4)):
            some = chunks[start : start + 4]
            shard = build_shard(
                self.store, some, self.vectors[start : start + 4], origin=f"r/p/{number}"
            )
            is_old = earlier and not number
            shards.append(as_earlier_release(self.store, shard, some, folder) if is_old else shard)
        manifests(self.store).commit(shards, floor=no_floor)
        self.reader = searcher(self.store, folder)
        self.folder = folder

    def search(self, text: str, **options: Any) -> SearchResult:
        query = SearchQuery(text=text, vector=None, mode="lexical")
        return self.reader.search(replace(query, **options))


@pytest.fixture(scope="module", params=[False, True], ids=["present", "earlier release"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index(tmp_path_factory.mktemp("index"), earlier=request.param)


def titles(result: SearchResult) -> list[str]:
    return [hit.chunk.metadata.title for hit in result.hits]


@pytest.mark.parametrize(
    ("query", "corrected", "found"),
    [
        ("Spiderman", {"spiderman": "spider man"}, "Spider-Man"),
        ("Warmachine!", {"warmachine": "war machine"}, "War Machine"),
        ("who is ulton?", {"ulton": "ultron"}, "Ultron"),
        ("avangers", {"avangers": "avengers"}, "Avengers"),
        ("dare devil", {"dare devil": "daredevil"}, "Daredevil"),
        ("x23", {"x23": "x 23"}, "X-23"),
        ("X 51", {"x 51": "x51"}, "X51"),
        ("thunedr", {"thunedr": "thunder"}, "Thor"),
        ("jormungadr", {"jormungadr": "jormungandr"}, "Jörmungandr"),
        ("Jörmungadr", {"jormungadr": "jormungandr"}, "Jörmungandr"),
        ("robit", {"robit": "robot"}, "Ultron"),
        # The edit changes how much of the word is its stem.
        ("learend", {"learend": "learned"}, "Ultron"),
        ("thinsk", {"thinsk": "thinks"}, "X51"),
    ],
)
def test_known_words_stand_for_unknown_ones(
    index: Index, query: str, corrected: Mapping[str, str], found: str
) -> None:
    result = index.search(query)
    assert result.corrected == corrected
    assert titles(result)[0] == found
    without = index.search(query, spelling=False)
    assert without.corrected == {}
    assert titles(without)[:1] != [found]


@pytest.mark.parametrize(
    "query",
    [
        "the god of thunder", "avenging", "x", "23", "thr", "q", "?!…", "the of and", "x99",
        "9100010", "zzyzzyva", "東京", "大阪", "大" * 1000, "strongest", "a" * 1000, "\ud83d",
        "=ultron", "mxn",
    ],
)  # fmt: skip
def test_a_query_does_not_change_without_need_or_without_a_known_word(
    index: Index, query: str
) -> None:
    result = index.search(query)
    without = index.search(query, spelling=False)
    assert result.corrected == {}
    assert result.hits == without.hits


def test_an_id_that_is_near_to_a_word_stays_an_id(index: Index) -> None:
    for query in ("thorr", "hero:thorr"):
        result = index.search(query)
        assert (titles(result)[0], result.corrected) == ("Beta Ray Bill", {})


def test_the_whole_title_is_found_by_what_stands_for_it(index: Index) -> None:
    exact, misspelt = index.search("war machine"), index.search("warmachine")
    assert misspelt.hits == exact.hits


def test_many_unknown_words_take_bounded_time(index: Index) -> None:
    unknown = [f"ultro{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(120)]
    known = "spider man war machine avengers ultron robot daredevil thor god thunder world".split()
    for words in (unknown * 3, [*unknown[:11], *known], ["spiderman", "warmachine"] * 99):
        index.search(" ".join(words))
        started = time.process_time()
        result = index.search(" ".join(words))
        assert time.process_time() - started < 1.0
        assert len(result.corrected) <= 16


def test_a_query_of_another_language_is_not_turned_into_known_words(index: Index) -> None:
    assert index.search("robit thunedr").corrected == {"robit": "robot", "thunedr": "thunder"}
    assert index.search("robit thunedr machinf").corrected == {}
    three = index.search("robit thunedr machinf war spider man")
    assert set(three.corrected) == {"robit", "thunedr", "machinf"}
    assert set(index.search("robit thunedr warmachine").corrected) == {"warmachine"}


def test_a_threshold_drops_no_hit_that_has_every_word_that_was_searched_for(index: Index) -> None:
    vector = -index.vectors[3]
    result = index.search("ulton robot", mode="hybrid", vector=vector, threshold=0.99)
    assert titles(result) == ["Ultron"]
    assert result.hits[0].similarity is not None
    assert result.hits[0].similarity < 0
    none = index.search("ulton robot", mode="hybrid", vector=vector, threshold=0.99, spelling=False)
    assert titles(none) == []


def test_vectors_alone_know_no_words(index: Index) -> None:
    result = index.search("ulton", mode="dense", vector=index.vectors[0])
    assert result.corrected == {}


def test_words_of_deleted_rows_are_unknown(tmp_path: Path) -> None:
    index = Index(tmp_path)
    assert index.search("ultrom").corrected == {"ultrom": "ultron"}
    none = np.empty((0, MODEL.dims), np.float32)
    gone = [f"hero:{number}" for number in (2, 3, 4)]
    sweep = build_shard(index.store, [], none, origin="sweep", seq=9, covered=gone)
    manifests(index.store).commit([sweep], floor=no_floor)
    reader = searcher(index.store, tmp_path)
    for text in ("ultrom", "ultron", "warmachine", "avangers"):
        result = reader.search(SearchQuery(text=text, vector=None, mode="lexical"))
        assert (result.corrected, result.hits) == ({}, ())


class Invoker:
    """Another process, over JSON; `is_earlier` does not know the question."""

    def __init__(self, snapshot: Snapshot, *, is_earlier: bool = False) -> None:
        self._shards = {shard.descriptor.shard_id: shard for shard in snapshot.shards}
        self._is_earlier = is_earlier

    def invoke(self, payload: bytes) -> bytes:
        document = json.loads(payload)["group"]
        if self._is_earlier and document["ask"] == "spelling":
            report = {"code": InvalidInputError.code, "message": "group.ask: unknown"}
            return json.dumps({"error": report}).encode()
        request = group_request.validate_python(document)
        some = [self._shards[shard_id] for shard_id in request.scope.shard_ids]
        return json.dumps(answer_group_request(LocalGroup(some, Spread(POOL, 2)), request)).encode()


def in_groups(index: Index, query: SearchQuery, groups: Sequence[Sequence[str]]) -> SearchResult:
    snapshot = index.reader.refresh().snapshot
    invoker = Invoker(snapshot)

    def elsewhere(manifest: Manifest) -> list[ShardGroup]:
        return [RemoteGroup(_scope(manifest, shard_ids), invoker) for shard_ids in groups[1:]]

    with ThreadPoolExecutor(4) as pool:
        reader = Searcher(index.reader._source, POOL, scale_out=ScaleOut(elsewhere, pool))
        own = [one for one in snapshot.shards if one.descriptor.shard_id in groups[0]]
        return reader.search(query, Snapshot(snapshot.manifest, own, snapshot.catalogs))


def _scope(manifest: Manifest, shard_ids: Sequence[str]) -> GroupScope:
    return GroupScope(
        corpus=CORPUS, model=MODEL, version=manifest.version, shard_ids=tuple(shard_ids)
    )


QUERIES = (
    "Spiderman",
    "warmachine",
    "ulton fights",
    "avangers",
    "x23",
    "dare devil",
    "robit thunedr",
)


@settings(max_examples=40, deadline=None)
@given(
    text=st.sampled_from(QUERIES) | st.text("ulatronsp ", min_size=1, max_size=12),
    order=st.permutations(range(3)),
    first=st.integers(1, 3),
    by_entity=st.booleans(),
)
def test_what_stands_for_a_word_does_not_depend_on_how_shards_are_grouped(
    index: Index, text: str, order: Sequence[int], first: int, *, by_entity: bool
) -> None:
    shard_ids = [shard.shard_id for shard in index.reader.refresh().snapshot.manifest.shards]
    ordered = [shard_ids[place] for place in order]
    groups = [group for group in (ordered[:first], ordered[first:]) if group]
    query = SearchQuery(text=text, vector=None, mode="lexical", by_entity=by_entity)
    alone, together = index.reader.search(query), in_groups(index, query, groups)
    assert together.corrected == alone.corrected
    assert together.hits == alone.hits


def test_a_process_of_an_earlier_release_offers_nothing(index: Index) -> None:
    snapshot = index.reader.refresh().snapshot
    shard_ids = [shard.shard_id for shard in snapshot.manifest.shards]
    unknown = Unknown(("ulton",), ())
    for is_earlier in (False, True):
        invoker = Invoker(snapshot, is_earlier=is_earlier)
        group = RemoteGroup(_scope(snapshot.manifest, shard_ids), invoker)
        assert (group.suggest(unknown) == NOTHING_SUGGESTED) is is_earlier


def test_a_word_that_people_write_is_replaced_only_by_a_slip_of_the_hand(index: Index) -> None:
    written = {"robit", "thundre", "spideer", "warmachine"}
    for text, corrected in (
        ("robit", {}),
        ("thundre", {"thundre": "thunder"}),
        ("spideer", {"spideer": "spider"}),
        ("warmachine", {"warmachine": "war machine"}),
    ):
        assert index.search(text, is_word=written.__contains__).corrected == corrected, text


def test_what_a_correction_finds_does_not_outrank_what_the_query_says(tmp_path: Path) -> None:
    names = {str(number): (f"City {number}", "A capital by the sea.") for number in range(5)}
    names["9"] = ("The wedding", "Her fiance is late.")
    names["10"] = ("Nice", "A town in the far south of the country, with a harbour.")
    store = MemoryObjectStore()
    chunks = chunks_of(names)
    shard = build_shard(store, chunks, unit_vectors(len(chunks), 1))
    manifests(store).commit([shard], floor=no_floor)
    reader = searcher(store, tmp_path)
    result = reader.search(SearchQuery("capital france", None, k=9, mode="lexical"))
    assert result.corrected == {"france": "fiance"}
    scores = {hit.chunk.metadata.title: hit.score for hit in result.hits}
    assert scores["The wedding"] == pytest.approx(scores["City 1"], rel=0.1)
    # A word that the query has as it is weighs as much as ever.
    exact = reader.search(SearchQuery("capital fiance", None, k=9, mode="lexical"))
    assert exact.hits[0].chunk.metadata.title == "The wedding"
    assert exact.hits[0].score > 2 * scores["The wedding"]
