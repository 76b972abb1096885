"""The two 8-bit precisions: smaller files, and with `int8-dynamic` more than twice the speed.

Both keep the word table as int8 with one scale a row. Weights are rounded symmetrically:
`value = q * scale` with q in -127…127.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx

from scripts.build_support import BuildError
from scripts.model_export.calibration import ChannelRanges
from scripts.model_export.graph import CONTRIB_DOMAIN, Array, GraphBuilder, Layers
from scripts.model_export.recipes import Precision

LIMIT = 127
# Weights that share one scale along the inputs of a product; the kernels of onnxruntime take
# powers of two from 16 on. 32 keeps a cosine of 0.999 and costs an eighth in size.
BLOCK_INPUTS = 32
# Unsigned bytes for values of both signs are kept around this zero point.
ZERO_POINT = 128
LARGEST_BYTE = 255
# The zero point of values that are hardly ever negative, those of GELU: it leaves 231 of 255 steps
# to the positive ones, where the middle would leave 127.
LOW_ZERO_POINT = 24
# How many channels are multiplied in float32. Their first few halve what the rounding costs in
# quality, for a twentieth of the time; more of them hardly help.
EXACT_BY_VALUES = 4
EXACT_BY_WEIGHTS = 8
SMALLEST = 1e-12
# MatMulNBits: 4 lets the kernels round the other side of the product to int8 as well.
INT8_ACCURACY_LEVEL = 4


def layers_of(precision: Precision, ranges: Callable[[], ChannelRanges]) -> Layers:
    """The way of writing products that makes a precision; `ranges` are asked for where needed."""
    match precision:
        case "fp32":
            return Layers()
        case "int8-weights":
            return Int8Weights()
        case "int8-dynamic":
            return Int8Dynamic(ranges())


class _Int8Table(Layers):
    def lookup(self, graph: GraphBuilder, ids: str, name: str, table: Array) -> str:
        """Gather int8 rows and their scales, then multiply."""
        rows, scales = quantize(np.asarray(table, dtype=np.float32), axis=1)
        gathered = graph.node("Gather", graph.constant(name, rows), ids)
        widened = graph.node("Cast", gathered, to=onnx.TensorProto.FLOAT)
        scale = graph.node("Gather", graph.constant(f"{name}.scale", scales), ids)
        return graph.node("Mul", widened, scale)


class Int8Weights(_Int8Table):
    """Weights in blocks of int8 with a float scale each, multiplied by onnxruntime's own kernel."""

    def linear(
        self,
        graph: GraphBuilder,
        value: str,
        name: str,
        matrix: Array,
        bias: Array | None,
        floor: float | None = None,  # noqa: ARG002 - the kernels round as they see fit
    ) -> str:
        """`value @ matrix + bias` with the operator `MatMulNBits` of onnxruntime."""
        inputs, outputs = matrix.shape
        if inputs % BLOCK_INPUTS:
            raise BuildError(
                f"{name} has {inputs} inputs, no multiple of {BLOCK_INPUTS}; "
                "use another precision for this model"
            )
        blocks = np.asarray(matrix.T, dtype=np.float32).reshape(outputs, -1, BLOCK_INPUTS)
        rows, scales = quantize(blocks, axis=2)
        unsigned = (rows.astype(np.int16) + ZERO_POINT).astype(np.uint8)
        product = graph.node(
            "MatMulNBits",
            value,
            graph.constant(f"{name}.weight", unsigned),
            graph.constant(f"{name}.scale", scales.reshape(outputs, -1)),
            domain=CONTRIB_DOMAIN,
            K=inputs,
            N=outputs,
            bits=8,
            block_size=BLOCK_INPUTS,
            accuracy_level=INT8_ACCURACY_LEVEL,
        )
        return self.biased(graph, product, name, bias)


class Int8Dynamic(_Int8Table):
    """Int8 weights with a scale for each output; the other side is rounded as it comes.

    Each token has its own scale, so what stands beside it in a batch does not matter. What
    would make the steps coarse is kept away from the rounding in two ways: the few widest channels
    are multiplied in float32 ("LLM.int8()", arXiv:2208.07339); the others are narrowed by the root
    of their range and their weights widened by as much ("SmoothQuant", arXiv:2211.10438).

    The products of bytes are exact on every processor, if the graph is opened by
    `shared.embedding.onnx_session`. On x86 without VNNI they are no faster than those of fp32.
    """

    def __init__(self, ranges: ChannelRanges) -> None:
        self._ranges = ranges

    def linear(
        self,
        graph: GraphBuilder,
        value: str,
        name: str,
        matrix: Array,
        bias: Array | None,
        floor: float | None = None,
    ) -> str:
        """`value @ matrix + bias` as a product of integers."""
        weights = np.array(matrix, dtype=np.float32)
        exact = self._exact_channels(name, weights, floor)
        aside = None
        if exact.size:
            chosen = graph.node("Gather", value, graph.constant(f"{name}.exact", exact), axis=-1)
            held = graph.constant(f"{name}.exact.weight", weights[exact])
            aside = graph.node("MatMul", chosen, held)
            weights[exact] = 0
        if name in self._ranges:
            widths = channel_widths(self._ranges[name])
            narrowing = 1 / widths
            narrowing[exact] = 0
            value = graph.node("Mul", value, graph.constant(f"{name}.narrowing", narrowing))
            weights *= widths[:, np.newaxis]
        product = _rounded_product(graph, value, name, weights, floor)
        if aside is not None:
            product = graph.node("Add", product, aside)
        return self.biased(graph, product, name, bias)

    def _exact_channels(
        self, name: str, weights: npt.NDArray[np.float32], floor: float | None
    ) -> npt.NDArray[np.int64]:
        """The channels that would cost the others most: widest in their values or their weights."""
        if name in self._ranges:
            return _widest(self._ranges[name], EXACT_BY_VALUES)
        if floor is None:  # a mean of values, which has no wide channels
            return np.empty(0, dtype=np.int64)
        typical = np.sqrt(np.mean(weights.astype(np.float64) ** 2, axis=0)) + SMALLEST
        return _widest(np.abs(weights / typical).max(axis=1), EXACT_BY_WEIGHTS)


def _widest(sizes: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """The positions of the largest values, in order; among equals the first."""
    return np.sort(np.argsort(-sizes, kind="stable")[:count]).astype(np.int64)


def _rounded_product(
    graph: GraphBuilder,
    value: str,
    name: str,
    weights: npt.NDArray[np.float32],
    floor: float | None,
) -> str:
    columns, scales = quantize(weights, axis=0)
    rounded, largest, step, zero = _round_tokens(graph, value, name, floor)
    product = graph.node(
        "MatMulIntegerToFloat",
        rounded,
        graph.constant(f"{name}.weight", columns),
        step,
        graph.constant(f"{name}.scale", scales.reshape(-1)),
        zero,
        domain=CONTRIB_DOMAIN,
    )
    return graph.node("Mul", product, largest)


def _round_tokens(
    graph: GraphBuilder, value: str, name: str, floor: float | None
) -> tuple[str, str, str, str]:
    """Round each token to bytes by its own largest value.

    Returns:
        The names of the bytes, of the largest values, of the step and of the zero point:
        `value = (byte - zero point) * step * largest`.
    """
    zero_point = ZERO_POINT
    if floor is not None:
        zero_point = LOW_ZERO_POINT if floor < 0 else 0
    steps = LARGEST_BYTE - zero_point
    sizes = graph.node("Abs", value) if floor is None else value
    axis = graph.constant("channel_axis", np.array([-1], dtype=np.int64))
    # A token of zeros becomes 0 / 0, of which any byte may come: the product is multiplied by its
    # largest value again, which is 0.
    largest = graph.node("ReduceMax", sizes, axis, keepdims=1)
    if floor is not None and floor < 0:
        # So large that the floor is within reach of the bytes below the zero point.
        least = np.array(-floor * steps / zero_point, dtype=np.float32)
        largest = graph.node("Max", largest, graph.constant(f"{name}.least", least))
    step = graph.constant(f"{name}.step", np.array(1 / steps, dtype=np.float32))
    zero = graph.constant(f"{name}.zero", np.array(zero_point, dtype=np.uint8))
    rounded = graph.node("QuantizeLinear", graph.node("Div", value, largest), step, zero)
    return rounded, largest, step, zero


def channel_widths(ranges: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The power of two next to the root of each range: exact in floats, the same everywhere."""
    roots = np.sqrt(np.where(ranges > 0, ranges, 1))
    return np.exp2(np.rint(np.log2(roots))).astype(np.float32)


def quantize(
    values: npt.NDArray[np.float32], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round to int8 with one scale along `axis`, which stays in the scales with length 1.

    Args:
        values: of any shape.
        axis: the axis whose values share a scale.

    Returns:
        The rounded values and their scales; `rounded * scales` is within half a scale of `values`.
    """
    largest = np.abs(values).max(axis=axis, keepdims=True)
    scales = np.where(largest > 0, largest / LIMIT, 1).astype(np.float32)
    rounded = np.clip(np.rint(values / scales), -LIMIT, LIMIT).astype(np.int8)
    return rounded, scales
