"""From a model folder to a bundle folder."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import ValidationError

from scripts.build_support import BuildError, write_whole
from scripts.model_export.calibration import ChannelRanges, calibration_rows, channel_ranges
from scripts.model_export.configuration import EncoderConfiguration, read_configuration
from scripts.model_export.graph import EncoderWriter
from scripts.model_export.parameters import Parameters
from scripts.model_export.quantization import layers_of
from scripts.model_export.recipes import ID_SUFFIX, Precision
from scripts.model_export.tokenizer import tokenizer_bytes
from scripts.model_export.weights import WEIGHTS_NAME
from shared.embedding.model_bundle import ModelBundle, ModelFile
from shared.embedding.model_files import DESCRIPTION_NAME, GRAPH_NAME, TOKENIZER_NAME
from shared.models.manifest import ModelIdentity

# Classes with a head on top keep the encoder under the name of its type.
PREFIXES = ("", "bert.", "roberta.")
PROBE = "embeddings.word_embeddings.weight"
REVISION_DIGITS = 12


def export_bundle(
    folder: Path,
    target: Path,
    *,
    model_id: str,
    precision: Precision,
    source: str,
    query_prefix: str | None = None,
) -> ModelBundle:
    """Write `model.onnx`, `tokenizer.json` and, last, `model.json` into `target`.

    The settings that change vectors stand in the graph's metadata, so the revision, which is the
    beginning of the graph's sha256, changes with any of them.

    Args:
        folder: a checked model folder in the layout of sentence-transformers.
        target: made if it is missing.
        model_id: without the suffix of the precision.
        precision: of weights and products.
        source: where the weights come from, for people.
        query_prefix: instead of the one the folder names; None keeps that.

    Raises:
        BuildError: the model needs something the exporter does not write.
    """
    configuration = read_configuration(folder)
    prefix = configuration.query_prefix if query_prefix is None else query_prefix
    parameters = Parameters(read_weights(folder / WEIGHTS_NAME))
    tokenizer = tokenizer_bytes(folder, configuration.max_tokens, configuration.pad_token_id)
    metadata = _metadata(configuration, precision, prefix, tokenizer)

    def ranges() -> ChannelRanges:
        rows = calibration_rows(tokenizer, configuration.max_tokens)
        return channel_ranges(configuration, parameters, rows)

    layers = layers_of(precision, ranges)
    graph = EncoderWriter(configuration, parameters, layers).write(metadata)
    files = {GRAPH_NAME: graph, TOKENIZER_NAME: tokenizer}
    try:
        bundle = ModelBundle(
            identity=ModelIdentity(
                id=model_id + ID_SUFFIX[precision],
                revision=hashlib.sha256(graph).hexdigest()[:REVISION_DIGITS],
                dims=configuration.dims,
            ),
            precision=precision,
            pooling=configuration.pooling,
            max_tokens=configuration.max_tokens,
            query_prefix=prefix,
            source=source,
            files=tuple(_describe(name, data) for name, data in files.items()),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise BuildError(
            f"{model_id} cannot become a bundle: {first['loc'][-1]}: {first['msg']}"
        ) from error
    for name, data in files.items():
        write_whole(target / name, data)
    write_whole(target / DESCRIPTION_NAME, bundle.model_dump_json(indent=2).encode() + b"\n")
    return bundle


def read_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
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


def _metadata(
    configuration: EncoderConfiguration, precision: Precision, prefix: str, tokenizer: bytes
) -> dict[str, str]:
    return {
        "max_tokens": str(configuration.max_tokens),
        "pooling": configuration.pooling,
        "precision": precision,
        "query_prefix": prefix,
        "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(),
    }


def _describe(name: str, data: bytes) -> ModelFile:
    return ModelFile(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
