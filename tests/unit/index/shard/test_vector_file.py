"""The file of vectors: read back as written, and the same bytes for the same vectors."""

import io
import re

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.errors import CorruptObjectError
from shared.index.shard.vector_file import StoredVectors, decode_vectors, encode_vectors

finite = st.floats(-1, 1, width=32)
vectors = st.tuples(st.integers(0, 5), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=finite)
)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
checksums = st.dictionaries(keys, st.just("") | st.text("0123456789abcdef", min_size=64))
SAMPLE = StoredVectors(
    ("a:1-001", "a:1-002"),
    np.eye(2, 3, dtype=np.float32),
    "20261123T060000Z-00000001/p-1/0",
    7,
    {"a:1": "ab" * 32, "a:2": ""},
)


@given(vectors, st.data(), checksums, st.integers(0, 2**62))
def test_a_file_is_read_back_as_written(
    rows: npt.NDArray[np.float32], data: st.DataObject, described: dict[str, str], seq: int
) -> None:
    ids = tuple(
        f"{key}-001" for key in data.draw(st.lists(keys, min_size=len(rows), max_size=len(rows)))
    )
    encoded = encode_vectors(StoredVectors(ids, rows, "run/page/0", seq, described))
    assert encode_vectors(StoredVectors(ids, rows.copy(), "run/page/0", seq, described)) == encoded
    decoded = decode_vectors(encoded, "embeddings/x.npz")
    assert (decoded.ids, decoded.origin, decoded.seq) == (ids, "run/page/0", seq)
    assert decoded.checksums == described
    assert decoded.vectors.dtype == np.float32
    np.testing.assert_array_equal(decoded.vectors, rows)


def test_a_file_of_an_older_release_is_read_too() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, ids=np.array(["a:1-001"]), vectors=np.ones((1, 3), np.float32))
    decoded = decode_vectors(buffer.getvalue(), "embeddings/x.npz")
    assert (decoded.ids, decoded.checksums, decoded.seq) == (("a:1-001",), None, None)


def is_damage(data: bytes) -> bool:
    """Decode an altered sample, of which every value that can be read is as it was."""
    try:
        decoded = decode_vectors(data, "embeddings/x.npz")
    except CorruptObjectError:
        return True
    # Bytes that nothing reads (the date of an entry) may differ; what is read is checked by CRC.
    np.testing.assert_array_equal(decoded.vectors, SAMPLE.vectors)
    assert decoded.checksums == SAMPLE.checksums
    return False


@given(st.integers(0, len(encode_vectors(SAMPLE)) - 1), st.integers(1, 255))
def test_an_altered_byte_raises_nothing_but_damage(position: int, change: int) -> None:
    data = bytearray(encode_vectors(SAMPLE))
    data[position] ^= change
    is_damage(bytes(data))


@pytest.mark.parametrize("field", range(28, 34))  # the lengths of name, extra field and comment
@pytest.mark.parametrize("change", [0x01, 0x40, 0xFF])
def test_an_archive_whose_list_hides_arrays_is_damage(field: int, change: int) -> None:
    data = encode_vectors(SAMPLE)
    found = []
    for entry in re.finditer(b"PK\x01\x02", data):
        altered = bytearray(data)
        altered[entry.start() + field] ^= change
        found.append(is_damage(bytes(altered)))
    assert any(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": np.array(["a"])},
        {"ids": np.array(["a"]), "vectors": np.ones((2, 3), np.float32)},
        {"ids": np.array(["a"]), "vectors": np.ones(1, np.float32)},
        {"ids": np.array(["a"]), "vectors": np.ones((1, 3), np.float64)},
        {"ids": np.array(["\ud800"]), "vectors": np.ones((1, 3), np.float32)},
        {"ids": np.array([0x110000], "<u4").view("<U1"), "vectors": np.ones((1, 3), np.float32)},
        {"ids": np.array([b"a"]), "vectors": np.ones((1, 3), np.float32)},
        {"ids": np.array(["a"]), "vectors": np.ones((1, 3), np.float32), "entities": np.array("[")},
        {"ids": np.array(["a"]), "vectors": np.ones((1, 3), np.float32), "entities": np.array(3)},
    ],
)
def test_a_foreign_archive_is_damage(wrong: dict[str, npt.NDArray[np.generic]]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **wrong)  # type: ignore[arg-type]
    with pytest.raises(CorruptObjectError, match=r"embeddings/x\.npz"):
        decode_vectors(buffer.getvalue(), "embeddings/x.npz")
