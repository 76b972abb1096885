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
from shared.index.lexical import inverse_document_frequency, match_expression
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
CREATE VIRTUAL TABLE words USING fts5(
  title, text, content='rows', content_rowid='label',
  tokenize='porter unicode61 remove_diacritics 2'
);
"""
# Made after the rows. The first holds all that filters ask, so they never read the texts; the
# second is what opening a shard reads.
_INDEXES = """
CREATE INDEX rows_by_filter ON rows (entity_type, source_id, modified_microseconds);
CREATE INDEX rows_by_label ON rows (label, chunk_id, entity_key);
INSERT INTO words(words) VALUES ('rebuild');
INSERT INTO words(words) VALUES ('optimize');
"""
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
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(f"BEGIN; {_SCHEMA}")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(_meta(model).items()))
        connection.executemany(
            "INSERT INTO entities VALUES (?, ?, ?)",
            ((key, *entities[key]) for key in sorted(entities)),
        )
        connection.executemany(
            f"INSERT INTO rows VALUES ({', '.join('?' * 14)})",  # noqa: S608 - question marks only
            (_row(label, chunk, entities) for label, chunk in enumerate(chunks)),
        )
        connection.executescript(f"BEGIN; {_INDEXES} COMMIT;")
    finally:
        connection.close()


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
            if [row[0] for row in rows] != list(range(len(rows))):
                raise CorruptObjectError(f"{name} has gaps in its rows; build the shard again")
        except (sqlite3.DatabaseError, CorruptObjectError) as error:
            self._connection.close()
            raise _corrupt(name, error) from error
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

    def rows_with(self, term: str) -> Labels:
        """Labels of the rows that hold a word of `query_terms`, or one of the same stem."""
        rows = self._read("SELECT rowid FROM words WHERE words MATCH ?", (match_expression(term),))
        return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))

    def term_frequencies(self, term: str) -> tuple[Labels, "np.ndarray[Any, np.dtype[np.float64]]"]:
        """Rows with a word, and the saturated term frequency that BM25 weighs with the idf.

        bm25() multiplies by the idf of this shard alone, which says little: a page about one hero
        would rank last for that hero's name. It is divided out; the caller weighs by the whole
        index. FTS5 negates its scores.
        """
        rows = self._read(
            "SELECT rowid, bm25(words) FROM words WHERE words MATCH ?", (match_expression(term),)
        )
        own_weight = inverse_document_frequency(len(self.chunk_ids), len(rows))
        labels = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        scores = np.fromiter((row[1] for row in rows), dtype=np.float64, count=len(rows))
        return labels, -scores / own_weight

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
