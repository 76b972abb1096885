"""Keeps parts as the line keeps them: vectors and chunks of two runs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.index.catalog.catalog import read_catalog
from shared.index.maintenance.rebuilt_shards import Admission, ShardRebuilder
from shared.index.shard.shard_writer import collect_content
from shared.index.shard.vector_file import StoredVectors, encode_vectors
from shared.models.entity import EntityVersion
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.storage import jsonl
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import CORPUS, DIMS, MODEL, chunk, lines_of, unit_vectors

RUN_1 = "20261101T060000Z-1a2b3c4d"
RUN_2 = "20261102T060000Z-1a2b3c4d"
SEQS = {RUN_1: 1_793_512_800_000, RUN_2: 1_793_599_200_000}
OTHER = ModelIdentity(id="other", revision="9", dims=DIMS)


def vectors_key(run: str = RUN_1, page: str = "comics-0", part: int = 0) -> str:
    return f"embeddings/{CORPUS}/{run[:4]}/{run[4:6]}/{run[6:8]}/{run}/{page}-{part:04d}.npz"


def chunks_key(run: str = RUN_1, page: str = "comics-0", part: int = 0) -> str:
    return f"chunks/{CORPUS}/{run[:4]}/{run[4:6]}/{run[6:8]}/{run}/{page}-{part:04d}.jsonl.gz"


@dataclass
class Kept:
    """What the line keeps of some parts."""

    directory: Path
    store: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    builds: int = 0

    def put(
        self,
        entities: Mapping[str, int],
        *,
        run: str = RUN_1,
        part: int = 0,
        model: ModelIdentity = MODEL,
        named: Sequence[str] | None = None,
        is_old: bool = False,
    ) -> str:
        """Keep a part; `named`: only these were not indexed before; `is_old`: the old format."""
        chunks = [
            chunk(key, n + 1, f"{key} number {n} of {run}")
            for key, count in entities.items()
            for n in range(count)
        ]
        origin = f"{run}/comics-0/{part}"
        content = collect_content(lines_of(chunks, list(entities)), origin=origin, seq=SEQS[run])
        names = list(entities) if named is None else named
        held = [one for one in chunks if one.parent in names]
        vectors = unit_vectors(len(held), SEQS[run] // 1000 % 1000 + part, model.dims)
        checksums = {key: content.entities[key].checksum for key in names}
        stored = StoredVectors(
            tuple(one.chunk_id for one in held),
            vectors,
            origin,
            SEQS[run],
            checksums,
        )
        data = old_format(stored) if is_old else encode_vectors(stored)
        key = vectors_key(run, part=part)
        self.store.put(key, data, metadata={"model-id": model.id, "model-revision": model.revision})
        lines = jsonl.encode_models(lines_of(chunks, list(entities)))
        self.store.put(chunks_key(run, part=part), lines)
        return key

    def build(
        self,
        keys: Sequence[str],
        model: ModelIdentity = MODEL,
        admits: Admission = lambda _origin, _seq: True,
    ) -> ShardDescriptor | None:
        self.builds += 1
        folder = self.directory / str(self.builds)
        folder.mkdir()
        return ShardRebuilder(self.store, CORPUS, model, folder, admits).build(keys, "rebuild/0/0")

    def versions(self, shard: ShardDescriptor) -> dict[str, EntityVersion]:
        path = self.directory / "catalog.npz"
        self.store.download(shard.catalog.key, path)
        return read_catalog(path, name="it").versions()


def old_format(stored: StoredVectors) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, ids=np.array(stored.ids, dtype=np.str_), vectors=stored.vectors)
    return buffer.getvalue()
