"""The model's graph computed node by node in numpy, with byte products that cannot be cut off.

No processor has a say in it: sums of byte products are exact in float64, and the rest of the graph
differs between BLAS libraries in the last digits of a float.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from tokenizers import Tokenizer

from scripts.model_export.graph import CONTRIB_DOMAIN
from shared.embedding.model_files import GRAPH_NAME, TOKENIZER_NAME

Floats = npt.NDArray[np.float32]


class MatMulIntegerToFloat(OpRun):
    """onnxruntime's product of bytes: zero point and scales are taken off, in that order."""

    op_domain = CONTRIB_DOMAIN

    def _run(
        self,
        values: npt.NDArray[np.uint8],
        weights: npt.NDArray[np.int8],
        step: Floats,
        scales: Floats,
        zero: npt.NDArray[np.uint8],
    ) -> tuple[Floats]:
        sums = (values.astype(np.float64) - float(zero)) @ weights.astype(np.float64)
        return (sums.astype(np.float32) * (step * scales),)


class ExactEncoder:
    """Encodes texts with a bundle, one at a time."""

    def __init__(self, bundle: Path) -> None:
        graph = onnx.load(bundle / GRAPH_NAME)
        self._evaluator = ReferenceEvaluator(graph, new_ops=[MatMulIntegerToFloat])
        self._tokenizer = Tokenizer.from_file(str(bundle / TOKENIZER_NAME))

    def encode(self, text: str) -> Floats:
        """The unit-length vector of a text."""
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        outputs: Any = self._evaluator.run(None, {"input_ids": ids})
        return np.asarray(outputs[0][0], dtype=np.float32)
