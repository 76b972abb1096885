"""A BERT small enough to check by hand, in the layout of a sentence-transformers folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

DIMS, HEADS, LAYERS, INNER, POSITIONS = 32, 4, 2, 64, 24
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(60))]

ModelFolder = Callable[..., Path]


@pytest.fixture
def model_folder(tmp_path: Path) -> ModelFolder:
    """Make a separate folder for each call, as `write_model_folder` does."""

    def make(**changes: Any) -> Path:
        return write_model_folder(tmp_path / f"model-{len(list(tmp_path.iterdir()))}", **changes)

    return make


def write_model_folder(
    folder: Path,
    *,
    pooling: dict[str, Any] | None = None,
    prefix: str = "",
    seed: int = 7,
    prompts: dict[str, str] | None = None,
    **changes: Any,
) -> Path:
    """Write a model; keyword arguments change `config.json`, `prefix` the names of the weights."""
    (folder / "1_Pooling").mkdir(parents=True)
    config = {
        "model_type": "bert",
        "hidden_size": DIMS,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        **changes,
    }
    stages = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
    ]
    documents = {
        "config.json": config,
        "modules.json": stages,
        "1_Pooling/config.json": pooling or {"pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": 16, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts or {}},
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    weights = {prefix + name: value for name, value in random_weights(seed).items()}
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    word_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def word_tokenizer() -> Tokenizer:
    """One token a word, cut and padded at 8 as published tokenizers often are."""
    tokenizer = Tokenizer(
        WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    return tokenizer


def random_weights(seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Weights of the size above, all of them different."""
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> npt.NDArray[np.float32]:
        return generator.normal(0, 0.3, shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": draw(len(WORDS), DIMS),
        "embeddings.position_embeddings.weight": draw(POSITIONS, DIMS),
        "embeddings.token_type_embeddings.weight": draw(2, DIMS),
    }
    linear = {}
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            linear[f"{name}.attention.self.{part}"] = (DIMS, DIMS)
        linear[f"{name}.attention.output.dense"] = (DIMS, DIMS)
        linear[f"{name}.intermediate.dense"] = (INNER, DIMS)
        linear[f"{name}.output.dense"] = (DIMS, INNER)
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    for name, shape in linear.items():
        weights[f"{name}.weight"], weights[f"{name}.bias"] = draw(*shape), draw(shape[0])
    for name in norms:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = draw(DIMS) + 1, draw(DIMS)
    return weights
