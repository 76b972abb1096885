"""Opening a graph in onnxruntime so that its byte products are exact on every processor."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

# x86 without VNNI (AVX2 alone, AVX-512 before 2019) adds pairs of byte products in 16 bits, and
# onnxruntime lets large sums be cut off there. This option makes it widen them to 32 bits first.
# It is for those processors alone: with VNNI a product would take three to five times as long.
EXACT_PRODUCTS_OPTION = "session.x64quantprecision"
# A graph of one node, c = MatMulInteger(a, b), of unsigned bytes by signed ones: functions have no
# library that writes one. `test_onnx_session.py` writes it again.
BYTE_PRODUCT_GRAPH = bytes.fromhex(
    "08093a3e0a180a01610a0162120163220d4d61744d756c496e7465676572120167"
    "5a090a016112040a0208025a090a016212040a02080362090a016312040a02080642040a001014"
)
PROBE_ROWS, PROBE_INPUTS, PROBE_OUTPUTS = 4, 64, 32


def open_session(
    graph: Path | bytes, *, byte_products_are_exact: bool
) -> onnxruntime.InferenceSession:
    """Open a graph for one thread a run.

    Args:
        graph: a file or its bytes.
        byte_products_are_exact: whether the processor's fastest byte products are; where they are
            not, others are taken.

    Raises:
        Exception: onnxruntime cannot load it; its own exceptions share no narrower base.
    """
    options = session_options(byte_products_are_exact=byte_products_are_exact)
    return onnxruntime.InferenceSession(
        str(graph) if isinstance(graph, Path) else graph,
        sess_options=options,
        providers=["CPUExecutionProvider"],
    )


def session_options(*, byte_products_are_exact: bool) -> onnxruntime.SessionOptions:
    """The options of a session on a processor of that kind."""
    options = onnxruntime.SessionOptions()
    # A run works in the thread that asks for it: batches are what is shared among threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Every batch has another shape: patterns of memory never repeat.
    options.enable_mem_pattern = False
    if not byte_products_are_exact:
        options.add_session_config_entry(EXACT_PRODUCTS_OPTION, "1")
    return options


@cache
def has_exact_byte_products() -> bool:
    """Whether onnxruntime multiplies the largest bytes exactly here without being asked to.

    It is tried and not read from the processor's description: what counts is the kernel that
    onnxruntime chooses. A process tries it once, which takes a few milliseconds.
    """
    largest = np.full((PROBE_ROWS, PROBE_INPUTS), 255, dtype=np.uint8)
    weights = np.full((PROBE_INPUTS, PROBE_OUTPUTS), 127, dtype=np.int8)
    weights[:, ::2] = -127
    # As if they were: nothing is done for them then.
    session = open_session(BYTE_PRODUCT_GRAPH, byte_products_are_exact=True)
    product = session.run(None, {"a": largest, "b": weights})[0]
    return np.array_equal(product, largest.astype(np.int32) @ weights.astype(np.int32))
