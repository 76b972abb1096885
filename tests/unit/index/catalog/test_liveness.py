"""Liveness: the newest version of an entity speaks, whatever the order of shards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.index.catalog.catalog import Catalog, encode_catalog, read_catalog
from shared.index.catalog.liveness import live_entities
from shared.models.entity import EntityVersion
from tests.unit.index.index_builders import MODEL

Shard = Mapping[str, EntityVersion]
versions = st.builds(
    EntityVersion,
    seq=st.sampled_from([0, 1, 2, 2**53, 2**53 + 1]),
    origin=st.sampled_from(["a", "b", "b/1", "ä", "\U0001f600"]),
    checksum=st.just(""),
)
shard_lists = st.lists(st.dictionaries(st.sampled_from("uvwxyz"), versions), max_size=6)


def catalogs_of(shards: Sequence[Shard]) -> list[Catalog]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog"
        opened = []
        for shard in shards:
            path.write_bytes(encode_catalog(MODEL, shard, []))
            opened.append(read_catalog(path, name="test"))
        return opened


@settings(max_examples=200, deadline=None)
@given(shard_lists)
def test_the_first_shard_with_the_newest_version_speaks_for_each_entity(
    shards: Sequence[Shard],
) -> None:
    catalogs = catalogs_of(shards)
    live = live_entities(catalogs)
    assert [len(mask) for mask in live] == [len(shard) for shard in shards]
    for key in {key for shard in shards for key in shard}:
        holders = [number for number, shard in enumerate(shards) if key in shard]
        newest = max(shards[number][key].order for number in holders)
        first = next(n for n in holders if shards[n][key].order == newest)
        speaking = [n for n in holders if live[n][catalogs[n].entity_keys.index(key)]]
        assert speaking == [first]


def test_no_shards_have_no_entities() -> None:
    assert live_entities([]) == []
