"""BERT in plain numpy, one text at a time and without padding: what the graph is held against."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def gelu(value: Array) -> Array:
    """With the error function, as BERT has it."""
    return np.asarray(value * 0.5 * (1 + np.vectorize(math.erf)(value / math.sqrt(2))))


def gelu_tanh(value: Array) -> Array:
    """The approximation by tanh."""
    inner = math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)
    return np.asarray(value * 0.5 * (1 + np.tanh(inner)))


def relu(value: Array) -> Array:
    """Negative values cut off."""
    return np.maximum(value, 0)


def normalize(weights: Mapping[str, npt.NDArray[np.float32]], value: Array, name: str) -> Array:
    """LayerNorm with the parameters `name`."""
    centred = value - value.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def embed_tokens(
    weights: Mapping[str, npt.NDArray[np.float32]], ids: list[int], first_position: int = 0
) -> Array:
    """What the first layer is given."""

    def weight(name: str) -> Array:
        return weights[f"embeddings.{name}_embeddings.weight"].astype(np.float64)

    places = weight("position")[first_position:][: len(ids)]
    hidden = weight("word")[ids] + places + weight("token_type")[0]
    return normalize(weights, hidden, "embeddings.LayerNorm")


def encode(
    weights: Mapping[str, npt.NDArray[np.float32]],
    ids: list[int],
    *,
    heads: int,
    layers: int,
    activation: Callable[[Array], Array] = gelu,
    first_position: int = 0,
    pooling: str = "mean",
) -> Array:
    """The unit-length vector of one text."""

    def weight(name: str) -> Array:
        return weights[name].astype(np.float64)

    def linear(value: Array, name: str) -> Array:
        return np.asarray(value @ weight(f"{name}.weight").T + weight(f"{name}.bias"))

    hidden = embed_tokens(weights, ids, first_position)
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            np.split(linear(hidden, f"{name}.attention.self.{part}"), heads, axis=-1)
            for part in ("query", "key", "value")
        )
        mixed = []
        for head in range(heads):
            scores = query[head] @ key[head].T / math.sqrt(query[head].shape[-1])
            shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
            mixed.append(shares / shares.sum(axis=-1, keepdims=True) @ value[head])
        attended = linear(np.concatenate(mixed, axis=-1), f"{name}.attention.output.dense")
        hidden = normalize(weights, attended + hidden, f"{name}.attention.output.LayerNorm")
        grown = activation(linear(hidden, f"{name}.intermediate.dense"))
        shrunk = linear(grown, f"{name}.output.dense")
        hidden = normalize(weights, shrunk + hidden, f"{name}.output.LayerNorm")
    pooled = hidden[0] if pooling == "cls" else hidden.mean(axis=0)
    return np.asarray(pooled / np.linalg.norm(pooled))
