"""One product of `int8-dynamic` as onnxruntime computes it, against the same product in floats."""

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper

from scripts.model_export.calibration import ChannelRanges
from scripts.model_export.graph import IR_VERSION, OPSET, GraphBuilder
from scripts.model_export.quantization import Int8Dynamic, channel_widths, quantize

Floats = npt.NDArray[np.float32]

CHANNELS, OUTPUTS = 16, 8
GENERATOR = np.random.default_rng(5)
MATRIX = GENERATOR.normal(size=(CHANNELS, OUTPUTS)).astype(np.float32)
BIAS = GENERATOR.normal(size=OUTPUTS).astype(np.float32)
# Half a step of the weights and half a step of 127 of the values, each over all channels.
ROUNDING = CHANNELS * float(np.abs(MATRIX).max()) / 127
VALUES = st.floats(-100, 100, width=32)
FLOORS = st.sampled_from([None, 0.0, -0.1701])


def product(
    value: Floats,
    *,
    matrix: Floats = MATRIX,
    floor: float | None = None,
    ranges: ChannelRanges | None = None,
) -> Floats:
    graph = GraphBuilder()
    output = Int8Dynamic(ranges or {}).linear(graph, "value", "dense", matrix, BIAS, floor)
    names = {"value": [None, CHANNELS], output: [None, OUTPUTS]}
    given_value, result = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in names.items()
    )
    body = helper.make_graph(graph.nodes, "product", [given_value], [result], graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"value": value})[0])


def draw(rows: int, *, floor: float | None = None) -> Floats:
    values = GENERATOR.normal(size=(rows, CHANNELS)).astype(np.float32)
    return values if floor is None else np.maximum(values, np.float32(floor))


@given(arrays.arrays(np.float32, (3, CHANNELS), elements=VALUES), FLOORS)
def test_a_product_is_within_the_rounding_of_both_sides(value: Floats, floor: float | None) -> None:
    value = value if floor is None else np.maximum(value, np.float32(floor))
    largest = np.abs(value).max(axis=1, keepdims=True)
    # The steps of values with a floor cover at least what lies between it and nine times as far.
    reach = largest if not floor else np.maximum(largest, -9 * floor)
    error = np.abs(product(value, floor=floor) - (value @ MATRIX + BIAS))
    assert np.all(error <= reach * ROUNDING + 1e-4 * (1 + largest))


@pytest.mark.parametrize("floor", [None, 0.0, -0.1701])
def test_a_token_has_the_same_result_beside_any_other(floor: float | None) -> None:
    quiet, loud = draw(4, floor=floor), 1000 * np.abs(draw(4, floor=floor))
    together = product(np.concatenate([quiet, loud]), floor=floor)
    np.testing.assert_array_equal(together[:4], product(quiet, floor=floor))


@pytest.mark.parametrize("floor", [None, 0.0, -0.1701])
def test_a_token_of_zeros_gives_the_bias(floor: float | None) -> None:
    zeros = np.zeros((1, CHANNELS), dtype=np.float32)
    np.testing.assert_array_equal(product(zeros, floor=floor)[0], BIAS)


def test_small_values_down_to_the_floor_are_not_cut_off() -> None:
    value = np.full((1, CHANNELS), -0.17, dtype=np.float32)
    value[0, 3] = 0.05
    np.testing.assert_allclose(
        product(value, floor=-0.1701), value @ MATRIX + BIAS, atol=0.17 * ROUNDING / 2
    )


def test_values_with_a_floor_are_rounded_more_finely() -> None:
    value = draw(200, floor=0.0)
    exact = value @ np.asarray(quantized(MATRIX)) + BIAS
    coarse = np.abs(product(value) - exact).mean()
    assert np.abs(product(value, floor=-0.1701) - exact).mean() < 0.7 * coarse
    assert np.abs(product(value, floor=0.0) - exact).mean() < 0.7 * coarse


def test_a_wide_channel_does_not_take_the_steps_from_the_others() -> None:
    """As the LayerNorms of real models have them: one channel far wider than the others."""
    value, matrix = draw(200), MATRIX.copy()
    value[:, 5] *= 64
    matrix[5] /= 64
    exact = value @ matrix + BIAS
    ranges = {"dense": np.abs(value).max(axis=0).astype(np.float64)}
    plain = np.abs(product(value, matrix=matrix) - exact).mean()
    assert np.abs(product(value, matrix=matrix, ranges=ranges) - exact).mean() < plain / 3


def quantized(matrix: Floats) -> Floats:
    rounded, scales = quantize(matrix, axis=0)
    return np.asarray(rounded * scales, dtype=np.float32)


def test_quantize_is_within_half_a_step() -> None:
    values = np.random.default_rng(1).normal(size=(40, 30)).astype(np.float32)
    values[3] = 0
    rounded, scales = quantize(values, axis=1)
    assert rounded.dtype == np.int8
    assert np.all(np.abs(rounded * scales - values) <= scales / 2 + 1e-7)
    assert not rounded[3].any()


def test_channel_widths_are_powers_of_two_near_the_root() -> None:
    widths = channel_widths(np.array([0.0, 0.25, 1.0, 4.0, 30.0, 1e-9]))
    np.testing.assert_array_equal(widths, [1, 0.5, 1, 2, 4, 2.0**-15])
