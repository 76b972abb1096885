"""The ONNX encoder on a tiny model: shapes, batches, limits and bad input."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.model_export.export import export_bundle
from scripts.model_export.recipes import PRECISIONS, Precision
from shared.embedding.model_files import open_model_directory
from shared.embedding.onnx_encoder import OnnxEncoder, OnnxOptions
from shared.errors import CorruptObjectError, InvalidInputError
from tests.unit.embedding.conftest import DIMS, WORDS, ModelFolder, write_model_folder


@pytest.fixture
def bundle_folder(model_folder: ModelFolder) -> Path:
    return bundle_of(model_folder(prompts={"query": "w5 "}), "fp32")


def bundle_of(folder: Path, precision: Precision) -> Path:
    target = folder.with_name(f"bundle-{precision}")
    export_bundle(folder, target, model_id="tiny", precision=precision, source="test")
    return target


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("threads", [1, 3])
@given(
    texts=st.lists(st.integers(0, 20).map(lambda size: " ".join(WORDS[4 : 4 + size])), max_size=30),
    budget=st.integers(1, 200),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_vector_depends_on_its_text_alone(
    precision: Precision,
    threads: int,
    texts: list[str],
    budget: int,
    tiny_bundles: dict[Precision, Path],
) -> None:
    """To the bit: not on the other texts, the size of batches or the number of threads."""
    folder = tiny_bundles[precision]
    together = OnnxEncoder.from_directory(folder, OnnxOptions(threads, budget))
    one_by_one = OnnxEncoder.from_directory(folder, OnnxOptions(threads=1))
    apart = [one_by_one.encode_query(text) for text in texts]
    np.testing.assert_array_equal(
        together.encode_documents(texts), np.array(apart).reshape(-1, DIMS)
    )


@pytest.fixture(scope="module")
def tiny_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    folder = write_model_folder(tmp_path_factory.mktemp("tiny") / "model")
    return {precision: bundle_of(folder, precision) for precision in PRECISIONS}


def test_an_error_in_a_thread_reaches_the_caller(bundle_folder: Path) -> None:
    class Broken:
        def run(self, *_: object) -> None:
            raise RuntimeError("out of memory")

    encoder = OnnxEncoder.from_directory(bundle_folder, OnnxOptions(threads=2, tokens_per_batch=1))
    encoder._session = Broken()
    with pytest.raises(RuntimeError, match="out of memory"):
        encoder.encode_documents(["w1", "w2", "w3"])


def test_a_graph_with_other_inputs_is_refused(bundle_folder: Path) -> None:
    model = open_model_directory(bundle_folder)
    graph = onnx.load(bundle_folder / "model.onnx")
    mask = onnx.helper.make_tensor_value_info(
        "attention_mask", onnx.TensorProto.INT64, [None, None]
    )
    graph.graph.input.append(mask)
    onnx.save(graph, bundle_folder / "model.onnx")
    with pytest.raises(CorruptObjectError, match=r"takes input_ids, attention_mask .* build the"):
        OnnxEncoder(model)


def test_no_text_makes_no_row(bundle_folder: Path) -> None:
    vectors = OnnxEncoder.from_directory(bundle_folder).encode_documents([])
    assert vectors.shape == (0, DIMS)
    assert vectors.dtype == np.float32


def test_rows_are_in_order_and_of_unit_length(bundle_folder: Path) -> None:
    encoder = OnnxEncoder.from_directory(bundle_folder, OnnxOptions(tokens_per_batch=20))
    texts = [" ".join(f"w{n}" for n in range(size)) for size in (3, 12, 0, 7, 1, 12, 5)]
    vectors = encoder.encode_documents(texts)
    alone = np.stack([encoder.encode_documents([text])[0] for text in texts])
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, alone)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_more_texts_than_one_call_of_the_tokenizer(bundle_folder: Path) -> None:
    encoder = OnnxEncoder.from_directory(bundle_folder)
    texts = [f"w{number % 50} w{number % 7}" for number in range(1030)]
    vectors = encoder.encode_documents(texts)
    np.testing.assert_allclose(vectors[1029], encoder.encode_documents([texts[1029]])[0], atol=1e-6)


def test_texts_are_cut_at_the_models_limit(bundle_folder: Path) -> None:
    encoder = OnnxEncoder.from_directory(bundle_folder)
    longest = " ".join(["w1"] * 14)  # with its two special tokens: 16
    beyond = encoder.encode_documents([longest + " w2 w3" * 500])
    np.testing.assert_array_equal(beyond, encoder.encode_documents([longest]))


def test_query_takes_the_prefix_and_documents_do_not(bundle_folder: Path) -> None:
    encoder = OnnxEncoder.from_directory(bundle_folder)
    query = encoder.encode_query("w1")
    assert query.shape == (DIMS,)
    np.testing.assert_array_equal(query, encoder.encode_documents(["w5 w1"])[0])
    assert not np.allclose(query, encoder.encode_documents(["w1"])[0])


def test_lone_surrogates_are_invalid_input(bundle_folder: Path) -> None:
    encoder = OnnxEncoder.from_directory(bundle_folder)
    with pytest.raises(InvalidInputError, match="text 1 holds a lone surrogate at character 2"):
        encoder.encode_documents(["fine", "w1\ud800"])


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_files_that_cannot_be_loaded_are_named(bundle_folder: Path, name: str) -> None:
    model = open_model_directory(bundle_folder)
    (bundle_folder / name).write_bytes(b"nothing of the kind")
    with pytest.raises(CorruptObjectError, match=name):
        OnnxEncoder(model)


def test_identity_is_that_of_the_bundle(bundle_folder: Path) -> None:
    document = json.loads((bundle_folder / "model.json").read_text())
    encoder = OnnxEncoder.from_directory(bundle_folder, OnnxOptions(threads=1))
    assert encoder.identity.model_dump() == document["identity"]


def test_a_word_is_known_that_is_one_token(bundle_folder: Path) -> None:
    encoder = OnnxEncoder.from_directory(bundle_folder)
    known = ("w5", "w59", "w5 w6", "ultron", "[unk]", "[cls]", "", " ", "大", "x" * 1000)
    assert [word for word in known if encoder.has_word(word)] == ["w5", "w59"]
