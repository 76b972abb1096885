"""The SQLite sidecar of a shard: text, metadata, covered entities and the words of its rows."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import CorruptObjectError
from shared.index.filters import SearchFilters, parse_moment, to_microseconds
from shared.index.graph import Labels
from shared.index.lexical import Postings, build_tables
from shared.index.liveness import Version
from shared.models.chunk import Chunk, ChunkMetadata
from shared.models.manifest import ModelIdentity

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entities (
  entity_key TEXT PRIMARY KEY, seq INTEGER NOT NULL, origin TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE rows (
  label INTEGER PRIMARY KEY, chunk_id TEXT NOT NULL, entity_key TEXT NOT NULL,
  seq INTEGER NOT NULL, text TEXT NOT NULL, entity_type TEXT NOT NULL, source_id TEXT NOT NULL,
  title TEXT NOT NULL, urls TEXT NOT NULL, modified TEXT, modified_microseconds INTEGER,
  source_path TEXT NOT NULL, attribution TEXT, fields TEXT NOT NULL
);
CREATE TABLE postings (term TEXT PRIMARY KEY, labels BLOB NOT NULL, counts BLOB NOT NULL);
CREATE TABLE arrays (name TEXT PRIMARY KEY, data BLOB NOT NULL);
"""
# The first holds all that filters ask, so that they never read the texts; the second is what
# opening a shard reads.
_INDEXES = """
CREATE INDEX rows_by_filter ON rows (entity_type, source_id, modified_microseconds);
CREATE INDEX rows_by_label ON rows (label, chunk_id, entity_key);
"""
_LENGTHS = "lengths"
_COLUMNS = (
    "label, chunk_id, entity_key, text, entity_type, source_id, title, urls, modified, "
    "source_path, attribution, fields"
)


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A row as shown in a result."""

    chunk_id: str
    entity_key: str
    text: str
    metadata: ChunkMetadata


def write_sidecar(
    path: Path,
    *,
    model: ModelIdentity,
    entities: Mapping[str, Version],
    chunks: Sequence[Chunk],
) -> None:
    """Write a new sidecar; the position of a chunk is its label. The same input, the same bytes."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in ("page_size = 4096", "journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {statement}")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        _insert(connection, "meta", sorted(_meta(model).items()))
        _insert(connection, "entities", ((key, *entities[key]) for key in sorted(entities)))
        _insert(connection, "rows", (_row(n, chunk, entities) for n, chunk in enumerate(chunks)))
        _insert_words(connection, chunks)
        connection.execute("COMMIT")
        connection.executescript(_INDEXES)
    finally:
        connection.close()


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608 - our tables


def _insert_words(connection: sqlite3.Connection, chunks: Iterable[Chunk]) -> None:
    tables = build_tables(f"{chunk.metadata.title}\n{chunk.text}" for chunk in chunks)
    postings = (
        (word, found.labels.tobytes(), found.counts.tobytes())
        for word, found in tables.postings.items()
    )
    _insert(connection, "postings", postings)
    _insert(connection, "arrays", [(_LENGTHS, tables.lengths.tobytes())])


def _meta(model: ModelIdentity) -> dict[str, str]:
    return {"schema_version": str(SCHEMA_VERSION), "model": model.model_dump_json()}


def _row(label: int, chunk: Chunk, entities: Mapping[str, Version]) -> tuple[Any, ...]:
    metadata = chunk.metadata
    moment = parse_moment(metadata.modified)
    return (
        label,
        chunk.chunk_id,
        chunk.parent,
        entities[chunk.parent][0],
        chunk.text,
        metadata.entity_type,
        metadata.source_id,
        metadata.title,
        json.dumps(metadata.urls),
        metadata.modified,
        to_microseconds(moment) if moment else None,
        metadata.source_path,
        metadata.attribution,
        json.dumps(metadata.fields, sort_keys=True),
    )


class Sidecar:
    """An open sidecar; safe to use from several threads, one at a time."""

    def __init__(self, path: Path, *, model: ModelIdentity, name: str) -> None:
        """Open and check a sidecar.

        Raises:
            CorruptObjectError: it is no sidecar of this schema and model; names `name`.
        """
        self._lock = threading.Lock()
        self._name = name
        # Immutable: no locks, no journal, no look at whether the file changed. It never does.
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._check(model)
            self.entities: dict[str, Version] = {
                key: (seq, origin) for key, seq, origin in self._read("SELECT * FROM entities")
            }
            rows = self._read("SELECT label, chunk_id, entity_key FROM rows ORDER BY label")
            lengths = self._read("SELECT data FROM arrays WHERE name = ?", [_LENGTHS])
            if [row[0] for row in rows] != list(range(len(rows))) or not lengths:
                raise CorruptObjectError(f"{name} has gaps in its rows; build the shard again")
        except (sqlite3.DatabaseError, CorruptObjectError) as error:
            self._connection.close()
            raise _corrupt(name, error) from error
        self.lengths = np.frombuffer(lengths[0][0], "<u4")
        self.chunk_ids: list[str] = [row[1] for row in rows]
        self.entity_keys: list[str] = [row[2] for row in rows]

    def _check(self, model: ModelIdentity) -> None:
        self._connection.execute("PRAGMA mmap_size = 268435456")
        found = dict(self._read("SELECT key, value FROM meta"))
        for key, value in _meta(model).items():
            if found.get(key) != value:
                raise CorruptObjectError(
                    f"{self._name} says {key} {found.get(key)}, its manifest {value}; "
                    "build the shard again"
                )

    def matching(self, filters: SearchFilters) -> Labels:
        """Labels of the rows that pass the filters, ascending."""
        condition, parameters = filters.where()
        rows = self._read(
            f"SELECT label FROM rows WHERE {condition} ORDER BY label",  # noqa: S608 - our columns
            parameters,
        )
        return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))

    def postings(self, terms: Sequence[str]) -> dict[str, Postings]:
        """Where the words of `query_terms` occur; words that do not are left out."""
        rows = self._read(
            f"SELECT * FROM postings WHERE term IN ({', '.join('?' * len(terms))})",  # noqa: S608 - question marks only
            terms,
        )
        return {
            term: Postings(np.frombuffer(labels, "<u4"), np.frombuffer(counts, "<u2"))
            for term, labels, counts in rows
        }

    def documents(self, labels: Iterable[int]) -> dict[int, StoredChunk]:
        """Text and metadata of some rows."""
        wanted = list(labels)
        rows = self._read(
            f"SELECT {_COLUMNS} FROM rows WHERE label IN ({', '.join('?' * len(wanted))})",  # noqa: S608 - question marks only
            wanted,
        )
        return {row[0]: _stored_chunk(row) for row in rows}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _read(self, statement: str, parameters: Sequence[str | int] = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()


def _stored_chunk(row: Sequence[Any]) -> StoredChunk:
    _, chunk_id, entity_key, text, entity_type, source_id, title, urls, modified = row[:9]
    source_path, attribution, fields = row[9:]
    metadata = ChunkMetadata(
        entity_type=entity_type,
        source_id=source_id,
        title=title,
        urls=tuple(json.loads(urls)),
        modified=modified,
        attribution=attribution,
        source_path=source_path,
        fields=json.loads(fields),
    )
    return StoredChunk(chunk_id, entity_key, text, metadata)


def _corrupt(name: str, error: Exception) -> CorruptObjectError:
    if isinstance(error, CorruptObjectError):
        return error
    return CorruptObjectError(f"{name} is no SQLite sidecar: {error}; build the shard again")
