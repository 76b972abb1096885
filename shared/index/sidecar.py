"""The SQLite sidecar of a shard: the text and metadata of its rows, and where words occur."""

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from shared.errors import CorruptObjectError
from shared.index.lexical import Postings
from shared.models.chunk import ChunkMetadata
from shared.models.manifest import ModelIdentity

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (label INTEGER PRIMARY KEY, text TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE postings (term TEXT PRIMARY KEY, labels BLOB NOT NULL, counts BLOB NOT NULL);
"""
_MAGIC = b"SQLite format 3\0"
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Document:
    """What the sidecar keeps of a row."""

    text: str
    metadata: ChunkMetadata


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
    documents: Iterable[Document],
    postings: Iterable[tuple[str, Postings]],
) -> None:
    """Write a new sidecar; the same input makes the same bytes.

    Args:
        path: of the file, which must not exist.
        model: whose vectors the shard holds.
        documents: in the order of their labels.
        postings: of each word, in the order of the words.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in ("page_size = 4096", "journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {statement}")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(_meta(model).items()))
        connection.executemany(
            "INSERT INTO documents VALUES (?, ?, ?)",
            (
                (label, document.text, document.metadata.model_dump_json())
                for label, document in enumerate(documents)
            ),
        )
        connection.executemany(
            "INSERT INTO postings VALUES (?, ?, ?)",
            ((word, found.labels.tobytes(), found.counts.tobytes()) for word, found in postings),
        )
        connection.execute("COMMIT")
    finally:
        connection.close()


def _meta(model: ModelIdentity) -> dict[str, str]:
    return {"schema_version": str(SCHEMA_VERSION), "model": model.model_dump_json()}


class Sidecar:
    """A sidecar, opened at its first use; safe to use from several threads, one at a time."""

    def __init__(self, locate: Callable[[], Path], *, model: ModelIdentity, name: str) -> None:
        """Look whether the file that `locate` finds can be a sidecar.

        Raises:
            CorruptObjectError: it is no SQLite file; names `name`.
        """
        self._locate = locate
        self._model = model
        self._name = name
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        with locate().open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise CorruptObjectError(f"{name} is no SQLite sidecar; build the shard again")

    def postings(self, words: Sequence[str]) -> dict[str, Postings]:
        """Where the words of `query_terms` occur; words that do not are left out.

        Raises:
            CorruptObjectError: as every reading method, when the file is no sidecar of this
                schema and model.
        """
        if not words:
            return {}
        rows = self._read(
            f"SELECT * FROM postings WHERE term IN ({', '.join('?' * len(words))})",  # noqa: S608 - question marks only
            words,
        )
        return {row[0]: _postings(row) for row in rows}

    def documents(self, labels: Iterable[int]) -> dict[int, Document]:
        """Text and metadata of some rows."""
        wanted = list(labels)
        found: dict[int, Document] = {}
        for start in range(0, len(wanted), _ROWS_AT_ONCE):
            part = wanted[start : start + _ROWS_AT_ONCE]
            rows = self._read(
                f"SELECT * FROM documents WHERE label IN ({', '.join('?' * len(part))})",  # noqa: S608 - question marks only
                part,
            )
            found |= {row[0]: self._document(row) for row in rows}
        missing = [label for label in wanted if label not in found]
        if missing:
            raise CorruptObjectError(f"{self._name} lacks row {missing[0]}; build the shard again")
        return found

    def every_document(self) -> Iterator[tuple[int, Document]]:
        """Every row with its label, ascending; a few at a time."""
        statement = "SELECT * FROM documents WHERE label > ? ORDER BY label LIMIT ?"
        last = -1
        while rows := self._read(statement, [last, _ROWS_AT_ONCE]):
            last = rows[-1][0]
            for row in rows:
                yield row[0], self._document(row)

    def every_posting(self) -> Iterator[tuple[str, Postings]]:
        """Every word and where it occurs, in the order of the words; a few at a time."""
        statement = "SELECT * FROM postings WHERE term > ? ORDER BY term LIMIT ?"
        last = ""  # no word is empty
        while rows := self._read(statement, [last, _ROWS_AT_ONCE]):
            last = rows[-1][0]
            for row in rows:
                yield row[0], _postings(row)

    def close(self) -> None:
        """Close the file now; a later use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _read(self, statement: str, parameters: Sequence[str | int]) -> list[Any]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._opened()
                return self._connection.execute(statement, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                raise CorruptObjectError(
                    f"{self._name} is no SQLite sidecar: {error}; build the shard again"
                ) from error

    def _opened(self) -> sqlite3.Connection:
        # Immutable: no locks, no journal, no look at whether the file changed. It never does.
        connection = sqlite3.connect(
            f"{self._locate().absolute().as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        # Whoever searches last closes it: an older version of the index may still be in use.
        weakref.finalize(self, connection.close)
        try:
            connection.execute("PRAGMA mmap_size = 268435456")
            found = dict(connection.execute("SELECT key, value FROM meta"))
            self._check(found)
        except (sqlite3.DatabaseError, CorruptObjectError):
            connection.close()
            raise
        return connection

    def _check(self, found: Mapping[str, str]) -> None:
        for key, value in _meta(self._model).items():
            if found.get(key) != value:
                raise CorruptObjectError(
                    f"{self._name} says {key} {found.get(key)}, its manifest {value}; "
                    "build the shard again"
                )

    def _document(self, row: Sequence[Any]) -> Document:
        try:
            return Document(row[1], ChunkMetadata.model_validate_json(row[2]))
        except ValidationError as error:
            raise CorruptObjectError(
                f"{self._name} has unreadable metadata in row {row[0]}; build the shard again"
            ) from error


def _postings(row: Sequence[Any]) -> Postings:
    return Postings(np.frombuffer(row[1], "<u4"), np.frombuffer(row[2], "<u2"))
