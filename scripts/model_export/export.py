"""From a model folder to a bundle folder."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from scripts.build_support import BuildError, write_whole
from scripts.model_export.calibration import ChannelRanges, calibration_rows, channel_ranges
from scripts.model_export.configuration import NO_OVERRIDES, EncoderConfiguration, Overrides
from scripts.model_export.graph import EncoderWriter
from scripts.model_export.model_parts import read_parts
from scripts.model_export.quantization import layers_of
from scripts.model_export.recipes import ID_SUFFIX, SAFETENSORS_NAME, Precision
from scripts.model_export.tokenizer import tokenizer_bytes
from shared.embedding.model_bundle import ModelBundle, ModelFile
from shared.embedding.model_files import DESCRIPTION_NAME, GRAPH_NAME, TOKENIZER_NAME
from shared.models.manifest import ModelIdentity

REVISION_DIGITS = 12


def export_bundle(
    folder: Path,
    target: Path,
    *,
    model_id: str,
    precision: Precision,
    source: str,
    weights_name: str = SAFETENSORS_NAME,
    overrides: Overrides = NO_OVERRIDES,
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
        weights_name: the file of the folder that holds the weights.
        overrides: what replaces the settings that the folder names.

    Raises:
        BuildError: the model needs something the exporter does not write.
    """
    parts = read_parts(folder, weights_name)
    configuration, parameters = overrides.applied_to(parts.configuration), parts.parameters
    tokenizer = tokenizer_bytes(
        parts.tokenizer, configuration.max_tokens, configuration.pad_token_id
    )
    metadata = _metadata(configuration, precision, tokenizer)

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
            query_prefix=configuration.query_prefix,
            document_prefix=configuration.document_prefix,
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
    # A release that knows no document prefix refuses the field, and reads all other models.
    without = set() if bundle.document_prefix else {"document_prefix"}
    description = bundle.model_dump_json(indent=2, exclude=without)
    write_whole(target / DESCRIPTION_NAME, description.encode() + b"\n")
    return bundle


def _metadata(
    configuration: EncoderConfiguration, precision: Precision, tokenizer: bytes
) -> dict[str, str]:
    metadata = {
        "max_tokens": str(configuration.max_tokens),
        "pooling": configuration.pooling,
        "precision": precision,
        "query_prefix": configuration.query_prefix,
        "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(),
    }
    # Without one there is no entry: models that were exported before keep their revision.
    if configuration.document_prefix:
        metadata["document_prefix"] = configuration.document_prefix
    return metadata


def _describe(name: str, data: bytes) -> ModelFile:
    return ModelFile(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
