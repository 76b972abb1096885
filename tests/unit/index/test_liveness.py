"""Liveness: the newest version of an entity speaks, whatever the order of commits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.index.liveness import Version, superseded_entities
from shared.index.searcher import SearchQuery
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import build_shard, chunk, manifests, searcher, unit_vectors

versions = st.tuples(st.integers(0, 3), st.sampled_from("abc"))
shard_maps = st.lists(st.dictionaries(st.sampled_from("wxyz"), versions), max_size=5)


@given(shard_maps)
def test_exactly_one_newest_shard_speaks_for_each_entity(
    shards: Sequence[Mapping[str, Version]],
) -> None:
    superseded = superseded_entities(shards)
    for key in {key for shard in shards for key in shard}:
        holders = [n for n, shard in enumerate(shards) if key in shard]
        speaking = [n for n in holders if key not in superseded[n]]
        assert len(speaking) == 1
        assert shards[speaking[0]][key] == max(shards[n][key] for n in holders)
    assert all(lost <= set(shard) for lost, shard in zip(superseded, shards, strict=True))


# A shard: its seq, and for each entity it covers how many chunks that has now.
updates = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.dictionaries(st.sampled_from(["t:1", "t:2", "t:3"]), st.integers(0, 3), min_size=1),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(updates, st.data())
def test_only_the_newest_text_of_an_entity_is_found(
    history: Sequence[tuple[int, Mapping[str, int]]], data: st.DataObject
) -> None:
    store = MemoryObjectStore()
    shards = []
    expected: dict[str, tuple[Version, set[str]]] = {}
    for number, (seq, entities) in enumerate(history):
        origin = f"run/page/{number}"
        chunks = [
            chunk(key, n + 1, text=f"version {seq} {origin} of {key}")
            for key, count in entities.items()
            for n in range(count)
        ]
        vectors = unit_vectors(len(chunks), seed=number)
        shards.append(
            build_shard(store, chunks, vectors, origin=origin, seq=seq, covered=list(entities))
        )
        for key in entities:
            newest = expected.get(key)
            if newest is None or (seq, origin) > newest[0]:
                expected[key] = ((seq, origin), {c.text for c in chunks if c.parent == key})
    delivered = data.draw(st.permutations([*shards, *shards[:2]]))
    with TemporaryDirectory() as folder:
        reader = searcher(store, Path(folder))
        for shard in delivered:
            manifests(store).commit([shard])
            reader.refresh()  # a reader that followed every version sees what a new one sees
        live = {text for _, texts in expected.values() for text in texts}
        for either in (reader, searcher(store, Path(folder))):
            for mode in ("dense", "lexical", "hybrid"):
                query = SearchQuery(text="version", vector=unit_vectors(1, 99)[0], k=50, mode=mode)
                assert {hit.chunk.text for hit in either.search(query).hits} == live
