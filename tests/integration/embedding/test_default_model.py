"""The default model as built from its package: meaning, batches, and many processes at once."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from scripts.arm64.comparison import LEAST_INT8_COSINE, least_cosine
from scripts.arm64.search_work import SENTENCES
from scripts.build_model import ensure_model
from scripts.build_support import repository_root
from scripts.model_export.recipes import PRECISIONS
from shared.embedding.model_files import (
    load_model_bundle,
    model_prefix,
    open_model_directory,
    publish_model_bundle,
)
from shared.embedding.onnx_encoder import OnnxEncoder, OnnxOptions
from shared.storage.memory import MemoryObjectStore
from tests.integration.embedding.exact_arithmetic import ExactEncoder


@pytest.fixture(scope="module")
def folder() -> Path:
    return ensure_model(repository_root())


@pytest.fixture(scope="module")
def encoder(folder: Path) -> OnnxEncoder:
    return OnnxEncoder.from_directory(folder, OnnxOptions(threads=1))


def test_the_answer_is_nearest_to_its_question(encoder: OnnxEncoder) -> None:
    answers = [
        "Hank Pym built the robot that would call itself Ultron.",
        "Mjolnir can be lifted only by those who are worthy.",
        "Wakanda is rich in vibranium.",
    ]
    questions = ["Who created Ultron?", "Who can lift Thor's hammer?", "Where is vibranium mined?"]
    documents = encoder.encode_documents(answers)
    for number, question in enumerate(questions):
        assert int(np.argmax(documents @ encoder.encode_query(question))) == number


def test_vectors_are_those_of_exact_arithmetic(folder: Path, encoder: OnnxEncoder) -> None:
    """On every processor: byte products that are cut off make cosines of .9992 and less."""
    texts = SENTENCES[:5]
    exact = ExactEncoder(folder)
    cosine = least_cosine(encoder.encode_documents(texts), [exact.encode(text) for text in texts])
    assert cosine >= LEAST_INT8_COSINE, (
        f"the cosine between onnxruntime's vectors here and those of exact arithmetic is "
        f"{cosine:.5f} and not at least {LEAST_INT8_COSINE}: it cuts sums of byte products off on "
        "this processor (shared/embedding/onnx_session.py)"
    )


def test_a_vector_does_not_depend_on_its_neighbours(encoder: OnnxEncoder) -> None:
    texts = ["short", "a much longer text about the Avengers " * 12, "日本語", "", "x" * 5000]
    texts += [f"{name} meets Thor" for name in ("Hulk", "Thanos", "Vision", "Loki", "Nebula")]
    together = encoder.encode_documents(texts)
    apart = np.stack([encoder.encode_documents([text])[0] for text in texts])
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_variants_have_identities_of_their_own(folder: Path) -> None:
    """Their vectors are not the same, so they may never meet in one index."""
    variants = [ensure_model(repository_root(), precision=precision) for precision in PRECISIONS]
    identities = [open_model_directory(variant).bundle.identity for variant in variants]
    assert len({identity.id for identity in identities}) == len(PRECISIONS)
    assert len({identity.revision for identity in identities}) == len(PRECISIONS)
    assert len({model_prefix(identity) for identity in identities}) == len(PRECISIONS)
    assert folder == variants[PRECISIONS.index("int8-dynamic")]


def test_a_second_build_changes_nothing(folder: Path) -> None:
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert ensure_model(repository_root()) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def load_and_encode(built: Path, shared: Path) -> list[float]:
    """In a separate process: a function's cold start."""
    store = MemoryObjectStore()
    prefix = publish_model_bundle(store, built)
    model = load_model_bundle(store, prefix, shared)
    vector = OnnxEncoder(model, OnnxOptions(threads=1)).encode_query("Ultron")
    return [float(number) for number in vector[:8]]


def test_processes_may_fill_one_folder_at_once(
    folder: Path, encoder: OnnxEncoder, tmp_path: Path
) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        vectors = pool.starmap(load_and_encode, [(folder, tmp_path)] * 3)
    for vector in vectors:
        np.testing.assert_allclose(vector, encoder.encode_query("Ultron")[:8], atol=1e-6)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"model.onnx", "tokenizer.json", "model.json"}


def test_words_that_people_write_are_known(encoder: OnnxEncoder) -> None:
    words = ("france", "module", "content", "ulton", "avangers", "hercuels", "robit", "")
    assert [word for word in words if encoder.has_word(word)] == ["france", "module", "content"]
