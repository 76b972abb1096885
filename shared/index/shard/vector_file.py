"""The `.npz` of one part's vectors: an index can be made again from it without embedding."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from shared.errors import CorruptObjectError
from shared.index.catalog.array_archive import Arrays, read_arrays

Vectors = npt.NDArray[np.float32]

_KEYS = TypeAdapter(list[str])


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """The vectors of one shard, and what the shard speaks for.

    `ids` are those of the chunks, in the order of the rows of `vectors`. `checksums` goes from
    each entity that the shard speaks for to what is indexed of it (`shared.index.shard.content`);
    an entity without a row is one that has no text or was deleted. Files of an older release do not
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
        return _decoded(read_arrays(data))
    except ValueError as error:
        raise CorruptObjectError(
            f"{key} is no file of vectors ({type(error).__name__}); embed the part again"
        ) from error


def _decoded(arrays: Arrays) -> StoredVectors:
    if not arrays.keys() >= {"ids", "vectors"}:
        raise ValueError("it lacks the ids or the vectors")
    ids, vectors = _strings(arrays["ids"]), arrays["vectors"]
    if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != len(ids):
        raise ValueError("the vectors do not fit their ids")
    rows = vectors.astype(np.float32, copy=False)
    if "entities" not in arrays:
        return StoredVectors(ids, rows, "", None, None)
    if not arrays.keys() >= {"checksums", "seq", "origin"} or arrays["seq"].dtype != np.int64:
        raise ValueError("it does not say what it speaks for")
    entities = _KEYS.validate_json(_single(arrays["entities"]))
    checksums = dict(zip(entities, _strings(arrays["checksums"]), strict=True))
    return StoredVectors(ids, rows, _single(arrays["origin"]), int(arrays["seq"].item()), checksums)


def _text(values: Iterable[str]) -> npt.NDArray[np.str_]:
    listed = list(values)
    return np.array(listed, dtype=np.str_) if listed else np.empty(0, dtype="<U1")


def _strings(array: npt.NDArray[np.generic]) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError("not a list of texts")
    return tuple(str(value) for value in array.tolist())


def _single(array: npt.NDArray[np.generic]) -> str:
    if array.ndim != 0 or array.dtype.kind != "U":
        raise ValueError("not a text")
    return str(array.item())
