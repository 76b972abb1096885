"""Byte products are exact, on this processor and on those that need other kernels for it."""

import platform
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from scripts.model_export.export import export_bundle
from scripts.model_export.graph import IR_VERSION, OPSET
from shared.embedding import onnx_encoder
from shared.embedding.model_files import GRAPH_NAME
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.embedding.onnx_session import (
    BYTE_PRODUCT_GRAPH,
    EXACT_PRODUCTS_OPTION,
    has_exact_byte_products,
    open_session,
    session_options,
)
from tests.unit.embedding.conftest import ModelFolder

INPUTS, OUTPUTS = 384, 48
PRODUCT = "MatMulIntegerToFloat"


def test_the_graph_that_tries_the_processor_is_one_product_of_bytes() -> None:
    names = {"a": TensorProto.UINT8, "b": TensorProto.INT8, "c": TensorProto.INT32}
    first, second, product = (
        helper.make_tensor_value_info(name, kind, None) for name, kind in names.items()
    )
    node = helper.make_node("MatMulInteger", ["a", "b"], ["c"])
    body = helper.make_graph([node], "g", [first, second], [product])
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    assert model.SerializeToString(deterministic=True) == BYTE_PRODUCT_GRAPH


def session_of(weights: npt.NDArray[np.int8], *, is_exact: bool) -> onnxruntime.InferenceSession:
    """A product of bytes as the exporter writes it, without scales."""
    constants = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in {
            "weights": weights,
            "one": np.float32(1),
            "ones": np.ones(OUTPUTS, dtype=np.float32),
            "zero": np.uint8(128),
        }.items()
    ]
    inputs = ["bytes", "weights", "one", "ones", "zero"]
    node = helper.make_node(PRODUCT, inputs, ["product"], domain="com.microsoft")
    given = helper.make_tensor_value_info("bytes", TensorProto.UINT8, [None, INPUTS])
    found = helper.make_tensor_value_info("product", TensorProto.FLOAT, [None, OUTPUTS])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(
        helper.make_graph([node], "product", [given], [found], constants),
        opset_imports=opsets,
        ir_version=IR_VERSION,
    )
    return open_session(model.SerializeToString(), byte_products_are_exact=is_exact)


@pytest.mark.parametrize("needs_other_kernels", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5, 16, 130])
def test_products_of_the_largest_bytes_are_exact(rows: int, needs_other_kernels: bool) -> None:
    """Sums below 2 to the 24 are exact in float32, so what is not equal was cut off."""
    draw = np.random.default_rng(rows)
    weights = draw.choice(np.array([-127, 127], dtype=np.int8), size=(INPUTS, OUTPUTS))
    weights[:, 0], weights[:, 1] = 127, -127
    values = draw.choice(np.array([0, 1, 254, 255], dtype=np.uint8), size=(rows, INPUTS))
    values[0] = 255
    session = session_of(weights, is_exact=has_exact_byte_products() and not needs_other_kernels)
    product = session.run(None, {"bytes": values})[0]
    expected = (values.astype(np.int64) - 128) @ weights.astype(np.int64)
    np.testing.assert_array_equal(product, expected)


def weight_kinds(folder: Path, optimized: Path, *, is_exact: bool) -> set[np.dtype[np.generic]]:
    """The types of the weights of byte products, once onnxruntime has rewritten the graph."""
    options = session_options(byte_products_are_exact=is_exact)
    options.optimized_model_filepath = str(optimized)
    onnxruntime.InferenceSession(
        str(folder / GRAPH_NAME), sess_options=options, providers=["CPUExecutionProvider"]
    )
    graph = onnx.load(optimized).graph
    kinds = {value.name: numpy_helper.to_array(value).dtype for value in graph.initializer}
    return {kinds[node.input[1]] for node in graph.node if node.op_type == PRODUCT}


def test_only_a_processor_that_cuts_sums_off_gets_the_slow_products(bundle: Path) -> None:
    """On x86 onnxruntime multiplies unsigned by unsigned bytes in 32 bits: exactly, and slowly."""
    signed, unsigned = np.dtype(np.int8), np.dtype(np.uint8)
    optimized = bundle / "optimized.onnx"
    assert weight_kinds(bundle, optimized, is_exact=True) == {signed}
    is_x86 = platform.machine() in {"x86_64", "AMD64"}
    expected = {unsigned if is_x86 else signed}
    assert weight_kinds(bundle, optimized, is_exact=False) == expected


@pytest.mark.parametrize(("is_exact", "setting"), [(True, None), (False, "1")])
def test_the_encoder_opens_its_session_for_this_processor(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, is_exact: bool, setting: str | None
) -> None:
    monkeypatch.setattr(onnx_encoder, "has_exact_byte_products", lambda: is_exact)
    options = OnnxEncoder.from_directory(bundle)._session.get_session_options()
    if setting is None:
        with pytest.raises(RuntimeError, match=EXACT_PRODUCTS_OPTION):
            options.get_session_config_entry(EXACT_PRODUCTS_OPTION)
    else:
        assert options.get_session_config_entry(EXACT_PRODUCTS_OPTION) == setting


@pytest.fixture
def bundle(model_folder: ModelFolder, tmp_path: Path) -> Path:
    target = tmp_path / "bundle"
    export_bundle(model_folder(), target, model_id="tiny", precision="int8-dynamic", source="test")
    return target
