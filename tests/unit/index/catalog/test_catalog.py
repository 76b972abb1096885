"""Catalogs: what is written is read back, and whatever is no catalog is named."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import CorruptObjectError, InvalidInputError
from shared.index.catalog.catalog import Catalog, CatalogRow, encode_catalog, read_catalog
from shared.models.entity import NO_CONTENT, EntityVersion
from tests.unit.index.index_builders import MODEL, chunk

keys = st.text(min_size=1, max_size=8).map(lambda text: f"t:{text}")
entity_maps = st.dictionaries(
    keys,
    st.builds(
        EntityVersion,
        seq=st.integers(0, 2**62),
        origin=st.sampled_from(["run/p-0/0", "run/p-0/1", "compact/é"]),
        checksum=st.sampled_from([NO_CONTENT, "ab" * 32]),
    ),
    max_size=8,
)


def opened(data: bytes) -> Catalog:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog"
        path.write_bytes(data)
        return read_catalog(path, name="the-key")


def rows_of(entities: Mapping[str, EntityVersion], each: int) -> list[CatalogRow]:
    rows = [
        CatalogRow(
            f"{key}-{number:03d}", key, chunk("t:x").metadata, number, 2 if number == 1 else 0
        )
        for key in entities
        for number in range(1, each + 1)
    ]
    return sorted(rows, key=lambda row: row.chunk_id)


@settings(max_examples=100, deadline=None)
@given(entity_maps, st.integers(0, 3))
def test_a_catalog_is_read_back_as_it_was_written(
    entities: Mapping[str, EntityVersion], each: int
) -> None:
    rows = rows_of(entities, each)
    data = encode_catalog(MODEL, entities, rows)
    shuffled = dict(reversed(list(entities.items())))
    assert encode_catalog(MODEL, shuffled, iter(rows)) == data
    catalog = opened(data)
    assert catalog.model == MODEL
    assert catalog.versions() == entities
    assert (catalog.entities, catalog.rows) == (len(entities), len(rows))
    assert list(catalog.entity_keys) == sorted(entities)
    for number, key in enumerate(catalog.entity_keys):
        assert catalog.entity_key(number) == key
        assert catalog.version(number) == entities[key]
    for label, row in enumerate(rows):
        assert catalog.chunk_id(label) == row.chunk_id
        assert catalog.entity_keys[catalog.row_entities[label]] == row.entity_key
        assert catalog.row_words[label] == row.words
        assert catalog.row_title_words[label] == row.title_words
    assert catalog.fields == (("issue_number",) if rows else ())


def test_equal_keys_have_equal_hashes_in_every_catalog() -> None:
    version = EntityVersion(1, "o", NO_CONTENT)
    one = opened(encode_catalog(MODEL, {"t:a": version, "t:b": version}, []))
    other = opened(encode_catalog(MODEL, {"t:b": version, "t:c": version}, []))
    assert one.entity_hashes[1].tolist() == other.entity_hashes[0].tolist()
    assert len({*map(tuple, one.entity_hashes), *map(tuple, other.entity_hashes)}) == 3


def test_rows_out_of_order_or_of_an_unknown_entity_are_refused() -> None:
    entities = {"t:a": EntityVersion(1, "o", NO_CONTENT)}
    rows = rows_of(entities, 2)
    with pytest.raises(InvalidInputError, match="t:a-001 comes after row t:a-002"):
        encode_catalog(MODEL, entities, rows[::-1])
    with pytest.raises(InvalidInputError, match="comes after"):
        encode_catalog(MODEL, entities, [rows[0], rows[0]])
    with pytest.raises(InvalidInputError, match="does not speak for"):
        encode_catalog(MODEL, {}, rows)


def some_catalog() -> bytes:
    entities = {f"t:{n}": EntityVersion(n, f"o{n}", NO_CONTENT) for n in range(5)}
    return encode_catalog(MODEL, entities, rows_of(entities, 2))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(some_catalog()) - 1))
def test_a_catalog_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(CorruptObjectError, match="the-key"):
        opened(some_catalog()[:length])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_anything_else_is_no_catalog(data: bytes) -> None:
    with pytest.raises(CorruptObjectError, match="the-key"):
        opened(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(some_catalog()) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_escapes_as_another_error(position: int, difference: int) -> None:
    data = bytearray(some_catalog())
    data[position] ^= difference
    try:
        catalog = opened(bytes(data))
    except CorruptObjectError as error:
        assert "the-key" in str(error)
    else:
        assert catalog.versions() == opened(some_catalog()).versions()


def rewritten(change: Mapping[str, Any]) -> bytes:
    """A catalog with other arrays, each whole in itself."""
    with np.load(io.BytesIO(some_catalog())) as archive:
        arrays = {name: archive[name] for name in archive.files}
        arrays |= change
    stream = io.BytesIO()
    np.savez(stream, **{name: value for name, value in arrays.items() if value is not None})
    return stream.getvalue()


def header_with(**values: Any) -> np.ndarray[Any, Any]:
    with np.load(io.BytesIO(some_catalog())) as archive:
        header = json.loads(archive["header"].tobytes()) | values
    return np.frombuffer(json.dumps(header).encode(), np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        {"header": header_with(schema_version=1)},
        {"header": header_with(model={"id": "x"})},
        {"header": header_with(fields={})},
        {"header": header_with(origins=[])},
        {"header": header_with(fields={"built_in": {}, "metadata": {"x": {"texts": [0, 999]}}})},
        {"header": np.frombuffer(b"[]", np.uint8)},
        {"row_entities": np.full(10, 5, "<u4")},
        {"row_words": np.zeros(9, "<u4")},
        {"row_title_words": np.zeros(9, "<u4")},
        {"entity_hashes": np.zeros((5, 3), "<u8")},
        {"entity_origins": np.zeros(4, "<u4")},
        {"keys_ends": np.array([0, 9, 3, 9, 9, 15], "<u8")},
        {"keys_blob": np.zeros(3, np.uint8)},
        {"checksums_ends": np.zeros(3, "<u8")},
        {"value_rows": np.full(40, 99, "<u4")},
        {"value_rows": np.zeros(3, "<u4")},
        {"value_offsets": np.zeros(2, "<u8")},
        {"value_numbers": np.zeros(0, "<f8")},
        {"chunk_ids_blob": None},
        {"entity_seqs": np.array([{}] * 5, dtype=object)},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change: Mapping[str, Any]) -> None:
    with pytest.raises(CorruptObjectError, match="the-key"):
        opened(rewritten(change))


def test_another_zip_archive_is_no_catalog() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("header.npy", b"no array")
    with pytest.raises(CorruptObjectError, match="the-key"):
        opened(stream.getvalue())
