"""An index in groups: the same hits for any partition, and what becomes of a group that fails."""

import dataclasses
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import (
    CorruptObjectError,
    DimensionMismatchError,
    InvalidInputError,
    OverloadedError,
    PartialFailureError,
    UltronError,
)
from shared.index.catalog.filters import FieldFilter, SearchFilters
from shared.index.manifest.manifest_store import ManifestCache
from shared.index.search.group_calls import GroupCalls
from shared.index.search.group_messages import GroupScope, SearchRequest, group_request
from shared.index.search.partitions import partition_shards
from shared.index.search.remote_group import RemoteGroup, answer_group_request
from shared.index.search.searcher import ScaleOut, Searcher, SearchMode, SearchQuery, SearchResult
from shared.index.search.shard_cache import ShardCache
from shared.index.search.shard_group import GroupQuery, LocalGroup, ShardGroup, Spread
from shared.index.search.snapshot import Snapshot, SnapshotSource
from shared.index.shard.lexical import TermStatistics
from shared.index.shard.shard_reader import SearchTuning, Shard
from shared.models.manifest import FileReference, Manifest, ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    CORPUS,
    GRAPH_ALWAYS,
    MODEL,
    POOL,
    build_shard,
    chunk,
    manifests,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor

SHARDS = 6
ROWS = 90
WORDS = ("alpha", "beta", "gamma", "delta", "omega", "robot", "Mar-Vell", "X-23")
SPREAD = Spread(POOL, 2)

Answering = Callable[[bytes], bytes]


class Invoker:
    """Calls a function as if it were elsewhere."""

    def __init__(self, answering: Answering) -> None:
        self.invoke = answering


def worker(shards: Mapping[str, Shard]) -> Answering:
    """The other end, over JSON: searches the shards that it is asked for."""

    def answer(payload: bytes) -> bytes:
        request = group_request.validate_python(json.loads(payload)["group"])
        group = LocalGroup([shards[shard_id] for shard_id in request.scope.shard_ids], SPREAD)
        return json.dumps(answer_group_request(group, request)).encode()

    return answer


def failing(error: Exception) -> Answering:
    def answer(payload: bytes) -> bytes:
        raise error

    return answer


def saying(document: Any) -> Answering:
    return lambda _: json.dumps(document).encode()


class Index:
    """An index of several shards, with updates and a rowless shard, and its open snapshot."""

    def __init__(self, directory: Path, tuning: SearchTuning | None) -> None:
        store = MemoryObjectStore()
        self.vectors = unit_vectors(SHARDS * ROWS, seed=1)
        self.vectors[::7] = self.vectors[0]  # equal scores, in several shards
        random = np.random.default_rng(2)
        shards = []
        for part in range(SHARDS):
            rows = range(part * ROWS, (part + 1) * ROWS)
            chunks = [
                chunk(f"t:{n % (SHARDS * ROWS * 3 // 4)}", text=" ".join(random.choice(WORDS, 6)))
                for n in rows
            ]
            shards.append(
                build_shard(store, chunks, self.vectors[list(rows)], origin=f"r/p/{part}", seq=part)
            )
        gone = [f"t:{n}" for n in range(5)]
        none = np.empty((0, MODEL.dims), np.float32)
        shards.insert(2, build_shard(store, [], none, origin="sweep", seq=99, covered=gone))
        manifests(store).commit(shards, floor=no_floor)
        cache = ManifestCache(manifests(store))
        self.tuning = tuning
        self.source = SnapshotSource(cache, ShardCache(store, directory), POOL, tuning=tuning)
        self.snapshot = self.source.refresh().snapshot
        self.by_id = {s.descriptor.shard_id: s for s in self.snapshot.shards}

    def search(
        self,
        query: SearchQuery,
        groups: Sequence[Sequence[str]],
        answering: Answering | None = None,
    ) -> SearchResult:
        """Search with the first group here and the others elsewhere."""
        invoker = Invoker(answering or worker(self.by_id))

        def elsewhere(manifest: Manifest) -> list[ShardGroup]:
            return [RemoteGroup(scope(manifest, group), invoker) for group in groups[1:]]

        with ThreadPoolExecutor(4) as pool:
            reader = Searcher(
                self.source,
                POOL,
                tuning=self.tuning,
                scale_out=ScaleOut(elsewhere, pool, seconds=30.0),
            )
            own = [self.by_id[shard_id] for shard_id in groups[0]]
            return reader.search(
                query, Snapshot(self.snapshot.manifest, own, self.snapshot.catalogs)
            )

    @property
    def shard_ids(self) -> list[str]:
        return [s.shard_id for s in self.snapshot.manifest.shards if s.vectors]


def scope(manifest: Manifest, shard_ids: Sequence[str]) -> GroupScope:
    return GroupScope(
        corpus=CORPUS, model=MODEL, version=manifest.version, shard_ids=tuple(shard_ids)
    )


@pytest.fixture(scope="module", params=[None, GRAPH_ALWAYS], ids=["exact", "graph"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index(tmp_path_factory.mktemp("index"), request.param)


filters = st.sampled_from(
    [
        SearchFilters(),
        SearchFilters(entity_types=("t",)),
        SearchFilters(source_ids=tuple(map(str, range(3, 60)))),
        SearchFilters(fields=(FieldFilter("issue_number", minimum="3"),)),
        SearchFilters(entity_types=("none",)),
    ]
)


some_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_hits_do_not_depend_on_how_shards_are_grouped(index: Index, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, 3), min_size=SHARDS, max_size=SHARDS))
    placed = list(zip(index.shard_ids, places, strict=True))
    groups = [[one for one, place in placed if place == number] for number in range(4)]
    groups = data.draw(st.permutations([group for group in groups if group]))
    mode: SearchMode = data.draw(st.sampled_from(["dense", "lexical", "hybrid"]))
    seed = data.draw(st.integers(0, 50))
    vector = index.vectors[0] if seed == 0 else unit_vectors(1, seed)[0]
    query = SearchQuery(
        text=data.draw(st.sampled_from(["Title 7", "7"]) | some_words),
        vector=vector,
        k=data.draw(st.integers(1, 60)),
        by_entity=data.draw(st.booleans()),
        passages=data.draw(st.integers(1, 3)),
        mode=mode,
        filters=data.draw(filters),
        threshold=None if mode == "lexical" else data.draw(st.none() | st.just(0.1)),
        exact=data.draw(st.booleans()),
    )
    alone = index.search(query, [index.shard_ids])
    together = index.search(query, groups)
    assert together.hits == alone.hits
    assert repr(together.hits) == repr(alone.hits)
    assert (together.searched, together.groups) == (len(groups), len(groups))


def halves(index: Index) -> list[list[str]]:
    return [index.shard_ids[:2], index.shard_ids[2:4], index.shard_ids[4:]]


def query(mode: SearchMode = "hybrid", **values: Any) -> SearchQuery:
    return SearchQuery(text="robot", vector=unit_vectors(1, 5)[0], k=20, mode=mode, **values)


def in_process(index: Index, wanted: set[str], k: int = 20) -> list[str]:
    """Dense hits over some shards only."""
    own = [shard for shard_id, shard in index.by_id.items() if shard_id in wanted]
    reader = Searcher(index.source, POOL, tuning=index.tuning)
    snapshot = Snapshot(index.snapshot.manifest, own, index.snapshot.catalogs)
    return [hit.chunk.chunk_id for hit in reader.search(query("dense"), snapshot).hits]


def second_group_fails(index: Index, error: Exception) -> Answering:
    """The shards of the second group do not answer, the others do."""
    healthy, broken = worker(index.by_id), set(halves(index)[1])

    def answer(payload: bytes) -> bytes:
        if broken & set(json.loads(payload)["group"]["scope"]["shard_ids"]):
            raise error
        return healthy(payload)

    return answer


# Whoever reports a failure may quote the query.
FAILURES = [
    PartialFailureError("crashed on robot"),
    OverloadedError("throttled for robot"),
    CorruptObjectError("robot"),
]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_group_that_fails_fails_the_search(
    index: Index, failure: UltronError, mode: SearchMode
) -> None:
    with pytest.raises(PartialFailureError, match="1 of the 3 groups") as caught:
        index.search(query(mode), halves(index), second_group_fails(index, failure))
    assert "robot" not in str(caught.value)


@pytest.mark.parametrize("failure", FAILURES)
def test_where_a_part_will_do_the_other_groups_answer(index: Index, failure: UltronError) -> None:
    groups = halves(index)
    answering = second_group_fails(index, failure)
    found = index.search(query("dense", partial=True), groups, answering)
    assert (found.searched, found.groups) == (2, 3)
    hits = [hit.chunk.chunk_id for hit in found.hits]
    assert hits == in_process(index, {*groups[0], *groups[2]})
    for mode in ("lexical", "hybrid"):
        found = index.search(query(mode, partial=True), groups, answering)
        assert (found.searched, found.groups) == (2, 3)
        assert found.hits


def test_a_group_that_failed_to_count_is_not_asked_to_search(index: Index) -> None:
    asked: list[str] = []
    failing_one = second_group_fails(index, OverloadedError("throttled"))

    def answer(payload: bytes) -> bytes:
        request = json.loads(payload)["group"]
        asked.append(f"{request['ask']} {index.shard_ids.index(request['scope']['shard_ids'][0])}")
        return failing_one(payload)

    index.search(query("lexical", partial=True), halves(index), answer)
    assert sorted(asked) == ["search 4", "statistics 2", "statistics 4"]


def test_no_answer_at_all_is_no_partial_answer(index: Index) -> None:
    with ThreadPoolExecutor(2) as pool:
        remote = RemoteGroup(
            scope(index.snapshot.manifest, index.shard_ids), Invoker(failing(FAILURES[0]))
        )
        reader = Searcher(
            index.source, POOL, scale_out=ScaleOut(lambda _: [remote], pool, seconds=30.0)
        )
        unopened = Snapshot(index.snapshot.manifest, (), ())
        with pytest.raises(PartialFailureError, match="2 of the 2 groups"):
            reader.search(query("dense", partial=True), unopened)


def test_shards_that_could_not_be_opened_here_are_a_failed_group(index: Index) -> None:
    with ThreadPoolExecutor(2) as pool:
        rest = index.shard_ids[2:]
        remote = RemoteGroup(scope(index.snapshot.manifest, rest), Invoker(worker(index.by_id)))
        reader = Searcher(
            index.source, POOL, scale_out=ScaleOut(lambda _: [remote], pool, seconds=30.0)
        )
        unopened = Snapshot(index.snapshot.manifest, (), ())
        with pytest.raises(PartialFailureError, match="1 of the 2 groups"):
            reader.search(query("hybrid"), unopened)
        found = reader.search(query("dense", partial=True), unopened)
        assert (found.searched, found.groups) == (1, 2)
        assert [hit.chunk.chunk_id for hit in found.hits] == in_process(index, set(rest))


def test_a_group_that_does_not_answer_in_time_fails(index: Index) -> None:
    release = threading.Event()

    def never(payload: bytes) -> bytes:
        release.wait()
        return b"{}"

    local = LocalGroup([], SPREAD)
    remote = RemoteGroup(scope(index.snapshot.manifest, index.shard_ids), Invoker(never))
    with ThreadPoolExecutor(1) as pool:
        try:
            calls = GroupCalls([local, remote], pool, is_partial_fine=False, seconds=0.01)
            with pytest.raises(PartialFailureError, match="1 of the 2 groups"):
                calls.finish(calls.start(lambda group: group.statistics(["robot"], by_entity=True)))
        finally:
            release.set()


@pytest.mark.parametrize(
    ("code", "error_class"),
    [("INVALID_INPUT", InvalidInputError), ("DIMENSION_MISMATCH", DimensionMismatchError)],
)
def test_what_is_wrong_with_the_search_itself_stays_that(
    index: Index, code: str, error_class: type[UltronError]
) -> None:
    answering = saying({"error": {"code": code, "message": "q: is odd", "status": 400}})
    for partial in (False, True):
        with pytest.raises(error_class, match=r"^q: is odd$"):
            index.search(query("dense", partial=partial), halves(index), answering)


@pytest.mark.parametrize(
    "document",
    [
        {"error": {"code": "INTERNAL", "message": "an internal error", "status": 500}},
        {"error": {"code": "NOT_FOUND", "message": "version 3 is gone", "status": 404}},
        {"error": "robot"},
        {},
        [],
        None,
        {
            "units": [
                {
                    "name": "a",
                    "similarity": 1.0,
                    "words": 1.0,
                    "has_all": True,
                    "passages": [{"document": 0, "similarity": 1.0}],
                }
            ],
            "documents": [],
        },
        {"rows": "robot"},
    ],
)
@pytest.mark.parametrize("mode", ["dense", "lexical"])
def test_an_answer_that_is_none_is_a_failure_of_the_group(
    index: Index, document: Any, mode: SearchMode
) -> None:
    with pytest.raises(PartialFailureError, match="2 of the 3 groups") as caught:
        index.search(query(mode), halves(index), saying(document))
    assert "robot" not in str(caught.value)


def test_an_error_of_our_own_code_is_not_taken_for_a_failed_group(index: Index) -> None:
    with pytest.raises(ZeroDivisionError):
        index.search(query("dense", partial=True), halves(index), failing(ZeroDivisionError()))


queries = st.builds(
    GroupQuery,
    depth=st.integers(1, 60),
    least=st.integers(1, 60),
    breadth=st.integers(1, 400),
    by_entity=st.booleans(),
    passages=st.integers(1, 5),
    vector=st.none() | st.integers(0, 99).map(lambda seed: unit_vectors(1, seed)[0]),
    terms=st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=5).map(tuple),
    statistics=st.none()
    | st.builds(
        TermStatistics,
        *(st.integers(0, 10**12) for _ in range(4)),
        st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.integers(0, 10**9)),
    ),
    filters=st.builds(
        SearchFilters,
        entity_types=st.lists(st.text("ab", max_size=3), max_size=2).map(tuple),
        since=st.none() | st.datetimes(timezones=st.just(UTC)),
        before=st.none() | st.datetimes(timezones=st.just(timezone(timedelta(hours=5)))),
        fields=st.lists(
            st.builds(
                FieldFilter,
                field=st.text("ab", min_size=1, max_size=3),
                one_of=st.lists(st.text(st.characters(codec="utf-8")), max_size=2).map(tuple),
                minimum=st.none() | st.just("1.50"),
            ),
            max_size=2,
        ).map(tuple),
    ),
    exact=st.booleans(),
)


@given(query=queries)
def test_a_query_arrives_as_it_was_sent(index: Index, query: GroupQuery) -> None:
    sent = SearchRequest.of(scope(index.snapshot.manifest, index.shard_ids), query)
    received = group_request.validate_python(json.loads(json.dumps(sent.model_dump(mode="json"))))
    assert isinstance(received, SearchRequest)
    arrived = received.query()
    assert dataclasses.replace(arrived, vector=None) == dataclasses.replace(query, vector=None)
    if query.vector is None:
        assert arrived.vector is None
    else:
        np.testing.assert_array_equal(arrived.vector, query.vector)


def test_a_vector_of_other_dimensions_is_refused(index: Index) -> None:
    def changed(vector: str) -> Answering:
        def answer(payload: bytes) -> bytes:
            event = json.loads(payload)
            event["group"]["vector"] = vector
            return worker(index.by_id)(json.dumps(event).encode())

        return answer

    for vector in ("AAAA", "no base64", "é"):
        with pytest.raises(InvalidInputError, match=r"^vector: "):
            index.search(query("dense"), halves(index), changed(vector))


@pytest.mark.parametrize("answer", [b"no json", b"[" * 2000, b"[]", b"\xff"])
def test_an_answer_that_cannot_be_read_is_a_failure_of_the_group(
    index: Index, answer: bytes
) -> None:
    remote = RemoteGroup(scope(index.snapshot.manifest, index.shard_ids), Invoker(lambda _: answer))
    with pytest.raises(PartialFailureError, match="unreadable"):
        remote.sample(1, seed=0)


def test_the_same_rows_are_drawn_for_a_seed(index: Index) -> None:
    group = LocalGroup(list(index.by_id.values()), SPREAD)
    remote = RemoteGroup(
        scope(index.snapshot.manifest, index.shard_ids), Invoker(worker(index.by_id))
    )
    drawn = group.sample(40, seed=3)
    assert drawn == remote.sample(40, seed=3) == group.sample(40, seed=3)
    assert drawn != group.sample(40, seed=4)
    assert (drawn.rows, len(drawn.texts)) == (sum(s.live_rows for s in index.by_id.values()), 40)
    assert len(group.sample(1000, seed=3).texts) == drawn.rows
    assert LocalGroup([], SPREAD).sample(3, seed=0).rows == 0


sizes = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 50)), max_size=30)


@given(sizes=sizes, budget=st.none() | st.integers(1, 120))
def test_shards_are_dealt_in_order_and_within_the_budget(
    sizes: list[tuple[int, int]], budget: int | None
) -> None:
    shards = [_descriptor(number, *one) for number, one in enumerate(sizes)]
    groups = partition_shards(shards, budget)
    assert [s for group in groups for s in group] == [s for s in shards if s.vectors]
    assert all(groups) or groups == ((),)
    for number, group in enumerate(groups):
        total = sum(s.size_bytes for s in group)
        assert budget is None or total <= budget or len(group) == 1
        if number + 1 < len(groups):  # none could have been fuller
            assert budget is not None
            assert total + groups[number + 1][0].size_bytes > budget


def _descriptor(number: int, vectors: int, size: int) -> ShardDescriptor:
    return ShardDescriptor(
        shard_id=f"{number:08x}",
        origin=str(number),
        seq=1,
        model=MODEL,
        vectors=vectors,
        entities=1,
        catalog=FileReference(key="k", size_bytes=size, sha256="0" * 64),
        graph=None,
        sidecar=None,
    )
