"""Shards as earlier releases wrote them: the words of a title count with those of each text."""

import hashlib
import io
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from shared.index.catalog.array_archive import read_arrays
from shared.index.shard.tokenizer import TOKENIZER
from shared.models.chunk import Chunk
from shared.models.manifest import FileReference, ShardDescriptor
from shared.storage.object_store import ObjectStore

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (label INTEGER PRIMARY KEY, text TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE postings (term TEXT PRIMARY KEY, labels BLOB NOT NULL, counts BLOB NOT NULL);
"""


def as_earlier_release(
    store: ObjectStore, shard: ShardDescriptor, chunks: Sequence[Chunk], folder: Path
) -> ShardDescriptor:
    """Write catalog and sidecar of a shard of these chunks again, in the format of version 2."""
    ordered = sorted(chunks, key=lambda one: one.chunk_id)
    words = [Counter(TOKENIZER.words(f"{one.metadata.title}\n{one.text}")) for one in ordered]
    catalog = _catalog(store.get(shard.catalog.key).data, [found.total() for found in words])
    path = folder / f"{shard.shard_id}.sqlite"
    _write_sidecar(path, shard, ordered, words)
    assert shard.sidecar is not None
    return shard.model_copy(
        update={
            "catalog": _stored(store, shard.catalog.key, catalog),
            "sidecar": _stored(store, shard.sidecar.key, path.read_bytes()),
        }
    )


def _catalog(data: bytes, lengths: Sequence[int]) -> bytes:
    arrays = dict(read_arrays(data))
    del arrays["row_title_words"]
    header = json.loads(arrays["header"].tobytes()) | {"schema_version": 2}
    described = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    arrays["header"] = np.frombuffer(described, np.uint8)
    arrays["row_words"] = np.array(lengths, "<u4")
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _write_sidecar(
    path: Path, shard: ShardDescriptor, chunks: Sequence[Chunk], words: Sequence[Counter[str]]
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.executescript(_SCHEMA)
        meta = {"schema_version": "2", "model": shard.model.model_dump_json()}
        connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))
        for label, one in enumerate(chunks):
            row = (label, one.text, one.metadata.model_dump_json())
            connection.execute("INSERT INTO documents VALUES (?, ?, ?)", row)
        for word in sorted(set().union(*words)):
            labels = [label for label, found in enumerate(words) if word in found]
            counts = [words[label][word] for label in labels]
            connection.execute(
                "INSERT INTO postings VALUES (?, ?, ?)",
                (word, np.array(labels, "<u4").tobytes(), np.array(counts, "<u2").tobytes()),
            )


def _stored(store: ObjectStore, former: str, data: bytes) -> FileReference:
    name, _, suffix = former.rpartition(".")
    key = f"{name}-earlier.{suffix}"
    store.put(key, data)
    digest = hashlib.sha256(data).hexdigest()
    return FileReference(key=key, size_bytes=len(data), sha256=digest)
