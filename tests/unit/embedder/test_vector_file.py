"""The file of vectors: read back as written, and the same bytes for the same vectors."""

import io

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.embedder.vector_file import encode_vectors

finite = st.floats(-1, 1, width=32)
vectors = st.tuples(st.integers(0, 5), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=finite)
)


@given(vectors, st.data())
def test_ids_and_vectors_are_read_back(rows: npt.NDArray[np.float32], data: st.DataObject) -> None:
    # numpy's text type drops trailing NULs; ids are keys, which hold none.
    names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
    ids = data.draw(st.lists(names, min_size=len(rows), max_size=len(rows)))
    encoded = encode_vectors(ids, rows)
    assert encode_vectors(list(ids), rows.copy()) == encoded
    with np.load(io.BytesIO(encoded), allow_pickle=False) as stored:
        assert stored["ids"].tolist() == ids
        assert stored["vectors"].dtype == np.float32
        np.testing.assert_array_equal(stored["vectors"], rows)
