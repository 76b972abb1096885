"""The SQLite sidecar of a shard: the text and metadata of its rows, and where words occur."""

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import ValidationError

from shared.errors import CorruptObjectError
from shared.index.shard.lexical import Postings
from shared.models.chunk import ChunkMetadata
from shared.models.manifest import ModelIdentity

ResultT = TypeVar("ResultT")
PostingsTable = Literal["postings", "titles"]
"""The words of texts, and those of titles."""

SCHEMA_VERSION = 3
_WITHOUT_TITLES = 2
"""Sidecars of earlier releases: a row's postings have the words of its title, too."""

_SCHEMA_WITHOUT_TITLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (label INTEGER PRIMARY KEY, text TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE postings (term TEXT PRIMARY KEY, labels BLOB NOT NULL, counts BLOB NOT NULL);
"""
_SCHEMA = (
    _SCHEMA_WITHOUT_TITLES
    + """
CREATE TABLE titles (term TEXT PRIMARY KEY, labels BLOB NOT NULL, counts BLOB NOT NULL);
"""
)
_SCHEMA_QUERY = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema"
# What SQLite finds out of the bytes alone, however often it looks.
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_TOOBIG,
    }
)
_PRIMARY_CODE = 0xFF
_PAGE_BYTES = 4096
# The magic and the page size; no write-ahead log, no reserved bytes; fixed fractions of a page.
_FILE_BEGINS = b"SQLite format 3\0" + _PAGE_BYTES.to_bytes(2, "big") + bytes((1, 1, 0, 64, 32, 32))
_PAGES_AT, _HEADER_BYTES = 28, 100
# Of others SQLite says no more than that something is wrong: the schema's format, and UTF-8.
_NUMBERS_AT = {44: 4, 56: 1}
_ROWS_AT_ONCE = 500
_LABEL_BYTES, _COUNT_BYTES = 4, 2


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
    texts: Iterable[tuple[str, Postings]],
    titles: Iterable[tuple[str, Postings]],
) -> None:
    """Write a new sidecar; the same input makes the same bytes.

    Args:
        path: of the file, which must not exist.
        model: whose vectors the shard holds.
        documents: in the order of their labels.
        texts: the postings of each word of the texts, in the order of the words.
        titles: those of the words of titles.
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
        for table, postings in (("postings", texts), ("titles", titles)):
            connection.executemany(
                f"INSERT INTO {table} VALUES (?, ?, ?)",  # noqa: S608 - one of two names
                (
                    (word, found.labels.tobytes(), found.counts.tobytes())
                    for word, found in postings
                ),
            )
        connection.execute("COMMIT")
    finally:
        connection.close()


def _meta(model: ModelIdentity, version: int = SCHEMA_VERSION) -> dict[str, str]:
    return {"schema_version": str(version), "model": model.model_dump_json()}


class Sidecar:
    """A sidecar, opened at its first use; safe to use from several threads, one at a time.

    A process that can write a shard can write any bytes here. So SQLite runs with the settings for
    untrusted files, the schema must be the one that `write_sidecar` makes, and the type of every
    value is checked.
    """

    def __init__(
        self,
        locate: Callable[[], Path],
        *,
        model: ModelIdentity,
        rows: int,
        name: str,
        has_titles: bool = True,
    ) -> None:
        """Look whether the file that `locate` finds can be the sidecar of a shard of `rows` rows.

        `has_titles` is what the catalog says: earlier releases wrote no postings of titles.

        Raises:
            CorruptObjectError: it is no SQLite file of ours, or cut short; names `name`.
        """
        self._locate = locate
        self._model = model
        self._rows = rows
        self._name = name
        self._has_titles = has_titles
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        with locate().open("rb") as stream:
            head = stream.read(_HEADER_BYTES)
            self._size_bytes = os.fstat(stream.fileno()).st_size
        is_ours = head.startswith(_FILE_BEGINS) and all(
            _number(head, offset) == expected for offset, expected in _NUMBERS_AT.items()
        )
        if not is_ours or _number(head, _PAGES_AT) * _PAGE_BYTES != self._size_bytes:
            raise self._damage("is no SQLite sidecar, or not all of one")

    def texts_with(self, words: Sequence[str]) -> dict[str, Postings]:
        """Where the words of `query_terms` occur in texts; words that do not are left out.

        Raises:
            CorruptObjectError: as every reading method, when the file is no sidecar of this
                schema and model, or is damaged. What keeps it from being read (no memory, no file
                handle, a failing disk) goes through as it is.
        """
        return self._postings("postings", words)

    def titles_with(self, words: Sequence[str]) -> dict[str, Postings]:
        """The first rows of the entities whose titles hold the words."""
        return self._postings("titles", words) if self._has_titles else {}

    def _postings(self, table: PostingsTable, words: Sequence[str]) -> dict[str, Postings]:
        if not words:
            return {}
        places = ", ".join("?" * len(words))
        statement = f"SELECT * FROM {table} WHERE term IN ({places})"  # noqa: S608 - question marks
        return dict(self._read(statement, words, self._posting))

    def documents(self, labels: Iterable[int]) -> dict[int, Document]:
        """Text and metadata of some rows."""
        wanted = list(labels)
        found: dict[int, Document] = {}
        for start in range(0, len(wanted), _ROWS_AT_ONCE):
            part = wanted[start : start + _ROWS_AT_ONCE]
            found |= self._read(
                f"SELECT * FROM documents WHERE label IN ({', '.join('?' * len(part))})",  # noqa: S608 - question marks only
                part,
                self._document,
            )
        missing = [label for label in wanted if label not in found]
        if missing:
            raise self._damage(f"lacks row {missing[0]}")
        return found

    def every_document(self) -> Iterator[tuple[int, Document]]:
        """Every row with its label, ascending from 0 without a gap; a few at a time."""
        statement = "SELECT * FROM documents WHERE label > ? ORDER BY label LIMIT ?"
        last = -1
        while rows := self._read(statement, [last, _ROWS_AT_ONCE], self._document):
            for label, document in rows:
                if label != last + 1:
                    raise self._damage(f"has row {label} after row {last}")
                last = label
                yield label, document

    def word_lists(self) -> list[str]:
        """The words of texts, and those of titles, one a line and unchecked.

        Those that begin with a digit are left out, and so are whole titles, which begin with "=".
        """
        tables = ("postings", "titles") if self._has_titles else ("postings",)
        lists: list[str] = []
        for table in tables:
            # As one value, out of SQLite's index alone: reading a row for each takes three times.
            statement = f"SELECT group_concat(term, char(10)) FROM {table} WHERE term >= '>'"  # noqa: S608 - one of two names
            lists += self._read(statement, (), lambda row: self._text(row[0] or b""))
        return lists

    def every_posting(self, table: PostingsTable) -> Iterator[tuple[str, Postings]]:
        """Every word of a field and where it occurs, in the order of the words; a few at a time."""
        statement = f"SELECT * FROM {table} WHERE term > ? ORDER BY term LIMIT ?"  # noqa: S608 - one of two names
        last = ""  # no word is empty
        while rows := self._read(statement, [last, _ROWS_AT_ONCE], self._posting):
            for word, postings in rows:
                if word <= last:
                    raise self._damage("has words that are not in order")
                last = word
                yield word, postings

    def close(self) -> None:
        """Close the file now; a later use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _read(
        self,
        statement: str,
        parameters: Sequence[str | int],
        parse: Callable[[Sequence[Any]], ResultT],
    ) -> list[ResultT]:
        """Read rows one by one; all of them are no longer than the file, or they share pages."""
        found, room = [], self._size_bytes
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._opened()
                for row in self._connection.execute(statement, parameters):
                    room -= sum(len(value) for value in row if isinstance(value, bytes))
                    if room < 0:
                        raise self._damage("has rows that are longer than the file")
                    found.append(parse(row))
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if not _is_damage(error):
                    raise
                raise self._damage(f"is no SQLite sidecar: {error}") from error
        return found

    def _opened(self) -> sqlite3.Connection:
        # Immutable: no locks, no journal, no look at whether the file changed. It never does.
        connection = sqlite3.connect(
            f"{self._locate().absolute().as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        # The last search closes it: an older version of the index may still be in use.
        weakref.finalize(self, connection.close)
        try:
            self._distrust(connection)
            expected = _expected_schema(self._has_titles)
            schema = connection.execute(_SCHEMA_QUERY).fetchmany(len(expected) + 1)
            if tuple(schema) != expected:
                raise self._damage("has another schema than a sidecar of this release")
            self._check(connection.execute("SELECT key, value FROM meta LIMIT 10").fetchall())
        except BaseException:
            connection.close()
            raise
        return connection

    def _distrust(self, connection: sqlite3.Connection) -> None:
        """What SQLite advises for files of others (sqlite.org/security.html)."""
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 268435456"):
            connection.execute(f"PRAGMA {pragma}")
        # Bytes, as text that is no UTF-8 would look like an error of SQLite's own.
        connection.text_factory = bytes
        # SQLite makes room for what a row says is its length before it looks.
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._size_bytes)

    def _check(self, rows: Sequence[Sequence[Any]]) -> None:
        found = {self._text(key): self._text(value) for key, value in rows}
        version = SCHEMA_VERSION if self._has_titles else _WITHOUT_TITLES
        for key, value in _meta(self._model, version).items():
            if found.get(key) != value:
                raise self._damage(f"says {key} {found.get(key)}, its manifest {value}")

    def _document(self, row: Sequence[Any]) -> tuple[int, Document]:
        label, text = row[0], self._text(row[1])
        try:
            return label, Document(text, ChunkMetadata.model_validate_json(self._text(row[2])))
        except ValidationError as error:
            raise self._damage(f"has unreadable metadata in row {label}") from error

    def _posting(self, row: Sequence[Any]) -> tuple[str, Postings]:
        word, labels, counts = self._text(row[0]), row[1], row[2]
        if (
            not isinstance(labels, bytes)
            or not isinstance(counts, bytes)
            or len(labels) % _LABEL_BYTES
            or len(labels) * _COUNT_BYTES != len(counts) * _LABEL_BYTES
            or len(labels) > self._rows * _LABEL_BYTES
        ):
            raise self._damage("has a word whose rows and counts do not fit")
        found = Postings(np.frombuffer(labels, "<u4"), np.frombuffer(counts, "<u2"))
        if np.any(found.labels[1:] <= found.labels[:-1]) or np.any(found.labels >= self._rows):
            raise self._damage("has a word in a row that is not there, or twice in one")
        return word, found

    def _text(self, value: Any) -> str:
        try:
            if isinstance(value, bytes):
                return value.decode()
        except UnicodeDecodeError:
            pass
        raise self._damage("has something else where text belongs")

    def _damage(self, what: str) -> CorruptObjectError:
        return CorruptObjectError(f"{self._name} {what}; build the shard again")


def _number(head: bytes, offset: int) -> int:
    return int.from_bytes(head[offset : offset + 4], "big")


def _is_damage(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Whether it is about the bytes, and not about memory, handles, the disk or our own code.

    A message of SQLite that quotes a name from the file can be no UTF-8: Python's module says so.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)  # not set by Python's module
    return code & _PRIMARY_CODE in _DAMAGE


@cache
def _expected_schema(has_titles: bool) -> tuple[Any, ...]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.text_factory = bytes
        connection.executescript(_SCHEMA if has_titles else _SCHEMA_WITHOUT_TITLES)
        return tuple(connection.execute(_SCHEMA_QUERY).fetchall())
