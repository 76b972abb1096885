"""A model that costs next to nothing, to see what everything around the encoder costs.

A whole bundle like any other, so that no part of the pipeline knows: the graph looks up a fixed
unit vector by the sum of a text's token ids, and the tokenizer knows a few words and stops early.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from scripts.model_export.graph import IR_VERSION, OPSET
from shared.embedding.model_bundle import ModelBundle, ModelFile
from shared.embedding.model_files import DESCRIPTION_NAME, GRAPH_NAME, TOKENIZER_NAME
from shared.embedding.onnx_encoder import INPUT_NAME
from shared.models.manifest import ModelIdentity

MODEL_ID = "stub"
_DIFFERENT_VECTORS = 4096
_MAXIMUM_TOKENS = 16
_UNKNOWN = "[UNK]"
_SEED = 7


def write_stub_model(folder: Path, dims: int, words: Iterable[str]) -> ModelIdentity:
    """Write a bundle whose vectors have `dims` numbers; `words` are those it tells apart."""
    folder.mkdir(parents=True)
    vocabulary = [_UNKNOWN, *dict.fromkeys(words)]
    tokenizer = Tokenizer(
        WordLevel({word: number for number, word in enumerate(vocabulary)}, unk_token=_UNKNOWN)
    )
    tokenizer.pre_tokenizer = WhitespaceSplit()
    contents = {GRAPH_NAME: _graph(dims), TOKENIZER_NAME: tokenizer.to_str().encode()}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    identity = ModelIdentity(id=MODEL_ID, revision=digests[GRAPH_NAME][:12], dims=dims)
    bundle = ModelBundle(
        identity=identity,
        precision="fp32",
        pooling="mean",
        max_tokens=_MAXIMUM_TOKENS,
        source="made by a benchmark; its vectors mean nothing",
        files=tuple(
            ModelFile(name=name, size_bytes=len(data), sha256=digests[name])
            for name, data in contents.items()
        ),
    )
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / DESCRIPTION_NAME).write_text(bundle.model_dump_json(), encoding="utf-8")
    return identity


def _graph(dims: int) -> bytes:
    vectors = np.random.default_rng(_SEED).standard_normal((_DIFFERENT_VECTORS, dims))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    constants: dict[str, npt.NDArray[np.generic]] = {
        "axes": np.array([1], np.int64),
        "count": np.array(_DIFFERENT_VECTORS, np.int64),
        "vectors": vectors.astype(np.float32),
    }
    nodes = [
        helper.make_node("ReduceSum", [INPUT_NAME, "axes"], ["sums"], keepdims=0),
        helper.make_node("Mod", ["sums", "count"], ["rows"]),
        helper.make_node("Gather", ["vectors", "rows"], ["embeddings"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "stub",
        [helper.make_tensor_value_info(INPUT_NAME, onnx.TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("embeddings", onnx.TensorProto.FLOAT, ["batch", dims])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
