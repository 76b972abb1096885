"""The embedding benchmark on made-up systems and a made-up collection."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.embed import (
    REFERENCE,
    Quality,
    best_parents,
    compare,
    dense_ndcg,
    main,
    verdict,
)
from benchmarks.embedding_speed import Speed, exactly_long, measure_speed, ratio
from benchmarks.ir_collections import Collection, Document, Query
from shared.embedding.encoder import Vectors
from shared.models.manifest import ModelIdentity
from tests.unit.embedding.conftest import word_tokenizer


class Letters:
    """Implements `Encoder`: counts the letters of a text."""

    identity = ModelIdentity(id="letters", revision="1", dims=26)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        alphabet = "abcdefghijklmnopqrstuvwxyz"
        rows = [[text.lower().count(letter) + 1e-3 for letter in alphabet] for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(-1, len(alphabet))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def encode_query(self, text: str) -> Vectors:
        return np.asarray(self.encode_documents([text])[0])


def test_pieces_have_exactly_the_wanted_length() -> None:
    texts = [" ".join(f"w{number}" for number in range(size)) for size in (5, 40, 3, 31)]
    pieces = exactly_long(word_tokenizer(), texts, tokens=10, count=100)
    tokenizer = word_tokenizer()
    tokenizer.no_truncation()
    tokenizer.no_padding()
    assert len(pieces) > 3
    assert {len(tokenizer.encode(piece).ids) for piece in pieces} == {10}
    assert len(exactly_long(tokenizer, texts, tokens=10, count=2)) == 2
    assert exactly_long(tokenizer, ["w1 w2"], tokens=10, count=2) == []


def test_systems_take_turns_and_the_first_time_does_not_count() -> None:
    calls: list[tuple[str, int]] = []

    def system(name: str, texts: Sequence[str]) -> Vectors:
        calls.append((name, len(texts)))
        return np.zeros((len(texts), 2), dtype=np.float32)

    speeds = measure_speed(
        {("a", 1): lambda texts: system("a", texts), ("b", 1): lambda texts: system("b", texts)},
        {"real": ["x"] * 3, "long": ["x"] * 2},
        rounds=2,
    )
    assert calls == [("a", 3), ("a", 2), ("b", 3), ("b", 2)] * 3
    assert {len(seconds) for speed in speeds.values() for seconds in speed.seconds.values()} == {2}
    assert speeds["b", 1].vectors["long"].shape == (2, 2)


def test_a_ratio_is_taken_within_rounds() -> None:
    # The machine was busy in the second round, for both.
    assert ratio([1.0, 10.0, 1.1], [3.0, 30.0, 3.3]) == pytest.approx(3.0)


def test_a_document_is_as_good_as_its_best_chunk() -> None:
    parents = np.array(["a", "a", "b", "c"])
    scores = np.array([0.1, 0.9, 0.5, 0.95], dtype=np.float32)
    assert best_parents(scores, parents, 2) == ["c", "a"]


def test_ndcg_of_a_collection_and_its_loss() -> None:
    documents = [Document("1", "", "zzz"), Document("2", "", "kkk"), Document("3", "", "")]
    queries = [Query("q", "z"), Query("r", "k")]
    encoder = Letters()
    right = Collection("made up", documents, queries, {"q": frozenset("1"), "r": frozenset("2")})
    wrong = Collection("made up", documents, queries, {"q": frozenset("2"), "r": frozenset("2")})
    exact = dense_ndcg(right, encoder.encode_documents, encoder)
    assert exact == [1, 1]
    found = compare(dense_ndcg(wrong, encoder.encode_documents, encoder), exact)
    assert found.ndcg == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert found.loss_percent == pytest.approx(100 * (1 - found.ndcg))


def test_a_loss_comes_with_its_standard_error_and_may_be_a_gain() -> None:
    better = compare([0.6, 0.5, 0.5], [0.5, 0.5, 0.5])
    assert better.loss_percent == pytest.approx(-100 * 0.1 / 3 / 0.5)
    # Losses of -20, 0 and 0 percent: a deviation of 11.55, over the root of 3.
    assert better.error_percent == pytest.approx(20 / 3)
    assert compare([0.5], [0.5]) == Quality(0.5, 0.0, 0.0)


def test_the_verdict_goes_by_the_least_ratio_and_the_mean_loss() -> None:
    speeds = {
        (REFERENCE, 1): Speed({"real": [6.0], "long": [6.0]}),
        ("int8-dynamic", 1): Speed({"real": [1.0], "long": [1.5]}),
        ("fp32", 1): Speed({"real": [5.0], "long": [3.0]}),
    }
    small, large = Quality(0.5, 0.4, 0.1), Quality(0.4, 0.8, 0.1)
    assert verdict("int8-dynamic", speeds, {"npl": small}) == (
        "at least 4.00 times as fast, mean loss +0.40 %: meets the goal"
    )
    assert "misses" in verdict("int8-dynamic", speeds, {"npl": small, "cisi": large})
    assert "at least 1.20 times as fast: misses" in verdict("fp32", speeds, {})


def test_a_missing_folder_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.embed.ensure_model", lambda *_, **__: tmp_path)
    assert main(["--data", str(tmp_path / "none")]) == 1
    assert "there are no test collections in" in capsys.readouterr().err
