"""The two 8-bit precisions: smaller files, and with `int8-dynamic` about twice the speed.

Both keep the word table as int8 with one scale a row. Rounding is symmetric: `value = q * scale`
with q in -127…127.
"""

import numpy as np
import numpy.typing as npt
import onnx

from scripts.build_support import BuildError
from scripts.model_export.graph import CONTRIB_DOMAIN, Array, GraphBuilder, Layers
from scripts.model_export.recipes import Precision

LIMIT = 127
# Weights that share one scale along the inputs of a product; the kernels of onnxruntime take
# powers of two from 16 on. 32 keeps a cosine of 0.999 and costs an eighth in size.
BLOCK_INPUTS = 32
# MatMulNBits keeps unsigned weights around this zero point.
ZERO_POINT = 128
# MatMulNBits: 4 lets the kernels round the other side of the product to int8 as well.
INT8_ACCURACY_LEVEL = 4


def layers_of(precision: Precision) -> Layers:
    """The way of writing products that makes a precision."""
    match precision:
        case "fp32":
            return Layers()
        case "int8-weights":
            return Int8Weights()
        case "int8-dynamic":
            return Int8Dynamic()


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

    def linear(self, graph: GraphBuilder, value: str, name: str, matrix: Array, bias: Array) -> str:
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
        return graph.node("Add", product, graph.constant(f"{name}.bias", bias))


class Int8Dynamic(_Int8Table):
    """Int8 weights with a scale for each output; the other side is rounded as it comes.

    Its scale is taken over a whole batch, so a vector depends a little on its neighbours there.
    """

    def linear(self, graph: GraphBuilder, value: str, name: str, matrix: Array, bias: Array) -> str:
        """`value @ matrix + bias` as an integer product, in the form onnxruntime fuses."""
        columns, scales = quantize(np.asarray(matrix, dtype=np.float32), axis=0)
        rounded, value_scale, value_zero = graph.split("DynamicQuantizeLinear", value, 3)
        product = graph.node(
            "MatMulInteger",
            rounded,
            graph.constant(f"{name}.weight", columns),
            value_zero,
            graph.constant(f"{name}.zero", np.zeros(columns.shape[1], dtype=np.int8)),
        )
        scale = graph.node("Mul", value_scale, graph.constant(f"{name}.scale", scales.reshape(-1)))
        widened = graph.node("Cast", product, to=onnx.TensorProto.FLOAT)
        scaled = graph.node("Mul", widened, scale)
        return graph.node("Add", scaled, graph.constant(f"{name}.bias", bias))


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
