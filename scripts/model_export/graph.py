"""Writing the ONNX graph of a BERT encoder straight from its weights.

The layout of the network is that of "BERT: Pre-training of Deep Bidirectional Transformers"
(arXiv:1810.04805) with the parameter names of the `transformers` library. Pooling and the scaling
to unit length are part of the graph. The same weights make the same bytes.

The rows of a batch are of one length: there is neither padding nor a mask.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from scripts.model_export.configuration import Activation, EncoderConfiguration
from scripts.model_export.parameters import Parameters

Array = npt.NDArray[np.generic]

# LayerNormalization since 17, Gelu since 20; with it goes the file format 9.
OPSET = 20
IR_VERSION = 9
CONTRIB_DOMAIN = "com.microsoft"
# No value of an activation is smaller; GELU has its least, -0.16997 (by tanh -0.17004), at -0.752.
FLOORS: Mapping[Activation, float] = {"gelu": -0.1701, "gelu-tanh": -0.1701, "relu": 0.0}


@dataclass
class GraphBuilder:
    """Collects nodes and constants, and names them in order."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: Array) -> str:
        """Add a constant under a readable, unique name."""
        unique = f"{name}.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), unique))
        return unique

    def node(
        self,
        operator: str,
        *inputs: str,
        output: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node with one output and return the output's name."""
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], domain=domain, **attributes)
        )
        return name

    def split(self, operator: str, value: str, outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        names = [f"{operator}_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, [value], names, **attributes))
        return names


class Layers:
    """How matrix products and table look-ups are written: here in float32."""

    def linear(
        self,
        graph: GraphBuilder,
        value: str,
        name: str,
        matrix: Array,
        bias: Array | None,
        floor: float | None = None,  # noqa: ARG002 - for those that round
    ) -> str:
        """`value @ matrix + bias`; `matrix` is (inputs, outputs), and no value below `floor`."""
        product = graph.node("MatMul", value, graph.constant(f"{name}.weight", matrix))
        return self.biased(graph, product, name, bias)

    def biased(self, graph: GraphBuilder, product: str, name: str, bias: Array | None) -> str:
        """`product + bias`, or the product where there is none."""
        if bias is None:
            return product
        return graph.node("Add", product, graph.constant(f"{name}.bias", bias))

    def lookup(self, graph: GraphBuilder, ids: str, name: str, table: Array) -> str:
        """The rows of `table` that `ids` name."""
        return graph.node("Gather", graph.constant(name, table), ids)


class EncoderWriter:
    """Writes one model; `layers` decides the precision."""

    def __init__(
        self, configuration: EncoderConfiguration, parameters: Parameters, layers: Layers
    ) -> None:
        self._configuration = configuration
        self._weight = parameters.get
        self._layers = layers
        self._graph = GraphBuilder()

    def write(self, metadata: Mapping[str, str]) -> bytes:
        """Return the serialised model.

        Raises:
            BuildError: a weight is missing or has another shape than the configuration says.
        """
        tokens = self._graph.node("Shape", "input_ids", start=1, end=2)
        hidden = self._embed_tokens(tokens)
        for layer in range(self._configuration.layers):
            hidden = self._layer(hidden, f"encoder.layer.{layer}")
        pooled = self._pool(hidden, tokens)
        self._graph.node("LpNormalization", pooled, output="embeddings", axis=-1, p=2)
        return self._serialize(metadata)

    def _linear(
        self, value: str, name: str, inputs: int, outputs: int, floor: float | None = None
    ) -> str:
        matrix = self._weight(f"{name}.weight", outputs, inputs).T
        bias = self._weight(f"{name}.bias", outputs)
        return self._layers.linear(self._graph, value, name, matrix, bias, floor)

    def _normalize(self, value: str, name: str) -> str:
        dims = self._configuration.dims
        return self._graph.node(
            "LayerNormalization",
            value,
            self._graph.constant(f"{name}.weight", self._weight(f"{name}.weight", dims)),
            self._graph.constant(f"{name}.bias", self._weight(f"{name}.bias", dims)),
            axis=-1,
            epsilon=self._configuration.layer_norm_epsilon,
        )

    def _embed_tokens(self, tokens: str) -> str:
        graph, first = self._graph, self._configuration.first_position
        table = self._weight("embeddings.word_embeddings.weight")
        words = self._layers.lookup(graph, "input_ids", "word_embeddings", table)
        # A single text has the token type 0 throughout, so its row can be added here and now.
        types = self._weight("embeddings.token_type_embeddings.weight")
        places = self._weight("embeddings.position_embeddings.weight")[first:] + types[0]
        start = graph.constant("first", np.array([0], dtype=np.int64))
        positions = graph.node(
            "Slice", graph.constant("position_embeddings", places), start, tokens, start
        )
        return self._normalize(graph.node("Add", words, positions), "embeddings.LayerNorm")

    def _layer(self, hidden: str, name: str) -> str:
        dims, graph = self._configuration.dims, self._graph
        inner = self._weight(f"{name}.intermediate.dense.weight").shape[0]
        attended = self._attention(hidden, f"{name}.attention.self")
        attended = self._mix_heads(attended, f"{name}.attention", dims)
        hidden = self._normalize(
            graph.node("Add", attended, hidden), f"{name}.attention.output.LayerNorm"
        )
        grown = self._activate(self._linear(hidden, f"{name}.intermediate.dense", dims, inner))
        floor = FLOORS[self._configuration.activation]
        shrunk = self._linear(grown, f"{name}.output.dense", inner, dims, floor)
        return self._normalize(graph.node("Add", shrunk, hidden), f"{name}.output.LayerNorm")

    def _mix_heads(self, attended: str, name: str, dims: int) -> str:
        """The product after attention; its bias takes over that of the values.

        The shares of a token sum up to 1, so the values' bias passes attention unchanged.
        """
        matrix = self._weight(f"{name}.output.dense.weight", dims, dims).T
        passed = self._weight(f"{name}.self.value.bias", dims).astype(np.float64) @ matrix
        bias = (self._weight(f"{name}.output.dense.bias", dims) + passed).astype(np.float32)
        return self._layers.linear(self._graph, attended, f"{name}.output.dense", matrix, bias)

    def _activate(self, value: str) -> str:
        match self._configuration.activation:
            case "gelu":
                return self._graph.node("Gelu", value)
            case "gelu-tanh":
                return self._graph.node("Gelu", value, approximate="tanh")
            case "relu":
                return self._graph.node("Relu", value)

    def _attention(self, hidden: str, name: str) -> str:
        """Attention of all heads. Queries, keys and values come from one matrix product.

        Only the queries have a bias here: that of the keys adds the same to all scores of a token,
        which their shares do not see, and that of the values comes later, in `_mix_heads`.
        """
        graph, dims = self._graph, self._configuration.dims
        scale = np.float32(1 / math.sqrt(dims // self._configuration.heads))
        matrices = [self._weight(f"{name}.{part}.weight", dims, dims).T for part in _PARTS]
        matrices[0] = matrices[0] * scale
        joined = self._layers.linear(
            graph, hidden, f"{name}.qkv", np.concatenate(matrices, axis=1), None
        )
        query, key, value = graph.split("Split", joined, 3, axis=-1, num_outputs=3)
        bias = self._weight(f"{name}.query.bias", dims) * scale
        query = self._layers.biased(graph, query, f"{name}.query", bias)
        scores = graph.node(
            "MatMul", self._heads(query, [0, 2, 1, 3]), self._heads(key, [0, 2, 3, 1])
        )
        shares = graph.node("Softmax", scores, axis=-1)
        mixed = graph.node("MatMul", shares, self._heads(value, [0, 2, 1, 3]))
        shape = graph.constant("hidden_shape", np.array([0, 0, dims], dtype=np.int64))
        return graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), shape)

    def _heads(self, value: str, order: list[int]) -> str:
        """(batch, tokens, dims) as (batch, tokens, heads, dims of a head), then transposed."""
        heads = self._configuration.heads
        shape = np.array([0, 0, heads, self._configuration.dims // heads], dtype=np.int64)
        reshaped = self._graph.node("Reshape", value, self._graph.constant("heads_shape", shape))
        return self._graph.node("Transpose", reshaped, perm=order)

    def _pool(self, hidden: str, tokens: str) -> str:
        graph = self._graph
        if self._configuration.pooling == "cls":
            first = graph.constant("first_token", np.array(0, dtype=np.int64))
            return graph.node("Gather", hidden, first, axis=1)
        # A sum over the tokens: dividing by their number would not change the direction. A product
        # with ones, as the reductions of onnxruntime add up a batch of one in another order.
        one = numpy_helper.from_array(np.array([1], dtype=np.float32))
        return graph.node("MatMul", graph.node("ConstantOfShape", tokens, value=one), hidden)

    def _serialize(self, metadata: Mapping[str, str]) -> bytes:
        ids = helper.make_tensor_value_info(
            "input_ids", onnx.TensorProto.INT64, ["batch", "tokens"]
        )
        output = helper.make_tensor_value_info(
            "embeddings", onnx.TensorProto.FLOAT, ["batch", self._configuration.dims]
        )
        graph = helper.make_graph(
            self._graph.nodes, "encoder", [ids], [output], self._graph.constants
        )
        domains = {node.domain for node in self._graph.nodes} - {""}
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid(domain, 1) for domain in sorted(domains)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        helper.set_model_props(model, dict(sorted(metadata.items())))
        return bytes(model.SerializeToString(deterministic=True))


_PARTS = ("query", "key", "value")
