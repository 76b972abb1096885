"""The `.npz` of one part's vectors: an index can be made again from it without embedding."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError

Vectors = npt.NDArray[np.float32]

# What numpy and zipfile raise at bytes that are no archive of theirs, or a cut or altered one.
_DAMAGE = (
    ValueError, TypeError, KeyError, OSError, EOFError, RuntimeError, struct.error,
    zipfile.BadZipFile, zlib.error, SyntaxError, OverflowError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """The vectors of one shard, and what the shard speaks for.

    `ids` are those of the chunks, in the order of the rows of `vectors`. `checksums` goes from
    each entity that the shard speaks for to what is indexed of it (`shared.index.content`); an
    entity without a row is one that has no text or was deleted. Files of an older release do not
    say it: then `checksums` and `seq` are None, and `origin` is empty.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    origin: str
    seq: int | None
    checksums: Mapping[str, str] | None


def encode_vectors(stored: StoredVectors) -> bytes:
    """Return an uncompressed `.npz`; the same input makes the same bytes.

    Its arrays: `ids`, `vectors` (float32, (n, dims)), `entities` (their keys as one JSON list),
    `checksums`, `seq`, `origin`.
    """
    checksums = stored.checksums or {}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        ids=_text(stored.ids),
        vectors=stored.vectors.astype("<f4", copy=False),
        # JSON, since numpy's text drops trailing NULs and the keys come from the source.
        entities=np.array(json.dumps(list(checksums))),
        checksums=_text(checksums.values()),
        seq=np.array(stored.seq or 0, dtype="<i8"),
        origin=np.array(stored.origin),
    )
    return buffer.getvalue()


def decode_vectors(data: bytes, key: str) -> StoredVectors:
    """Read a file of vectors.

    Raises:
        CorruptObjectError: it is cut short, damaged or no file of vectors; names the key.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _decoded({name: arrays[name] for name in arrays.files})
    except _DAMAGE as error:
        raise CorruptObjectError(
            f"{key} is no file of vectors ({type(error).__name__}); embed the part again"
        ) from error


def _decoded(arrays: Mapping[str, npt.NDArray[np.generic]]) -> StoredVectors:
    ids, vectors = _strings(arrays["ids"]), arrays["vectors"]
    if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != len(ids):
        raise ValueError("the vectors do not fit their ids")
    rows = vectors.astype(np.float32, copy=False)
    if "entities" not in arrays:
        return StoredVectors(ids, rows, "", None, None)
    entities = [str(key) for key in json.loads(arrays["entities"].item())]
    checksums = dict(zip(entities, _strings(arrays["checksums"]), strict=True))
    seq = int(arrays["seq"].astype(np.int64).item())
    return StoredVectors(ids, rows, str(arrays["origin"].item()), seq, checksums)


def _text(values: Iterable[str]) -> npt.NDArray[np.str_]:
    listed = list(values)
    return np.array(listed, dtype=np.str_) if listed else np.empty(0, dtype="<U1")


def _strings(array: npt.NDArray[np.generic]) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError("not a list of texts")
    return tuple(str(value) for value in array.tolist())
