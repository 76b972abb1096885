"""Weights out of a graph of onnxruntime's dynamic quantization, written here node by node."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from scripts.build_support import BuildError
from scripts.model_export.configuration import Overrides
from scripts.model_export.export import export_bundle
from scripts.model_export.quantized_onnx import read_quantized_onnx
from shared.embedding.onnx_encoder import OnnxEncoder
from tests.unit.embedding import bert_reference
from tests.unit.embedding.conftest import HEADS, LAYERS, ModelFolder, random_weights

NAME = "model.onnx"


def is_product(name: str) -> bool:
    return name.endswith(".weight") and name.startswith("encoder") and "LayerNorm" not in name


def quantized_graph(weights: dict[str, npt.NDArray[np.float32]]) -> onnx.ModelProto:
    """Tables keep their names; matrices have numbers and are known by the bias behind them."""
    nodes: list[onnx.NodeProto] = []
    kept: dict[str, npt.NDArray[Any]] = {}
    for number, (name, value) in enumerate(sorted(weights.items())):
        if is_product(name):
            anonymous = f"onnx::MatMul_{number}"
            kept |= quantized(anonymous, value.T)
            bias = name.removesuffix("weight") + "bias"
            nodes += product(anonymous, bias, number)
        elif name.startswith("embeddings") and "LayerNorm" not in name:
            kept |= quantized(name, value)
        else:
            kept[name] = value
    tensors = [numpy_helper.from_array(value, name) for name, value in kept.items()]
    return helper.make_model(helper.make_graph(nodes, "encoder", [], [], tensors))


def quantized(name: str, value: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Unsigned bytes around a zero point that is not the middle."""
    scale = np.float32((value.max() - value.min()) / 255)
    zero_point = np.uint8(round(float(-value.min() / scale)))
    rounded = np.clip(np.rint(value / scale) + zero_point, 0, 255).astype(np.uint8)
    return {
        f"{name}_quantized": rounded,
        f"{name}_scale": np.array(scale),
        f"{name}_zero_point": np.array(zero_point),
    }


def product(matrix: str, bias: str, number: int) -> list[onnx.NodeProto]:
    names = [f"{matrix}_{part}" for part in ("quantized", "zero_point")]
    made = [f"{kind}_{number}" for kind in ("integers", "floats", "scaled", "biased")]
    return [
        helper.make_node("MatMulInteger", ["value", names[0], "zero", names[1]], [made[0]]),
        helper.make_node("Cast", [made[0]], [made[1]], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [made[1], "scale"], [made[2]]),
        helper.make_node("Add", [bias, made[2]], [made[3]]),
    ]


def test_matrices_are_known_by_their_biases(tmp_path: Path) -> None:
    expected = random_weights(7)
    onnx.save(quantized_graph(expected), tmp_path / NAME)
    tensors = read_quantized_onnx(tmp_path / NAME)
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        step = float(value.max() - value.min()) / 255
        np.testing.assert_allclose(tensors[name], value, atol=step, err_msg=name)


def test_the_bundle_pools_as_the_recipe_says(model_folder: ModelFolder, tmp_path: Path) -> None:
    """The package has no modules.json that would name the pooling."""
    folder = model_folder()
    for name in ("modules.json", "model.safetensors", "config_sentence_transformers.json"):
        (folder / name).unlink()
    onnx.save(quantized_graph(random_weights(7)), folder / NAME)
    export_bundle(
        folder,
        tmp_path / "bundle",
        model_id="tiny",
        precision="fp32",
        source="test",
        weights_name=NAME,
        overrides=Overrides(query_prefix="w5 ", pooling="cls"),
    )
    vector = OnnxEncoder.from_directory(tmp_path / "bundle").encode_query("w1")
    weights = read_quantized_onnx(folder / NAME)
    ids = [2, 4 + 5, 4 + 1, 3]
    reference = bert_reference.encode(weights, ids, heads=HEADS, layers=LAYERS, pooling="cls")
    np.testing.assert_allclose(vector, reference, atol=2e-6)
    assert json.loads((tmp_path / "bundle" / "model.json").read_text())["pooling"] == "cls"


def test_other_graphs_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"\xff\xff")
    with pytest.raises(BuildError, match="cannot be read as ONNX"):
        read_quantized_onnx(path)
    onnx.save(helper.make_model(helper.make_graph([], "none", [], [])), path)
    with pytest.raises(BuildError, match=r"no product of integers .* only graphs that"):
        read_quantized_onnx(path)
    graph = quantized_graph(random_weights(7))
    kept = [tensor for tensor in graph.graph.initializer if not tensor.name.endswith("_scale")]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    onnx.save(graph, path)
    with pytest.raises(BuildError, match=r"without its scale and zero point; .* build again"):
        read_quantized_onnx(path)
