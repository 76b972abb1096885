"""The catalog of a shard: whose rows it holds, in which versions, and what filters ask of them.

It is an uncompressed numpy archive, so that opening a shard reads a few arrays and makes no object
for a row. Keys are decoded when they are asked for.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError, InvalidInputError
from shared.index.catalog.array_archive import Arrays, read_arrays
from shared.index.catalog.field_index import FieldIndex, FieldIndexBuilder
from shared.index.catalog.packed_strings import PackedStrings
from shared.models.base import Contract
from shared.models.chunk import ChunkMetadata
from shared.models.entity import EntityVersion
from shared.models.manifest import ModelIdentity

SCHEMA_VERSION = 3
# Catalogs of earlier releases, which count the words of a title with those of each passage.
_WITHOUT_TITLES = 2
_HASH_BYTES = 16
# Every array of a catalog, with its type and the number of its dimensions.
_ARRAYS: Mapping[str, tuple[str, int]] = {
    "header": ("|u1", 1),
    "entity_hashes": ("<u8", 2),
    "entity_seqs": ("<i8", 1),
    "entity_origins": ("<u4", 1),
    "row_entities": ("<u4", 1),
    "row_words": ("<u4", 1),
    "row_title_words": ("<u4", 1),
    "value_numbers": ("<f8", 1),
    "value_offsets": ("<u8", 1),
    "value_rows": ("<u4", 1),
    **{f"{name}_blob": ("|u1", 1) for name in ("keys", "checksums", "chunk_ids", "values")},
    **{f"{name}_ends": ("<u8", 1) for name in ("keys", "checksums", "chunk_ids", "values")},
}

_ARRAYS_WITHOUT_TITLES = {name: kind for name, kind in _ARRAYS.items() if name != "row_title_words"}


class _Header(Contract):
    """What a catalog says of its arrays; `fields` is the directory of its field index."""

    schema_version: int
    model: ModelIdentity
    origins: tuple[str, ...]
    fields: dict[str, dict[str, dict[str, tuple[int, int]]]]


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """What the catalog keeps of a row; `words` is how many words its text has.

    `title_words` is how many its title has at the first row of an entity, and 0 at the others.
    """

    chunk_id: str
    entity_key: str
    metadata: ChunkMetadata
    words: int
    title_words: int


@dataclass(frozen=True)
class Catalog:
    """An open catalog. Entities lie in the order of their keys, rows in that of their chunk ids.

    `entity_hashes` has two numbers an entity, 128 bits of a hash of its key; `entity_origins`
    counts into `origins`; `row_entities` says which entity a row belongs to. Without
    `has_titles`, which earlier releases did not write, titles count as a part of each row's text.
    """

    model: ModelIdentity
    origins: tuple[str, ...]
    entity_hashes: npt.NDArray[np.uint64]
    entity_seqs: npt.NDArray[np.int64]
    entity_origins: npt.NDArray[np.uint32]
    row_entities: npt.NDArray[np.uint32]
    row_words: npt.NDArray[np.uint32]
    row_title_words: npt.NDArray[np.uint32]
    has_titles: bool
    field_index: FieldIndex
    packed_keys: PackedStrings
    packed_checksums: PackedStrings
    packed_chunk_ids: PackedStrings

    @property
    def rows(self) -> int:
        """How many rows the shard holds."""
        return len(self.row_entities)

    @property
    def entities(self) -> int:
        """How many entities the shard speaks for, those without rows among them."""
        return len(self.entity_seqs)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the metadata fields that rows can be filtered by."""
        return self.field_index.fields

    @cached_property
    def entity_keys(self) -> Sequence[str]:
        """Keys of the entities, by their numbers."""
        return tuple(self.packed_keys)

    @cached_property
    def entity_checksums(self) -> Sequence[str]:
        """Checksums of the entities, by their numbers."""
        return tuple(self.packed_checksums)

    def entity_key(self, number: int) -> str:
        """The key of one entity."""
        return self.packed_keys[number]

    def version(self, number: int) -> EntityVersion:
        """The version of one entity."""
        origin = self.origins[int(self.entity_origins[number])]
        return EntityVersion(int(self.entity_seqs[number]), origin, self.packed_checksums[number])

    def versions(self) -> dict[str, EntityVersion]:
        """The version of every entity, by its key."""
        columns = zip(
            self.entity_keys,
            self.entity_seqs.tolist(),
            self.entity_origins.tolist(),
            self.entity_checksums,
            strict=True,
        )
        return {
            key: EntityVersion(seq, self.origins[origin], checksum)
            for key, seq, origin, checksum in columns
        }

    def chunk_id(self, label: int) -> str:
        """The chunk of a row."""
        return self.packed_chunk_ids[label]


def encode_catalog(
    model: ModelIdentity, entities: Mapping[str, EntityVersion], rows: Iterable[CatalogRow]
) -> bytes:
    """Return the catalog of a shard; the same input makes the same bytes.

    Args:
        model: whose vectors the shard holds.
        entities: every entity that the shard speaks for.
        rows: in the order of their labels, which must be that of their chunk ids.

    Raises:
        InvalidInputError: a row is out of order or of an entity that is not among `entities`.
    """
    keys = sorted(entities)
    versions = [entities[key] for key in keys]
    origins = sorted({version.origin for version in versions})
    origin_numbers = {origin: number for number, origin in enumerate(origins)}
    encoded = _encode_rows(keys, rows)
    index = encoded.fields
    header = {
        "schema_version": SCHEMA_VERSION,
        "model": model.model_dump(),
        "origins": origins,
        "fields": index.directory,
    }
    described = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    arrays: dict[str, npt.NDArray[Any]] = {
        "header": np.frombuffer(described, np.uint8),
        "entity_hashes": _hashes(keys),
        "entity_seqs": np.array([version.seq for version in versions], "<i8"),
        "entity_origins": np.array([origin_numbers[v.origin] for v in versions], "<u4"),
        "row_entities": encoded.entities,
        "row_words": encoded.words,
        "row_title_words": encoded.title_words,
        "value_numbers": index.numbers,
        "value_offsets": index.offsets,
        "value_rows": index.rows,
    }
    strings = {
        "keys": PackedStrings.of(keys),
        "checksums": PackedStrings.of(version.checksum for version in versions),
        "chunk_ids": encoded.chunk_ids,
        "values": index.terms,
    }
    for name, packed in strings.items():
        arrays[f"{name}_blob"], arrays[f"{name}_ends"] = packed.blob, packed.offsets
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read_catalog(path: Path, *, name: str) -> Catalog:
    """Open a catalog.

    Raises:
        CorruptObjectError: the bytes are no catalog of this schema; names `name`. What keeps them
            from being read (no memory, no file handle, a failing disk) goes through as it is.
    """
    data = path.read_bytes()  # what fails here says nothing about the bytes
    try:
        catalog = _decode(read_arrays(data))
        _check(catalog)
    except ValueError as error:
        raise CorruptObjectError(
            f"{name} is no catalog of a shard: {error}; build the shard again"
        ) from error
    return catalog


def check_every_key(catalog: Catalog, *, name: str) -> None:
    """See what merging builds on and opening does not look at, as it takes a step for each key.

    Raises:
        CorruptObjectError: rows do not lie in the order of their chunk ids, or hashes are not
            those of the keys; names `name`.
    """
    if not all(one < following for one, following in pairwise(catalog.packed_chunk_ids)):
        raise CorruptObjectError(f"{name} has rows that are not in order; build the shard again")
    if not np.array_equal(_hashes(catalog.entity_keys), catalog.entity_hashes):
        raise CorruptObjectError(
            f"{name} has hashes that are not those of its keys; build the shard again"
        )


def hash_entity_key(key: str) -> bytes:
    """128 bits that stand for a key: no two keys of any index will ever share them."""
    return hashlib.blake2b(key.encode(), digest_size=_HASH_BYTES).digest()


def _hashes(keys: Iterable[str]) -> npt.NDArray[np.uint64]:
    joined = b"".join(hash_entity_key(key) for key in keys)
    return np.frombuffer(joined, "<u8").reshape(-1, 2)


class _EncodedRows(NamedTuple):
    chunk_ids: PackedStrings
    entities: npt.NDArray[np.uint32]
    words: npt.NDArray[np.uint32]
    title_words: npt.NDArray[np.uint32]
    fields: FieldIndex


def _encode_rows(keys: Sequence[str], rows: Iterable[CatalogRow]) -> _EncodedRows:
    numbers = {key: number for number, key in enumerate(keys)}
    builder = FieldIndexBuilder()
    chunk_ids: list[str] = []
    entities: list[int] = []
    words: list[int] = []
    title_words: list[int] = []
    for label, row in enumerate(rows):
        if row.entity_key not in numbers:
            raise InvalidInputError(
                f"row {row.chunk_id} is of {row.entity_key}, which the shard does not speak for"
            )
        if chunk_ids and row.chunk_id <= chunk_ids[-1]:
            raise InvalidInputError(f"row {row.chunk_id} comes after row {chunk_ids[-1]}")
        builder.add(label, row.metadata)
        chunk_ids.append(row.chunk_id)
        entities.append(numbers[row.entity_key])
        words.append(row.words)
        title_words.append(row.title_words)
    return _EncodedRows(
        PackedStrings.of(chunk_ids),
        np.array(entities, "<u4"),
        np.array(words, "<u4"),
        np.array(title_words, "<u4"),
        builder.build(),
    )


def _decode(arrays: Arrays) -> Catalog:
    has_titles = "row_title_words" in arrays
    version = SCHEMA_VERSION if has_titles else _WITHOUT_TITLES
    expected = _ARRAYS if has_titles else _ARRAYS_WITHOUT_TITLES
    found = {name: (array.dtype.str, array.ndim) for name, array in arrays.items()}
    if found != expected:
        odd = sorted(name[:40] for name in found.keys() ^ expected.keys()) or "their types"
        raise ValueError(f"its arrays are not those of a catalog: {odd}")
    header = _Header.model_validate_json(arrays["header"].tobytes())
    if header.schema_version != version:
        raise ValueError(f"it has schema version {header.schema_version}, not {version}")
    words = arrays["row_words"]

    def strings(name: str) -> PackedStrings:
        return PackedStrings(arrays[f"{name}_blob"], arrays[f"{name}_ends"])

    index = FieldIndex(
        header.fields,
        strings("values"),
        arrays["value_numbers"],
        arrays["value_offsets"],
        arrays["value_rows"],
    )
    return Catalog(
        model=header.model,
        origins=header.origins,
        entity_hashes=arrays["entity_hashes"],
        entity_seqs=arrays["entity_seqs"],
        entity_origins=arrays["entity_origins"],
        row_entities=arrays["row_entities"],
        row_words=words,
        row_title_words=arrays["row_title_words"] if has_titles else np.zeros_like(words),
        has_titles=has_titles,
        field_index=index,
        packed_keys=strings("keys"),
        packed_checksums=strings("checksums"),
        packed_chunk_ids=strings("chunk_ids"),
    )


def _check(catalog: Catalog) -> None:
    entities, rows = catalog.entities, catalog.rows
    for packed, count in (
        (catalog.packed_keys, entities),
        (catalog.packed_checksums, entities),
        (catalog.packed_chunk_ids, rows),
    ):
        packed.check()
        if len(packed) != count:
            raise ValueError("its parts differ in length")
    if catalog.entity_hashes.shape != (entities, 2) or len(catalog.entity_origins) != entities:
        raise ValueError("its entities differ in number")
    if len(catalog.row_words) != rows or len(catalog.row_title_words) != rows:
        raise ValueError("its rows differ in number")
    if rows and int(catalog.row_entities.max()) >= entities:
        raise ValueError("a row is of an entity that is not there")
    if entities and int(catalog.entity_origins.max()) >= len(catalog.origins):
        raise ValueError("an entity has an origin that is not there")
    catalog.field_index.check(rows)
