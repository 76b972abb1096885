"""The `.npz` of one part's vectors: an index can be built again from it without embedding."""

import io
from collections.abc import Sequence

import numpy as np

from shared.embedding.encoder import Vectors


def encode_vectors(chunk_ids: Sequence[str], vectors: Vectors) -> bytes:
    """Return an uncompressed `.npz`: `ids` (text, shape (n,)), `vectors` (float32, (n, dims)).

    The same input makes the same bytes: numpy gives the entries of the archive a fixed date.
    """
    ids = np.array(list(chunk_ids), dtype=np.str_) if chunk_ids else np.empty(0, dtype="<U1")
    buffer = io.BytesIO()
    np.savez(buffer, ids=ids, vectors=vectors.astype("<f4", copy=False))
    return buffer.getvalue()
