"""What says nothing about the bytes of a file is never called damage: a good one would be lost."""

import errno
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from shared.errors import CorruptObjectError
from shared.index.catalog import catalog as catalog_module
from shared.index.catalog.catalog import encode_catalog, read_catalog
from shared.index.graph.hnsw_file import GraphFile, write_graph
from shared.index.shard import vector_file as vector_file_module
from shared.index.shard.lexical import SearchedRow, build_tables
from shared.index.shard.sidecar import Document, Sidecar, write_sidecar
from shared.index.shard.vector_file import StoredVectors, decode_vectors, encode_vectors
from tests.unit.index.index_builders import DIMS, MODEL, chunk, unit_vectors

FAILURES = [
    MemoryError(),
    AssertionError("our own mistake"),
    RecursionError(),
    RuntimeError("cannot schedule new futures"),
    TypeError("our own mistake"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.EIO, "Input/output error"),
    KeyboardInterrupt(),
]


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog"
    path.write_bytes(encode_catalog(MODEL, {}, []))
    return path


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "graph"
    write_graph(path, [unit_vectors(3, seed=1)], rows=3, dims=DIMS)
    return path


@pytest.fixture
def sidecar(tmp_path: Path) -> Path:
    path = tmp_path / "sidecar"
    texts = [f"word {number}" for number in range(500)]
    tables = build_tables(SearchedRow(text, "title", text) for text in texts)
    write_sidecar(
        path,
        model=MODEL,
        documents=[Document(text, chunk("t:1").metadata) for text in texts],
        texts=tables.texts.items(),
        titles=tables.titles.items(),
    )
    return path


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_catalog(catalog: Path, failure: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "read_arrays", raising(failure))
    with pytest.raises(type(failure)) as caught:
        read_catalog(catalog, name="the-key")
    assert caught.value is failure


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_file_of_vectors(failure: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_vectors(StoredVectors((), np.empty((0, 3), np.float32), "o", 1, {}))
    monkeypatch.setattr(vector_file_module, "read_arrays", raising(failure))
    with pytest.raises(type(failure)) as caught:
        decode_vectors(data, "the-key")
    assert caught.value is failure


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened, as the process has as many as it may."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_no_file_handle_is_left(catalog: Path, graph: Path, sidecar: Path) -> None:
    known = Sidecar(lambda: sidecar, model=MODEL, rows=500, name="the-key")
    with no_more_files():
        with pytest.raises(OSError, match="Too many open files"):
            read_catalog(catalog, name="the-key")
        with pytest.raises(OSError, match="Too many open files"):
            GraphFile(lambda: graph, rows=3, dims=DIMS, name="the-key")
        with pytest.raises(OSError, match="Too many open files"):
            Sidecar(lambda: sidecar, model=MODEL, rows=500, name="the-key")
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            known.texts_with(["word"])
    assert len(known.texts_with(["word"])["word"].labels) == 500


def test_a_search_that_is_interrupted_is_no_damage(sidecar: Path) -> None:
    known = Sidecar(lambda: sidecar, model=MODEL, rows=500, name="the-key")
    assert known.documents([0])
    connection = known._connection
    assert connection is not None
    connection.set_progress_handler(lambda: 1, 1)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        known.documents([1])
    connection.set_progress_handler(None, 1)
    assert known.documents([1])


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import psutil
from shared.index.catalog.catalog import read_catalog
path = Path(sys.argv[1])
limit = psutil.Process().memory_info().vms + path.stat().st_size // 2
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    read_catalog(path, name="the-key")
except MemoryError:
    sys.exit(7)
"""


def test_no_memory_for_a_good_catalog(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    with path.open("wb") as stream:
        stream.truncate(2**28)  # what is in it is not reached
    ended = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 7, ended.stderr


def test_a_full_disk_is_no_damage_of_a_sidecar(sidecar: Path) -> None:
    """By their numbers: which errors of SQLite are about the bytes."""
    known = Sidecar(lambda: sidecar, model=MODEL, rows=500, name="the-key")
    for code, is_damage in (
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_IOERR_READ, False),
        (sqlite3.SQLITE_CANTOPEN, False),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_LOCKED, False),
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
    ):
        error = sqlite3.DatabaseError("x")
        error.sqlite_errorcode = code

        class Failing:
            def execute(self, *_: object, error: sqlite3.Error = error) -> None:
                raise error

        known._connection = Failing()  # type: ignore[assignment]
        with pytest.raises(CorruptObjectError if is_damage else sqlite3.DatabaseError):
            known.texts_with(["word"])
