"""One product of `int8-dynamic` as onnxruntime computes it, against the same product in floats."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper

from scripts.model_export.calibration import ChannelRanges
from scripts.model_export.graph import IR_VERSION, OPSET, GraphBuilder
from scripts.model_export.quantization import Int8Dynamic, channel_widths, quantize
from shared.embedding.onnx_session import has_exact_byte_products, open_session

Floats = npt.NDArray[np.float32]

CHANNELS, OUTPUTS = 16, 8
GENERATOR = np.random.default_rng(5)
MATRIX = GENERATOR.normal(size=(CHANNELS, OUTPUTS)).astype(np.float32)
MANY = 64
WIDE_MATRIX = GENERATOR.normal(size=(MANY, OUTPUTS)).astype(np.float32)
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
    names = {"value": [None, value.shape[1]], output: [None, OUTPUTS]}
    given_value, result = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in names.items()
    )
    body = helper.make_graph(graph.nodes, "product", [given_value], [result], graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)
    session = open_session(
        model.SerializeToString(), byte_products_are_exact=has_exact_byte_products()
    )
    return np.asarray(session.run(None, {"value": value})[0])


def draw(rows: int, *, channels: int = CHANNELS, floor: float | None = None) -> Floats:
    values = GENERATOR.normal(size=(rows, channels)).astype(np.float32)
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


def mean_error(value: Floats, matrix: Floats, **options: Any) -> float:
    exact = value.astype(np.float64) @ matrix + BIAS
    return float(np.abs(product(value, matrix=matrix, **options) - exact).mean())


def ranges_of(value: Floats) -> ChannelRanges:
    return {"dense": np.abs(value).max(axis=0).astype(np.float64)}


def test_values_with_a_floor_are_rounded_more_finely() -> None:
    value = draw(200, channels=MANY, floor=0.0)
    # Weights that rounding leaves as they are, so that only the values count.
    matrix = GENERATOR.choice(np.array([-1, 1], dtype=np.float32), size=(MANY, OUTPUTS))
    coarse = mean_error(value, matrix)
    assert mean_error(value, matrix, floor=-0.1701) < 0.7 * coarse
    assert mean_error(value, matrix, floor=0.0) < 0.7 * coarse


@pytest.mark.parametrize(
    ("wide", "times", "gain"),
    [
        (1, 4096, 100),  # multiplied in float32
        (12, 64, 2.5),  # more than those: the rest are narrowed
    ],
)
def test_wide_channels_do_not_take_the_steps_from_the_others(
    wide: int, times: int, gain: float
) -> None:
    """As the LayerNorms of real models have them: some channels far wider than the others."""
    value, matrix = draw(200, channels=MANY), WIDE_MATRIX.copy()
    value[:, 5 : 5 + wide] *= times
    matrix[5 : 5 + wide] /= times
    plain = mean_error(value, matrix)
    assert mean_error(value, matrix, ranges=ranges_of(value)) < plain / gain


def test_a_channel_with_wide_weights_does_not_take_the_steps_from_the_others() -> None:
    value, matrix = draw(200, channels=MANY, floor=0.0), WIDE_MATRIX.copy()
    value[:, 9] /= 64
    usual = mean_error(value, matrix, floor=0.0)
    matrix[9] *= 64
    assert mean_error(value, matrix, floor=0.0) < 1.5 * usual


def test_fewer_channels_than_are_multiplied_exactly() -> None:
    value, matrix = draw(5, channels=3, floor=0.0), WIDE_MATRIX[:3]
    assert mean_error(value, matrix, floor=0.0) < 1e-6
    assert mean_error(value, matrix, ranges=ranges_of(value)) < 1e-6


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
