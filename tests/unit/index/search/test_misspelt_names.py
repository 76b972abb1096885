"""Names of the demo corpus as people mistype, join and part them: most are still found."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.wire import ENTITY_TYPES
from shared.canonical.records import RecordContext
from shared.index.search.searcher import Searcher, SearchQuery
from shared.models.chunk import Chunk
from shared.models.corpus import ChunkingSettings
from shared.sources.marvel.entities import canonicalise_marvel
from shared.storage.memory import MemoryObjectStore
from shared.text.chunking import chunk_entity
from tests.unit.index.index_builders import build_shard, manifests, searcher, unit_vectors
from tests.unit.index.manifest_builders import no_floor

RUN_ID = "20261123T060000Z-1a2b3c4d"
NAMES: dict[str, str] = json.loads(
    (Path(__file__).parents[3] / "misspelt_names.json").read_text(encoding="utf-8")
)


def demo_chunks() -> Iterator[Chunk]:
    catalog = demo_catalog()
    for kind in ENTITY_TYPES:
        context = RecordContext(kind, RUN_ID, "for tests")
        for wire in catalog.all(kind):
            record = json.loads(json.dumps(wire))
            entity = canonicalise_marvel(record, context).entity
            yield from chunk_entity(entity, "raw/x", ChunkingSettings())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    store = MemoryObjectStore()
    chunks = sorted(demo_chunks(), key=lambda one: one.chunk_id)
    shards = []
    # In parts, as merges leave them; the words of a name need not be in the same part as others.
    for number, part in enumerate(np.array_split(np.arange(len(chunks)), 4)):
        some = [chunks[place] for place in part]
        shards.append(build_shard(store, some, unit_vectors(len(some), 1), origin=f"r/p/{number}"))
    manifests(store).commit(shards, floor=no_floor)
    return searcher(store, tmp_path_factory.mktemp("demo"))


def missed(demo: Searcher, *, spelling: bool) -> dict[str, str]:
    found = {
        name: demo.search(
            SearchQuery(text=name, vector=None, k=3, mode="lexical", spelling=spelling)
        ).hits
        for name in NAMES
    }
    return {
        name: title
        for name, title in NAMES.items()
        if title not in [hit.chunk.metadata.title for hit in found[name]]
    }


def test_most_misspelt_names_are_among_the_first_three(demo: Searcher) -> None:
    assert len(NAMES) == 45
    # Both words of these are known, so nothing stands for them.
    assert set(missed(demo, spelling=True)) <= {"fire star", "run aways"}
    assert len(missed(demo, spelling=False)) > 30
