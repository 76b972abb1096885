"""Opens, searches and merges damaged shards: what comes of it must be an answer or a named error.

    python -m tests.unit.index.shard_fuzzer --cases 100000 --seed 1

Each case takes a good shard, changes one of its files in a way that its number alone decides, and
writes a manifest that fits the changed bytes. It ends with status 1 at the first case that raises
anything but `CorruptObjectError`, or whose answer is none. A process that ends by a signal crashed
or took too long: the last number it printed is that of the case.
"""

import argparse
import faulthandler
import hashlib
import io
import json
import random
import resource
import signal
import sqlite3
import struct
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import CorruptObjectError
from shared.index.catalog.filters import FieldFilter, SearchFilters
from shared.index.maintenance.merging import Merger
from shared.index.search.searcher import SearchMode, SearchQuery
from shared.models.manifest import ShardDescriptor
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.index_builders import (
    DIMS,
    GRAPH_ALWAYS,
    POOL,
    build_shard,
    chunk,
    manifests,
    searcher,
    unit_vectors,
)
from tests.unit.index.manifest_builders import no_floor

ROWS = 120
SECONDS_A_CASE = 20
# More than a case needs by far, and less than what a crafted size may ask for.
ADDRESS_SPACE_BYTES = 3 * 2**30

HEADER = struct.Struct("<QQQQQQiIQQQdQ")
STRIDE = 4 * (1 + 32) + 4 * DIMS + 8
ELEMENTS_END = HEADER.size + ROWS * STRIDE
WORDS = (0, 1, 2, 15, 16, 17, 31, 32, 33, 68, 136, ROWS - 1, ROWS, ROWS + 1, 255, 65535, 65536,
         2**31 - 1, 2**31, 2**32 - 1)  # fmt: skip
LONG_WORDS = (*WORDS, STRIDE, STRIDE - 1, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
FLOATS = (0.0, -1.0, 1e-30, 1e30, 3.4e38, float("inf"), float("-inf"), float("nan"))
PAGE = 4096


def good_shard(store: MemoryObjectStore) -> ShardDescriptor:
    chunks = [
        chunk(
            f"t:{number:03d}",
            text=f"word {'often ' * (number % 3)} number{number}",
            modified="2024-01-02" if number % 2 else None,
            fields={"price": number / 7, "kind": ["a", "b"][number % 2], "is_new": number % 3 == 0},
        )
        for number in range(ROWS)
    ]
    return build_shard(store, chunks, unit_vectors(ROWS, seed=3), origin="run/good/0")


def damaged_bytes(data: bytes, draw: random.Random) -> bytes:
    """Bytes changed without a thought for what they mean."""
    changed = bytearray(data)
    kind = draw.randrange(5)
    if kind == 0:
        return data[: draw.randrange(len(data))]
    if kind == 1:
        return data + draw.randbytes(draw.choice((1, 4, 8, 68, PAGE)))
    if kind == 2:
        length, start, target = (draw.randrange(1, 200), *(draw.randrange(len(data)) for _ in "ab"))
        part = changed[start : start + length]
        changed[target : target + len(part)] = part
        return bytes(changed[: len(data)])
    for _ in range(draw.choice((1, 1, 2, 8))):
        changed[draw.randrange(len(data))] = draw.choice(
            (0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256))
        )
    return bytes(changed)


def damaged_graph(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        kind = draw.randrange(7)
        row = HEADER.size + draw.randrange(ROWS) * STRIDE
        if kind == 0:
            fields = list(HEADER.unpack_from(changed))
            number = draw.randrange(len(fields))
            fields[number] = {
                6: draw.choice((-1, -(2**31), 0, 1, 2, 3, 32, 33, 10**6, 2**31 - 1)),
                7: draw.choice(WORDS),
                11: draw.choice(FLOATS),
            }.get(number, draw.choice(LONG_WORDS))
            HEADER.pack_into(changed, 0, *fields)
        elif kind == 1:
            struct.pack_into("<I", changed, row, draw.choice(WORDS))
        elif kind == 2:
            struct.pack_into("<I", changed, row + 4 * draw.randrange(1, 33), draw.choice(WORDS))
        elif kind == 3:
            place = row + 4 * (33 + draw.randrange(DIMS))
            struct.pack_into("<f", changed, place, draw.choice(FLOATS))
        elif kind == 4:
            struct.pack_into("<Q", changed, row + STRIDE - 8, draw.choice(LONG_WORDS))
        elif kind == 5:
            place = draw.randrange(ELEMENTS_END, len(changed) - 3, 4)
            struct.pack_into("<I", changed, place, draw.choice(WORDS))
        else:
            return damaged_bytes(bytes(changed), draw)
    return bytes(changed)


def rezipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return stream.getvalue()


def array_bytes(array: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def damaged_catalog(data: bytes, draw: random.Random) -> bytes:
    """One array of it is another one; its checksum is right."""
    if draw.randrange(4) == 0:
        return damaged_bytes(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(list(parts))
    if draw.randrange(3) == 0:
        return otherwise_archived(parts, name, draw)
    array = damaged_array(np.lib.format.read_array(io.BytesIO(parts[name])).copy(), draw)
    return rezipped(parts | {name: array_bytes(array)})


def damaged_array(array: Any, draw: random.Random) -> Any:
    kind = draw.randrange(5)
    if kind == 0 and array.size:
        worst: Sequence[Any] = FLOATS if array.dtype.kind == "f" else LONG_WORDS
        value = draw.choice(worst)
        flat = array.reshape(-1)
        place = draw.randrange(len(flat))
        raw = struct.pack("<d", value) if array.dtype.kind == "f" else struct.pack("<Q", value)
        flat[place] = np.frombuffer(raw[: array.itemsize], array.dtype)[0]
        return array
    if kind == 1:
        return array[: draw.randrange(len(array) + 1)]
    if kind == 2:
        return np.concatenate([array, array])
    if kind == 3:
        types = ("<i4", "<f4", "<u8", ">u4", "<c16", "?", "O", "S3", "<U3")
        return array.astype(draw.choice(types))
    return np.frombuffer(damaged_bytes(array.tobytes() or b"x", draw), np.uint8)


def otherwise_archived(parts: dict[str, bytes], name: str, draw: random.Random) -> bytes:
    """The same arrays but for one that is missing, inflates, or has another header."""
    kind = draw.randrange(4)
    if kind == 0:
        length = draw.choice((0, 1, 10**3, 2**31, 2**40, 2**62, 10**17))
        head = f"{{'descr': '<u8', 'fortran_order': False, 'shape': ({length},), }}"
        if draw.randrange(3) == 0:
            head = draw.choice(("(" * 9000, "-" * 9000 + "1", "[" * 5000, "9" * 9000, "{" + head))
        padded = head.encode() + b"\n"
        body = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + bytes(80)
        return rezipped(parts | {name: body})
    if kind == 1:
        bomb = parts | {name: parts[name] + bytes(draw.choice((10**6, 3 * 10**7)))}
        return rezipped(bomb, zipfile.ZIP_DEFLATED)
    if kind == 2:
        return rezipped({other: data for other, data in parts.items() if other != name})
    header = json.loads(np.lib.format.read_array(io.BytesIO(parts["header.npy"])).tobytes())
    text = json.dumps(damaged_header(header, draw))
    if draw.randrange(4) == 0:
        text = draw.choice(("[" * 10**5, '{"a":' * 10**5, text[:-3], "9" * 5000))
    return rezipped(parts | {"header.npy": array_bytes(np.frombuffer(text.encode(), np.uint8))})


def damaged_header(header: Any, draw: random.Random) -> Any:
    """JSON with one value exchanged."""
    if isinstance(header, dict) and header and draw.randrange(5):
        key = draw.choice(sorted(header))
        return header | {key: damaged_header(header[key], draw)}
    if isinstance(header, list) and header and draw.randrange(5):
        place = draw.randrange(len(header))
        return [*header[:place], damaged_header(header[place], draw), *header[place + 1 :]]
    return draw.choice((None, -1, 0, 10**9, 10**30, 1.5, "x", [], {}, [[0, 10**9]], True))


def damaged_sidecar(data: bytes, draw: random.Random) -> bytes:
    kind = draw.randrange(3)
    if kind == 0:
        return damaged_bytes(data, draw)
    if kind == 1:
        changed = bytearray(data)
        page = draw.randrange(len(data) // PAGE) * PAGE
        for _ in range(draw.choice((1, 2, 6))):
            # The head of a page, its cell pointers, or any of it.
            place = page + draw.choice(
                (draw.randrange(12), draw.randrange(64), draw.randrange(PAGE))
            )
            changed[place] = draw.choice(
                (0, 1, 2, 5, 10, 13, 0x7F, 0x80, 0xFF, draw.randrange(256))
            )
        if draw.randrange(6) == 0:
            other = draw.randrange(len(data) // PAGE) * PAGE
            changed[page : page + PAGE] = changed[other : other + PAGE]
        return bytes(changed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sidecar"
        path.write_bytes(data)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.executescript(draw.choice(STATEMENTS))
        connection.close()
        return path.read_bytes()


STATEMENTS = (
    "UPDATE postings SET labels = x'FFFFFFFF', counts = x'0100' WHERE term = 'word'",
    "UPDATE postings SET labels = x'0000000000000000', counts = x'01000100' WHERE term = 'word'",
    "UPDATE postings SET labels = x'0100', counts = x'0100'",
    "UPDATE postings SET labels = 'text', counts = 7",
    """UPDATE postings SET labels = zeroblob(3000000), counts = zeroblob(1500000)
       WHERE term = 'word'""",
    "UPDATE postings SET term = x'FF' || term",
    "DELETE FROM postings",
    "UPDATE documents SET metadata = '{}' WHERE label < 40",
    "UPDATE documents SET metadata = replace(hex(zeroblob(50000)), '00', '[') WHERE label = 7",
    "UPDATE documents SET text = CAST(x'FFFE' AS TEXT)",
    "UPDATE documents SET text = 5, metadata = 6",
    "UPDATE documents SET label = label + 1000 WHERE label > 90",
    "UPDATE documents SET label = label - 1000",
    "DELETE FROM documents WHERE label % 2",
    "DELETE FROM meta",
    "UPDATE meta SET value = x'FF'",
    "DROP TABLE postings; CREATE VIEW postings AS SELECT text AS term, 1, 2 FROM documents",
    """DROP TABLE documents; CREATE VIEW documents AS
       WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n)
       SELECT x AS label, 'a' AS text, '{}' AS metadata FROM n""",
    "DROP TABLE postings; CREATE VIRTUAL TABLE postings USING fts5(term, labels, counts)",
    "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM meta; END",
    "CREATE INDEX i ON documents(text)",
    """DROP TABLE documents; CREATE TABLE documents (label INTEGER PRIMARY KEY,
       text TEXT NOT NULL, metadata TEXT AS (hex(zeroblob(900000000))))""",
    "PRAGMA journal_mode = WAL",
    "PRAGMA user_version = 7; VACUUM",
    "PRAGMA page_size = 512; VACUUM",
    "PRAGMA encoding = 'UTF-16'; VACUUM",
    """PRAGMA writable_schema = ON;
       UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'postings'""",
    """PRAGMA writable_schema = ON;
       UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'documents'""",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE x'",
)

DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "graph": damaged_graph,
    "catalog": damaged_catalog,
    "sidecar": damaged_sidecar,
}


def search_everything(store: MemoryObjectStore, folder: Path) -> None:
    reader = searcher(store, folder / "cache", tuning=GRAPH_ALWAYS)
    vector = unit_vectors(1, 9, DIMS)[0]
    filters = (
        SearchFilters(),
        SearchFilters(entity_types=("t",), fields=(FieldFilter("price", minimum="3"),)),
        SearchFilters(fields=(FieldFilter("kind", one_of=("a", "7", "true")),)),
    )
    modes: tuple[SearchMode, ...] = ("dense", "lexical", "hybrid")
    for mode in modes:
        for narrowed in filters:
            query = SearchQuery("word oftne number7", vector, k=20, mode=mode, filters=narrowed)
            for hit in reader.search(query).hits:
                if not np.isfinite(hit.score) or not isinstance(hit.chunk.text, str):
                    raise ValueError(f"a hit with score {hit.score} is no answer")
                json.dumps(hit.chunk.metadata.model_dump(mode="json"), allow_nan=False)


def merge_everything(store: MemoryObjectStore, folder: Path) -> None:
    manifest = manifests(store).read().manifest
    work = folder / "merge"
    work.mkdir()
    Merger(store, work).merge(manifest, [shard.shard_id for shard in manifest.shards])


def is_named(door: Callable[[], None]) -> bool:
    try:
        door()
    except CorruptObjectError:
        return True
    return False


def run_case(number: int, good: MemoryObjectStore, shard: ShardDescriptor) -> tuple[str, bool]:
    """Return which file was changed, and whether that was found out."""
    draw = random.Random(number)
    name = draw.choice(sorted(DAMAGES))
    file = getattr(shard, name)
    data = DAMAGES[name](good.get(file.key).data, draw)
    changed = file.model_copy(
        update={"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    )
    store = MemoryObjectStore()
    for one in shard.files:
        store.put(one.key, good.get(one.key).data)
    store.put(file.key, data)
    manifests(store).commit([shard.model_copy(update={name: changed})], floor=no_floor)
    with tempfile.TemporaryDirectory() as folder:
        found = is_named(partial(search_everything, store, Path(folder)))
        found |= is_named(partial(merge_everything, store, Path(folder)))
    return name, found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first case")
    given = parser.parse_args(arguments)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    good = MemoryObjectStore()
    shard = good_shard(good)
    counts: dict[str, int] = {}
    for number in range(given.seed, given.seed + given.cases):
        sys.stdout.write(f"case {number}\n")
        sys.stdout.flush()
        signal.alarm(SECONDS_A_CASE)  # ends the process
        try:
            name, found = run_case(number, good, shard)
        except Exception:  # noqa: BLE001 - that is the finding
            traceback.print_exc()
            return 1
        counts[name] = counts.get(name, 0) + 1
        counts[f"{name} refused"] = counts.get(f"{name} refused", 0) + found
    signal.alarm(0)
    POOL.shutdown()
    sys.stdout.write(f"{json.dumps(counts, sort_keys=True)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
