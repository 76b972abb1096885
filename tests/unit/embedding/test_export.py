"""The exporter against a reference in numpy, and against folders it must refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from scripts.build_support import BuildError
from scripts.model_export.calibration import ROWS, calibration_rows, channel_ranges
from scripts.model_export.configuration import NO_OVERRIDES, Overrides, read_configuration
from scripts.model_export.export import export_bundle
from scripts.model_export.parameters import Parameters
from scripts.model_export.recipes import PRECISIONS, Precision
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.errors import CorruptObjectError
from tests.unit.embedding import bert_reference
from tests.unit.embedding.conftest import HEADS, LAYERS, WORDS, ModelFolder, random_weights

TEXTS = ["w1", "w2 w3 w4 w5", "", "w9 w8 w7 w6 w5 w4 w3", "w1 unknown w1"]


def ids_of(text: str) -> list[int]:
    known = {word: number for number, word in enumerate(WORDS)}
    return [2, *(known.get(word, 1) for word in text.split()), 3]


def export(
    folder: Path, precision: Precision = "fp32", overrides: Overrides = NO_OVERRIDES
) -> Path:
    target = folder.with_name(f"{folder.name}-{precision}")
    export_bundle(
        folder, target, model_id="tiny", precision=precision, source="test", overrides=overrides
    )
    return target


@pytest.mark.parametrize(
    ("changes", "reference"),
    [
        ({}, {}),
        ({"pooling": {"pooling_mode_cls_token": True}}, {"pooling": "cls"}),
        ({"pooling": {"pooling_mode": "cls"}}, {"pooling": "cls"}),
        ({"hidden_act": "relu"}, {"activation": bert_reference.relu}),
        ({"hidden_act": "gelu_new"}, {"activation": bert_reference.gelu_tanh}),
        ({"model_type": "roberta", "pad_token_id": 1}, {"first_position": 2}),
        ({"prefix": "bert."}, {}),
    ],
)
def test_graph_equals_reference(
    model_folder: ModelFolder, changes: dict[str, Any], reference: dict[str, Any]
) -> None:
    encoder = OnnxEncoder.from_directory(export(model_folder(**changes)))
    expected = [
        bert_reference.encode(
            random_weights(7), ids_of(text), heads=HEADS, layers=LAYERS, **reference
        )
        for text in TEXTS
    ]
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), expected, atol=2e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_same_weights_make_same_bytes(model_folder: ModelFolder, precision: Precision) -> None:
    first, second = (export(model_folder(), precision) for _ in range(2))
    for name in ("model.onnx", "tokenizer.json", "model.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 8},
        {"hidden_act": "relu"},
        {"prompts": {"query": "ask: "}},
        {"prompts": {"document": "ask: "}},
    ],
)
def test_revision_changes_with_whatever_changes_vectors(
    model_folder: ModelFolder, changes: dict[str, Any]
) -> None:
    revisions = set()
    for folder in (model_folder(), model_folder(**changes)):
        document = json.loads((export(folder) / "model.json").read_text())
        revisions.add(document["identity"]["revision"])
    assert len(revisions) == 2


@pytest.mark.parametrize(
    ("precision", "suffix", "least_cosine"),
    [("int8-weights", "-int8w", 0.999), ("int8-dynamic", "-int8", 0.999)],
)
def test_eight_bits_stay_close(
    model_folder: ModelFolder, precision: Precision, suffix: str, least_cosine: float
) -> None:
    folder = model_folder()
    exact = OnnxEncoder.from_directory(export(folder)).encode_documents(TEXTS)
    encoder = OnnxEncoder.from_directory(export(folder, precision))
    assert encoder.identity.id == f"tiny{suffix}"
    cosines = (encoder.encode_documents(TEXTS) * exact).sum(axis=1)
    assert np.min(cosines) > least_cosine
    # And the weights were rounded at all.
    assert np.min(cosines) < 1 - 1e-7


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_rounded_products_stay_close_whatever_the_activation(
    model_folder: ModelFolder, activation: str, family: str
) -> None:
    folder = model_folder(hidden_act=activation, model_type=family)
    exact = OnnxEncoder.from_directory(export(folder)).encode_documents(TEXTS)
    vectors = OnnxEncoder.from_directory(export(folder, "int8-dynamic")).encode_documents(TEXTS)
    assert np.min((vectors * exact).sum(axis=1)) > 0.999


def test_channel_ranges_are_those_of_the_reference(model_folder: ModelFolder) -> None:
    folder = model_folder()
    configuration = read_configuration(folder)
    parameters = Parameters(random_weights(7))
    rows = calibration_rows((folder / "tokenizer.json").read_bytes(), configuration.max_tokens)
    assert rows.shape == (ROWS, configuration.max_tokens)
    assert set(rows[:, 0]) == {2}
    assert set(rows[:, -1]) == {3}
    ranges = channel_ranges(configuration, parameters, rows)
    assert len(ranges) == 2 * LAYERS
    embedded = [bert_reference.embed_tokens(random_weights(7), row) for row in rows.tolist()]
    np.testing.assert_allclose(
        ranges["encoder.layer.0.attention.self.qkv"], np.abs(embedded).max(axis=(0, 1))
    )


@pytest.mark.parametrize(
    ("prompts", "before_queries", "before_documents"),
    [
        ({"query": "w5 "}, "w5 ", ""),
        ({"document": "w6 "}, "", "w6 "),
        ({"query": "w5 ", "passage": "w6 w7 "}, "w5 ", "w6 w7 "),
        ({"query": "w5 ", "document": "", "passage": "w6 "}, "w5 ", ""),
        ({"corpus": "w6 "}, "", "w6 "),
        ({"classification": "w8 "}, "", ""),
    ],
)
def test_prompts_of_the_folder_are_kept(
    model_folder: ModelFolder,
    prompts: dict[str, str],
    before_queries: str,
    before_documents: str,
) -> None:
    bare = OnnxEncoder.from_directory(export(model_folder()))
    encoder = OnnxEncoder.from_directory(export(model_folder(prompts=prompts)))
    np.testing.assert_array_equal(
        encoder.encode_query("w1"), bare.encode_query(f"{before_queries}w1")
    )
    np.testing.assert_array_equal(
        encoder.encode_documents(["w1", "w2"]),
        bare.encode_documents([f"{before_documents}w1", f"{before_documents}w2"]),
    )


def test_the_default_prompt_stands_for_those_that_are_missing(model_folder: ModelFolder) -> None:
    folder = model_folder(prompts={"query": "w5 ", "other": "w6 "})
    rewrite("config_sentence_transformers.json", default_prompt_name="other")(folder)
    configuration = read_configuration(folder)
    assert (configuration.query_prefix, configuration.document_prefix) == ("w5 ", "w6 ")


def test_settings_of_the_folder_can_be_replaced(model_folder: ModelFolder) -> None:
    folder = model_folder(prompts={"query": "w5 ", "document": "w4 "})
    overrides = Overrides(query_prefix="w6 w7 ", document_prefix="", pooling="cls")
    encoder = OnnxEncoder.from_directory(export(folder, overrides=overrides))
    (expected,) = encoder.encode_documents(["w6 w7 w1"])
    np.testing.assert_array_equal(encoder.encode_query("w1"), expected)
    reference = bert_reference.encode(
        random_weights(7), ids_of("w6 w7 w1"), heads=HEADS, layers=LAYERS, pooling="cls"
    )
    np.testing.assert_allclose(expected, reference, atol=2e-6)


def test_a_model_without_document_prompts_can_be_read_by_earlier_releases(
    model_folder: ModelFolder,
) -> None:
    """They refuse a field that they do not know, and the revision is what they know."""
    folder = export(model_folder(prompts={"query": "w5 "}))
    assert "document_prefix" not in json.loads((folder / "model.json").read_text())
    metadata = {entry.key for entry in onnx.load(folder / "model.onnx").metadata_props}
    assert "document_prefix" not in metadata


@pytest.mark.parametrize("name", ["query_prefix", "document_prefix"])
def test_a_prompt_that_was_changed_in_the_description_is_refused(
    model_folder: ModelFolder, name: str
) -> None:
    """Its vectors would meet others of the same revision."""
    folder = export(model_folder(prompts={"query": "w5 ", "document": "w6 "}))
    rewrite("model.json", **{name: "w9 "})(folder)
    with pytest.raises(
        CorruptObjectError, match=rf"model\.json says {name} 'w9 ' .* build the model"
    ):
        OnnxEncoder.from_directory(folder)


def test_baked_in_truncation_and_padding_are_replaced(model_folder: ModelFolder) -> None:
    document = json.loads((export(model_folder()) / "tokenizer.json").read_text())
    assert document["truncation"]["max_length"] == 16
    assert document["padding"]["strategy"] == "BatchLongest"


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def rewrite(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def replace(name: str, data: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rewrite("config.json", model_type="t5"), "model of type t5"),
        (rewrite("config.json", hidden_act="swish"), "activation swish"),
        (rewrite("config.json", position_embedding_type="relative_key"), "relative positions"),
        (rewrite("config.json", hidden_size=None), "no whole number hidden_size"),
        (rewrite("config.json", hidden_size=16), "was expected"),
        (rewrite("config.json", num_attention_heads=5), "5 attention heads"),
        (rewrite("config.json", num_hidden_layers=3), "hold no encoder.layer.2"),
        (rewrite("config.json", pad_token_id=999), "no token with the id 999"),
        (replace("config.json", b"{"), "cannot be read as JSON"),
        (replace("config.json", b"[]"), "is no JSON object"),
        (replace("modules.json", b'[{"path": ""}]'), "no list of stages"),
        (replace("modules.json", b'[{"type": "x.Dense", "path": "3"}]'), "a stage Dense"),
        (rewrite("1_Pooling/config.json", pooling_mode_max_tokens=True), "max_tokens"),
        (rewrite("1_Pooling/config.json", include_prompt=False), "prompts out of pooling"),
        (rewrite("sentence_bert_config.json", do_lower_case=True), "lower-cases"),
        (
            rewrite("config_sentence_transformers.json", prompts={"document": ["passage: "]}),
            r"prompts that are no texts by name; each must be a text, such as",
        ),
        (replace("tokenizer.json", b"{}"), "is no tokenizer"),
        (replace("model.safetensors", b"\0" * 20), "cannot be read as safetensors"),
        (without("1_Pooling/config.json"), "cannot be read as JSON"),
    ],
)
def test_refuses_with_a_reason(
    model_folder: ModelFolder, damage: Callable[[Path], None], message: str
) -> None:
    folder = model_folder()
    damage(folder)
    with pytest.raises(BuildError, match=message):
        export(folder)
    assert not folder.with_name(f"{folder.name}-fp32").exists()


def test_weights_without_an_encoder_are_refused(model_folder: ModelFolder) -> None:
    with pytest.raises(BuildError, match="holds no BERT encoder"):
        export(model_folder(prefix="electra."))


def test_a_bad_id_is_refused(model_folder: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="a b cannot become a bundle: id"):
        export_bundle(
            model_folder(), tmp_path / "out", model_id="a b", precision="fp32", source="test"
        )
