"""The weights of a BERT encoder out of a graph that onnxruntime's dynamic quantization made.

Such a graph is not run as it is: it rounds a whole batch by one scale, so that a vector would
depend on the texts beside it. Its 8-bit weights become floats again, and `graph` writes them.

Tensors have the names of the `transformers` library, except the matrices of products, which lost
theirs when PyTorch wrote the graph. A matrix is known by the bias that is added to its product.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from scripts.build_support import BuildError

Floats = npt.NDArray[np.float32]

QUANTIZED, SCALE, ZERO_POINT = "_quantized", "_scale", "_zero_point"
BIAS, WEIGHT = ".bias", ".weight"
# What stands between the product of integers and the bias: its conversion and its scale.
_AFTER_PRODUCT = frozenset({"Cast", "Mul"})


def read_quantized_onnx(path: Path) -> dict[str, Floats]:
    """Read the tensors of the encoder as float32, under the names of `transformers`.

    Raises:
        BuildError: the file is no ONNX graph, or not one of dynamic quantization.
    """
    try:
        graph = onnx.load(path).graph
    except (DecodeError, OSError) as error:
        raise BuildError(f"{path} cannot be read as ONNX: {error}") from error
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {
        name: np.asarray(tensor, dtype=np.float32)
        for name, tensor in stored.items()
        if np.issubdtype(tensor.dtype, np.floating) and not name.endswith(SCALE)
    }
    for name in stored:
        if name.endswith(QUANTIZED):
            tensors[name.removesuffix(QUANTIZED)] = _dequantized(stored, name, path)
    matrices = dict(_matrices(graph.node))
    if not matrices:
        raise BuildError(
            f"{path} has no product of integers followed by a named bias; only graphs that "
            "onnxruntime's quantize_dynamic made of a PyTorch encoder can be read"
        )
    for name, matrix in matrices.items():
        tensors[name] = tensors.pop(matrix).T
    return tensors


def _dequantized(stored: Mapping[str, npt.NDArray[Any]], quantized: str, path: Path) -> Floats:
    """`(value - zero point) * scale`."""
    name = quantized.removesuffix(QUANTIZED)
    scale, zero_point = stored.get(name + SCALE), stored.get(name + ZERO_POINT)
    if scale is None or zero_point is None:
        raise BuildError(
            f"{path} holds {quantized} without its scale and zero point; "
            "the file is incomplete: delete it and build again"
        )
    centred = stored[quantized].astype(np.float32) - zero_point.astype(np.float32)
    return np.asarray(centred * scale, dtype=np.float32)


def _matrices(nodes: Iterator[onnx.NodeProto]) -> Iterator[tuple[str, str]]:
    """The name of each matrix by its bias, and the name under which the graph has it."""
    made_by = {output: node for node in nodes for output in node.output}
    for node in made_by.values():
        biases = [name for name in node.input if name.endswith(BIAS)]
        if node.op_type != "Add" or len(biases) != 1:
            continue
        (value,) = (name for name in node.input if name not in biases)
        source = made_by.get(value)
        while source is not None and source.op_type in _AFTER_PRODUCT:
            source = made_by.get(source.input[0])
        if source is not None and source.op_type == "MatMulInteger":
            yield biases[0].removesuffix(BIAS) + WEIGHT, source.input[1].removesuffix(QUANTIZED)
