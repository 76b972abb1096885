"""Files of an index: anyone who can write to the bucket may have written them."""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np

from shared.embedding.model_files import read_model_identity
from shared.errors import CorruptObjectError
from shared.index.catalog.array_archive import read_arrays
from shared.index.catalog.catalog import (
    Catalog,
    CatalogRow,
    check_every_key,
    encode_catalog,
    read_catalog,
)
from shared.index.catalog.filters import FieldFilter, SearchFilters
from shared.index.graph.hnsw_file import GraphFile, MarkedGraph, write_graph
from shared.index.manifest.manifest_format import encode_manifest, parse_manifest, salvaged_version
from shared.index.shard.lexical import SearchedRow, build_tables
from shared.index.shard.sidecar import Document, Sidecar, write_sidecar
from shared.index.shard.spelling import suggest
from shared.index.shard.suggestions import Unknown
from shared.index.shard.vector_file import StoredVectors, decode_vectors, encode_vectors
from shared.index.shard.vocabulary import Vocabulary
from shared.models.chunk import ChunkMetadata
from shared.models.entity import NO_CONTENT, EntityVersion, Scalar
from shared.models.manifest import ModelIdentity
from shared.storage.memory import MemoryObjectStore
from shared.storage.object_store import StoredObject
from tests.fuzz.target import Target, change, changed

ROWS = 40
DIMS = 4
MODEL = ModelIdentity(id="fuzz", revision="1", dims=DIMS)
KEY = "the-key"
UNKNOWN = Unknown(("wrod", "oftenword"), ("numberx",))
FILTERS = (
    SearchFilters(source_ids=("é1",), entity_types=("t",)),
    SearchFilters(fields=(FieldFilter("price", minimum="0.5", maximum="1e3"),)),
    SearchFilters(fields=(FieldFilter("kind", one_of=("a", "true", "3")),)),
)


@contextmanager
def file_of(data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        yield path


def metadata(number: int) -> ChunkMetadata:
    fields: dict[str, Scalar | list[Scalar]] = {
        "price": number / 7,
        "kind": ["a", True, 3] if number % 2 else "b",
    }
    return ChunkMetadata(
        entity_type="t", source_id=f"é{number}", title="T", source_path="raw/x", fields=fields
    )


def archived(parts: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return stream.getvalue()


def unarchived(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@cache
def good_catalog() -> dict[str, bytes]:
    entities = {f"t:é{n}": EntityVersion(n, f"run/p/{n % 2}", "ab" * 32) for n in range(4)}
    entities["t:gone"] = EntityVersion(9, "run/p/0", NO_CONTENT)
    rows = [CatalogRow(f"t:é{n}-001", f"t:é{n}", metadata(n), n, 2) for n in range(4)]
    return unarchived(encode_catalog(MODEL, entities, rows))


def read_as_catalog(data: bytes) -> None:
    with file_of(data) as path, suppress(CorruptObjectError):
        use_catalog(read_catalog(path, name=KEY))


def use_catalog(opened: Catalog) -> None:
    assert len(opened.versions()) <= opened.entities
    for label in range(opened.rows):
        assert opened.chunk_id(label)[:0] == ""
    for filters in FILTERS:
        with suppress(CorruptObjectError):
            assert len(opened.field_index.matching(filters, opened.rows)) == opened.rows
    check_every_key(opened, name=KEY)
    assert list(opened.packed_chunk_ids) == sorted(opened.packed_chunk_ids)


def catalog(data: bytes) -> None:
    read_as_catalog(archived(changed(good_catalog(), data)))


def catalog_header(data: bytes) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.frombuffer(data, np.uint8))
    read_as_catalog(archived(good_catalog() | {"header.npy": stream.getvalue()}))


def header_seeds() -> list[bytes]:
    array = np.lib.format.read_array(io.BytesIO(good_catalog()["header.npy"]))
    return [array.tobytes(), json.dumps({"schema_version": 1}).encode()]


def array_archive(data: bytes) -> None:
    with suppress(ValueError):
        found = read_arrays(data)
        assert sum(array.nbytes for array in found.values()) <= len(data)
        for array in found.values():
            array.tolist()


def archive_seeds() -> list[bytes]:
    stream = io.BytesIO()
    np.savez(stream, numbers=np.arange(3, dtype="<u4"), text=np.array(["ab", "é"]))
    return [stream.getvalue()]


@cache
def good_vectors() -> dict[str, bytes]:
    rows = np.eye(2, DIMS, dtype=np.float32)
    checksums = {"t:é1": "ab" * 32, "t:gone": NO_CONTENT}
    return unarchived(encode_vectors(StoredVectors(("a", "é"), rows, "run/p/0", 7, checksums)))


def vectors(data: bytes) -> None:
    with suppress(CorruptObjectError):
        read = decode_vectors(archived(changed(good_vectors(), data)), KEY)
        if read.checksums is not None and read.seq is not None:
            again = decode_vectors(encode_vectors(read), KEY)
            assert (again.ids, again.origin, again.seq) == (read.ids, read.origin, read.seq)
            assert again.checksums == read.checksums
            assert np.array_equal(again.vectors, read.vectors, equal_nan=True)


@cache
def good_graph() -> bytes:
    rows = np.random.default_rng(1).standard_normal((ROWS, DIMS)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with file_of(b"") as path:
        write_graph(path, [rows], rows=ROWS, dims=DIMS)
        return path.read_bytes()


def graph(data: bytes) -> None:
    """Searches it too: what the check lets pass, hnswlib believes."""
    query = np.full(DIMS, 0.5, np.float32)
    marked = np.arange(ROWS) % 5 == 0
    damaged = changed({"graph": good_graph()}, data)["graph"]
    with file_of(damaged) as path, suppress(CorruptObjectError):
        opened = GraphFile(lambda: path, rows=ROWS, dims=DIMS, name=KEY)
        for found in (
            MarkedGraph(opened, None).search(query, 10),
            MarkedGraph(opened, marked).search(query, ROWS),
        ):
            assert found is None or set(found[0].tolist()) <= set(range(ROWS))
        assert len(opened.exact(query, 5, None)) == 5
        opened.vectors(np.arange(ROWS))


@cache
def good_sidecar() -> bytes:
    texts = [f"word {'often ' * (number % 3)}number{number}" for number in range(6)]
    tables = build_tables(SearchedRow(f"t:{n}", "a title", text) for n, text in enumerate(texts))
    with file_of(b"") as path:
        path.unlink()
        write_sidecar(
            path,
            model=MODEL,
            documents=[Document(text, metadata(n)) for n, text in enumerate(texts)],
            texts=tables.texts.items(),
            titles=tables.titles.items(),
        )
        return path.read_bytes()


def sidecar(data: bytes) -> None:
    damaged = changed({"sidecar": good_sidecar()}, data)["sidecar"]
    with (
        file_of(damaged) as path,
        suppress(CorruptObjectError),
        closing(Sidecar(lambda: path, model=MODEL, rows=6, name=KEY)) as opened,
    ):
        read_every_way(opened)


def read_every_way(opened: Sidecar) -> None:
    for read in (
        lambda: opened.texts_with(["word", "often", "number3"]),
        lambda: opened.documents(range(6)),
        lambda: list(opened.every_document()),
        lambda: opened.titles_with(["titl"]),
        lambda: list(opened.every_posting("postings")),
        lambda: list(opened.every_posting("titles")),
        lambda: suggest(opened, lambda: Vocabulary(opened.word_lists()), UNKNOWN, None),
    ):
        with suppress(CorruptObjectError):
            read()


def manifest(data: bytes) -> None:
    assert salvaged_version(data) >= 0
    with suppress(CorruptObjectError):
        read = parse_manifest(StoredObject(KEY, data, "etag"), "fuzz")
        again = parse_manifest(StoredObject(KEY, encode_manifest(read), "etag"), "fuzz")
        assert again == read


def model_description(data: bytes) -> None:
    store = MemoryObjectStore()
    store.put("models/m/1/model.json", data)
    with suppress(CorruptObjectError):
        assert read_model_identity(store, "models/m/1/").id == "m"


def unchanged() -> list[bytes]:
    return [b"", change(0, 1, 4, 1), change(1, 2, 8, 0xFFFFFFFF), change(2, 3, 100, 0)]


TARGETS = {
    "array_archive": Target(array_archive, archive_seeds),
    "catalog": Target(catalog, unchanged, 512),
    "catalog_header": Target(catalog_header, header_seeds, is_json=True),
    "graph": Target(graph, unchanged, 256),
    "manifest": Target(manifest, is_json=True),
    "model_description": Target(model_description, is_json=True),
    "sidecar": Target(sidecar, unchanged, 256),
    "vectors": Target(vectors, unchanged, 512),
}
