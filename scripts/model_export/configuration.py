"""Reading the configuration files of a sentence-transformers folder.

The format is that of sentence-transformers: `modules.json` lists the stages, each with a folder of
its own; `config.json` is the transformer's (https://sbert.net/docs/package_reference).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scripts.build_support import BuildError

Activation = Literal["gelu", "gelu-tanh", "relu"]
Pooling = Literal["mean", "cls"]

ACTIVATIONS: Mapping[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "relu": "relu",
}
BERT_TYPES = frozenset({"bert"})
# What sentence-transformers looks for when it encodes documents, in this order.
DOCUMENT_PROMPTS = ("document", "passage", "corpus")
# The same encoder; positions begin after the id of the padding token.
ROBERTA_TYPES = frozenset({"roberta", "xlm-roberta"})


@dataclass(frozen=True, slots=True)
class EncoderConfiguration:
    """All that the graph of a BERT encoder depends on, besides its weights."""

    model_type: str
    dims: int
    layers: int
    heads: int
    layer_norm_epsilon: float
    activation: Activation
    first_position: int
    pad_token_id: int
    pooling: Pooling
    max_tokens: int
    query_prefix: str
    document_prefix: str


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a recipe or the command says of a model; None keeps what the model folder says."""

    query_prefix: str | None = None
    document_prefix: str | None = None
    pooling: Pooling | None = None

    def applied_to(self, configuration: EncoderConfiguration) -> EncoderConfiguration:
        """The configuration with what is said here in place of what it says."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(configuration, **said)


NO_OVERRIDES = Overrides()


def read_configuration(folder: Path) -> EncoderConfiguration:
    """Read a model folder.

    Raises:
        BuildError: a file cannot be read, or the model needs something the exporter lacks.
    """
    config = _read_json(folder / "config.json")
    model_type = str(config.get("model_type"))
    if model_type not in BERT_TYPES | ROBERTA_TYPES:
        known = ", ".join(sorted(BERT_TYPES | ROBERTA_TYPES))
        raise BuildError(f"{folder} holds a model of type {model_type}; supported are {known}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise BuildError(f"{folder} uses relative positions, which the exporter does not write")
    activation = ACTIVATIONS.get(str(config.get("hidden_act")))
    if activation is None:
        raise BuildError(
            f"{folder} uses the activation {config.get('hidden_act')}; "
            f"supported are {', '.join(sorted(ACTIVATIONS))}"
        )
    pad_token_id = _whole_number(config, "pad_token_id", folder, default=0)
    first_position = pad_token_id + 1 if model_type in ROBERTA_TYPES else 0
    positions = _whole_number(config, "max_position_embeddings", folder) - first_position
    dims = _whole_number(config, "hidden_size", folder)
    heads = _whole_number(config, "num_attention_heads", folder)
    if dims % heads:
        raise BuildError(
            f"{folder}: {dims} dimensions cannot be split over {heads} attention heads"
        )
    _refuse_unknown_stages(folder)
    query_prefix, document_prefix = _read_prompts(folder)
    return EncoderConfiguration(
        model_type=model_type,
        dims=dims,
        layers=_whole_number(config, "num_hidden_layers", folder),
        heads=heads,
        layer_norm_epsilon=float(config.get("layer_norm_eps", 1e-12)),
        activation=activation,
        first_position=first_position,
        pad_token_id=pad_token_id,
        pooling=_read_pooling(folder),
        max_tokens=_read_max_tokens(folder, positions),
        query_prefix=query_prefix,
        document_prefix=document_prefix,
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise BuildError(f"{path} is no JSON object")
    return document


def _read_optional_json(path: Path) -> dict[str, Any]:
    return _read_json(path) if path.exists() else {}


def _whole_number(
    config: Mapping[str, Any], name: str, folder: Path, default: int | None = None
) -> int:
    value = config.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, int):
        raise BuildError(f"{folder / 'config.json'} has no whole number {name}")
    return value


def _stages(folder: Path) -> list[tuple[str, Path]]:
    """(class name, folder) of each stage; without `modules.json` there is only the transformer."""
    path = folder / "modules.json"
    if not path.exists():
        return [("Transformer", folder)]
    try:
        return [
            (str(stage["type"]).rpartition(".")[2], folder / str(stage["path"]))
            for stage in json.loads(path.read_bytes())
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} is no list of stages: {error!r}") from error


def _refuse_unknown_stages(folder: Path) -> None:
    # Normalize may be absent: bundles are of unit length always, which leaves the cosine as it is.
    for name, _ in _stages(folder):
        if name not in {"Transformer", "Pooling", "Normalize"}:
            raise BuildError(f"{folder} has a stage {name}, which the exporter does not write")


def _read_pooling(folder: Path) -> Pooling:
    pooling_folders = [path for name, path in _stages(folder) if name == "Pooling"]
    if not pooling_folders:
        return "mean"  # what sentence-transformers adds to a bare transformer
    config = _read_json(pooling_folders[0] / "config.json")
    if config.get("include_prompt", True) is not True:
        raise BuildError(f"{folder} leaves prompts out of pooling, which the exporter cannot")
    # Newer releases name the mode in one field; older ones had a flag for each mode.
    modes = {
        name.removeprefix("pooling_mode_")
        for name, value in config.items()
        if name.startswith("pooling_mode_") and value is True
    }
    if isinstance(config.get("pooling_mode"), str):
        modes = {config["pooling_mode"]}
    if modes <= {"mean_tokens", "mean"} and modes:
        return "mean"
    if modes <= {"cls_token", "cls"} and modes:
        return "cls"
    raise BuildError(f"{folder} pools by {sorted(modes) or 'nothing'}; supported are mean and cls")


def _read_max_tokens(folder: Path, positions: int) -> int:
    config = _read_optional_json(folder / "sentence_bert_config.json")
    if config.get("do_lower_case"):
        raise BuildError(f"{folder} lower-cases outside of its tokenizer, which is not supported")
    limit = config.get("max_seq_length")
    if limit is None:
        limit = _read_optional_json(folder / "tokenizer_config.json").get("model_max_length")
    # Tokenizers without a limit write an astronomical float.
    return min(int(limit), positions) if limit is not None else positions


def _read_prompts(folder: Path) -> tuple[str, str]:
    """What goes before queries and before documents, as sentence-transformers chooses it."""
    path = folder / "config_sentence_transformers.json"
    config = _read_optional_json(path)
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str) for p in prompts.values()):
        raise BuildError(
            f"{path} has prompts that are no texts by name; each must be a text, such as "
            '{"prompts": {"query": "query: ", "document": "passage: "}}'
        )
    default = str(prompts.get(config.get("default_prompt_name"), ""))
    for_documents = [str(prompts[name]) for name in DOCUMENT_PROMPTS if name in prompts]
    return str(prompts.get("query", default)), next(iter(for_documents), default)
