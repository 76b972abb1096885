"""Rebuilds shards from what the pipeline keeps of each part: its vectors and its chunks.

Nothing is embedded. A part keeps its origin and the time of its run, so that whatever is built from
older and newer parts, in whatever order, the newest version of an entity is the one that counts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from shared.errors import CorruptObjectError, NotFoundError
from shared.index.catalog.catalog import read_catalog
from shared.index.catalog.liveness import live_entities
from shared.index.maintenance.merged_files import MergeInput, write_merged
from shared.index.shard.shard_writer import (
    ShardContent,
    ShardSource,
    check_vectors,
    collect_content,
    upload_shard,
    write_files,
)
from shared.index.shard.sidecar import Sidecar
from shared.index.shard.vector_file import StoredVectors, Vectors, decode_vectors
from shared.models.base import CorpusName
from shared.models.chunk import Chunk, CoveredEntity, chunk_file_line
from shared.models.entity import EntityVersion
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.storage import jsonl
from shared.storage.object_store import ObjectStore, ObjectSummary
from shared.storage.part_keys import PartKeys, parse_vectors_key

# Texts, words and links come on top of the vectors: a shard is about 1.5 times their size.
_SHARD_TO_VECTORS = 1.6
# Each part of a step is an open file or two.
MOST_PARTS_AT_ONCE = 256

Admission = Callable[[str, int], bool]
"""Whether a part belongs to the index, by its origin and the `seq` of its run."""


def plan_steps(parts: Iterable[ObjectSummary], maximum_bytes: int) -> list[tuple[str, ...]]:
    """Partition the stored parts, in order, into shards of at most about `maximum_bytes`."""
    steps: list[tuple[str, ...]] = []
    step: tuple[str, ...] = ()
    size = 0.0
    for part in parts:
        added = part.size_bytes * _SHARD_TO_VECTORS
        if step and (size + added > maximum_bytes or len(step) == MOST_PARTS_AT_ONCE):
            steps.append(step)
            step, size = (), 0.0
        step, size = (*step, part.key), size + added
    return [*steps, step] if step else steps


@dataclass(frozen=True, slots=True)
class ShardRebuilder:
    """Builds shards of one index with files in `directory`, which the caller empties."""

    store: ObjectStore
    corpus: CorpusName
    model: ModelIdentity
    directory: Path
    admits: Admission
    threads: int = 1

    def build(self, vector_keys: Sequence[str], origin: str) -> ShardDescriptor | None:
        """Build and upload one shard of some parts; parts that do not belong in are left out.

        Returns:
            The shard, or None when no part is of this model and admitted.

        Raises:
            CorruptObjectError: vectors or chunks are gone, damaged, or do not fit each other;
                names the key and what to do.
        """
        parts = [part for part in map(self._prepared, vector_keys) if part is not None]
        if not parts:
            return None
        catalogs = [part.catalog for part in parts]
        inputs = [
            MergeInput(part.catalog, live, part.vectors, part.sidecar)
            for part, live in zip(parts, live_entities(catalogs), strict=True)
        ]
        files = write_merged(self.directory, self.model, inputs, threads=self.threads)
        if files is None:
            return None
        seq = max(int(catalog.entity_seqs.max(initial=0)) for catalog in catalogs)
        source = ShardSource(self.corpus, self.model, origin, seq)
        return upload_shard(self.store, source, files)

    def _prepared(self, key: str) -> MergeInput | None:
        """One part as if it were a shard, but for its graph."""
        part = parse_vectors_key(key)
        if part is None:
            raise CorruptObjectError(f"{key} is not where the vectors of a part lie")
        data = self._vectors(part)
        if data is None:
            return None
        stored = decode_vectors(data, key)
        seq = part.run_seq if stored.seq is None else stored.seq
        if not self.admits(part.origin, seq):
            return None
        content = _content(part, stored, self._lines(part), seq)
        source = ShardSource(self.corpus, self.model, part.origin, seq)
        check_vectors(stored.vectors, len(content.chunks), source)
        return self._as_input(part, content, stored.vectors)

    def _as_input(self, part: PartKeys, content: ShardContent, vectors: Vectors) -> MergeInput:
        folder = self.directory / part.origin.replace("/", "_")
        folder.mkdir()
        order = sorted(range(len(content.chunks)), key=lambda n: content.chunks[n].chunk_id)
        chunks = [content.chunks[number] for number in order]
        files = write_files(folder, self.model, content, chunks)
        catalog = read_catalog(files.catalog, name=f"the catalog of {part.origin}")
        kept = np.ones(catalog.entities, dtype=np.bool_)
        if files.sidecar is None:
            return MergeInput(catalog, kept, None, None)
        path = files.sidecar
        sidecar = Sidecar(
            lambda: path,
            model=self.model,
            rows=catalog.rows,
            name=f"the sidecar of {part.origin}",
        )
        np.save(folder / "vectors.npy", vectors[order])
        mapped: Vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        return MergeInput(catalog, kept, mapped.__getitem__, sidecar)

    def _vectors(self, part: PartKeys) -> bytes | None:
        """The file of a part's vectors, None if they are of another model."""
        try:
            stored = self.store.get(part.vectors_key)
        except NotFoundError:
            raise CorruptObjectError(
                f"{part.vectors_key} was deleted while the index was rebuilt; begin again"
            ) from None
        found = (stored.metadata.get("model-id"), stored.metadata.get("model-revision"))
        return stored.data if found == (self.model.id, self.model.revision) else None

    def _lines(self, part: PartKeys) -> list[Chunk | CoveredEntity]:
        key = part.chunks_key
        try:
            data = self.store.get(key).data
        except NotFoundError:
            raise CorruptObjectError(
                f"{key} is gone, whose vectors are at {part.vectors_key}; chunk the page again, "
                "or delete the vectors and begin again"
            ) from None
        try:
            return [chunk_file_line.validate_json(line) for line in jsonl.decode_lines(data, key)]
        except ValidationError as error:
            raise CorruptObjectError(
                f"{key} holds a line that is no chunk ({error.error_count()} problems); "
                "chunk the page again"
            ) from None


def _content(
    part: PartKeys, stored: StoredVectors, lines: Sequence[Chunk | CoveredEntity], seq: int
) -> ShardContent:
    """What the part's shard spoke for: what the vectors name, or all of the chunk file."""
    found = collect_content(lines, origin=part.origin, seq=seq)
    entities = found.entities
    if stored.checksums is not None:
        entities = {
            key: EntityVersion(seq, part.origin, checksum)
            for key, checksum in stored.checksums.items()
        }
    chunks = {chunk.chunk_id: chunk for chunk in found.chunks if chunk.parent in entities}
    if sorted(stored.ids) != sorted(chunks):
        raise CorruptObjectError(
            f"{part.vectors_key} has the vectors of {len(stored.ids)} chunks, which are not the "
            f"{len(chunks)} that {part.chunks_key} has of its entities; embed the part again"
        )
    return ShardContent(entities, [chunks[chunk_id] for chunk_id in stored.ids])
