"""How far the inputs of matrix products range, channel by channel, measured by running the model.

The ranges are a property of the weights (a few channels of each LayerNorm are ten times as wide as
the others, whatever is read), so random tokens show them as well as prose does, for any model and
in any language. Everything is computed in float64: processors and BLAS libraries differ in the
last digits only, and `quantization` rounds those away.
"""

import math
import random
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from scripts.model_export.configuration import Activation, EncoderConfiguration
from scripts.model_export.parameters import Parameters

Array = npt.NDArray[np.float64]
# From the name of a product to the largest magnitude in each channel of its input.
ChannelRanges = Mapping[str, Array]

ROWS = 8
ROW_TOKENS = 64
SEED = 7


def calibration_rows(tokenizer: bytes, max_tokens: int) -> npt.NDArray[np.int64]:
    """Rows of random tokens of one length, each between the special tokens of a text."""
    library = Tokenizer.from_str(tokenizer.decode())
    library.no_padding()
    opening, *closing = library.encode("").ids
    words = min(ROW_TOKENS, max_tokens) - 1 - len(closing)
    vocabulary = library.get_vocab_size()
    # Only `random()` itself is promised to stay the same in every release of Python.
    draw = random.Random(SEED).random  # noqa: S311 - not a secret
    return np.array(
        [
            [opening, *(int(draw() * vocabulary) for _ in range(words)), *closing]
            for _ in range(ROWS)
        ],
        dtype=np.int64,
    )


def channel_ranges(
    configuration: EncoderConfiguration, parameters: Parameters, rows: npt.NDArray[np.int64]
) -> ChannelRanges:
    """Run the encoder over rows of one length; return the ranges of what each LayerNorm gives.

    Raises:
        BuildError: a weight is missing or has another shape than the configuration says.
    """
    return _Network(configuration, parameters).run(rows)


class _Network:
    def __init__(self, configuration: EncoderConfiguration, parameters: Parameters) -> None:
        self._configuration = configuration
        self._parameters = parameters
        self._activate = _ACTIVATIONS[configuration.activation]

    def run(self, rows: npt.NDArray[np.int64]) -> dict[str, Array]:
        first = self._configuration.first_position
        places = self._weight("embeddings.position_embeddings.weight")[first:][: rows.shape[1]]
        types = self._weight("embeddings.token_type_embeddings.weight")[0]
        # Rows of a large table first: as float64 all of a multilingual one would fill 770 MB.
        table = self._parameters.get("embeddings.word_embeddings.weight")
        words = table[rows].astype(np.float64)
        hidden = self._normalize(words + places + types, "embeddings.LayerNorm")
        ranges: dict[str, Array] = {}
        for layer in range(self._configuration.layers):
            name = f"encoder.layer.{layer}"
            ranges[f"{name}.attention.self.qkv"] = np.abs(hidden).max(axis=(0, 1))
            attended = self._linear(
                self._attend(hidden, f"{name}.attention.self"), f"{name}.attention.output.dense"
            )
            hidden = self._normalize(attended + hidden, f"{name}.attention.output.LayerNorm")
            ranges[f"{name}.intermediate.dense"] = np.abs(hidden).max(axis=(0, 1))
            grown = self._activate(self._linear(hidden, f"{name}.intermediate.dense"))
            shrunk = self._linear(grown, f"{name}.output.dense")
            hidden = self._normalize(shrunk + hidden, f"{name}.output.LayerNorm")
        return ranges

    def _weight(self, name: str) -> Array:
        return self._parameters.get(name).astype(np.float64)

    def _linear(self, value: Array, name: str) -> Array:
        return np.asarray(value @ self._weight(f"{name}.weight").T + self._weight(f"{name}.bias"))

    def _normalize(self, value: Array, name: str) -> Array:
        centred = value - value.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + self._configuration.layer_norm_epsilon)
        return np.asarray(scaled * self._weight(f"{name}.weight") + self._weight(f"{name}.bias"))

    def _attend(self, hidden: Array, name: str) -> Array:
        heads = self._configuration.heads
        query, key, value = (
            self._linear(hidden, f"{name}.{part}")
            .reshape(*hidden.shape[:2], heads, -1)
            .transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = shares / shares.sum(axis=-1, keepdims=True) @ value
        return np.asarray(mixed.transpose(0, 2, 1, 3).reshape(hidden.shape))


def _gelu(value: Array) -> Array:
    """By tanh: numpy has no error function, and a thousandth changes no range."""
    inner = math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)
    return np.asarray(value * 0.5 * (1 + np.tanh(inner)))


def _relu(value: Array) -> Array:
    return np.maximum(value, 0)


_ACTIVATIONS: Mapping[Activation, Callable[[Array], Array]] = {
    "gelu": _gelu,
    "gelu-tanh": _gelu,
    "relu": _relu,
}
