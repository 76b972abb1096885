"""The quality benchmark on a made-up collection, with an encoder that counts words."""

import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.ir_collections import Collection, Document, Query
from benchmarks.quality import collection_chunks, main, pipeline_rankings, quality_rows
from shared.embedding.encoder import Vectors
from shared.models.manifest import ModelIdentity

DIMS = 512


class WordCounts:
    """Implements `Encoder`: texts that share words are near each other."""

    identity = ModelIdentity(id="words", revision="1", dims=DIMS)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        vectors = np.full((len(texts), DIMS), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.strip(".:").encode()) % DIMS] += 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        first: Vectors = self.encode_documents([text])[0]
        return first


LONG = " ".join(f"Sentence {number} says nothing of it." for number in range(40))

END = "The slipstream lifts propellers. " * 6


@pytest.fixture
def collection() -> Collection:
    return Collection(
        "made-up",
        [
            Document("1", "Wings", f"{LONG} {END}"),
            Document("2", "Heat", "Plates are heated by friction."),
            Document("3", "", ""),
            Document("4", "Libraries", "Books are catalogued there."),
        ],
        [Query("a", "slipstream propellers"), Query("b", "catalogued books")],
        {"a": frozenset({"1"}), "b": frozenset({"4"})},
    )


def test_documents_are_ranked_by_their_best_chunk(collection: Collection) -> None:
    encoder = WordCounts()
    rankings = pipeline_rankings(collection, encoder, encoder.encode_documents)
    assert list(rankings) == ["lexical", "dense", "hybrid"]
    for found in rankings.values():
        assert found["a"][0] == "1"
        assert found["b"][0] == "4"
        assert all(len(set(ranking)) == len(ranking) for ranking in found.values())
    assert len(rankings["dense"]["a"]) == 3  # the one without text cannot be found
    rows = quality_rows(collection, {"hybrid": rankings["hybrid"], "absent": None})
    assert rows[0][1] is not None
    assert (rows[0][1].ndcg, rows[0][1].mrr) == (1.0, 1.0)
    assert rows[1] == ("absent", None)


def test_long_documents_make_several_chunks_and_empty_ones_none(collection: Collection) -> None:
    parents = [chunk.metadata.source_id for chunk in collection_chunks(collection.documents)]
    assert parents.count("1") > 3
    assert "3" not in parents


def test_absent_data_ends_with_one_sentence(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: there are no test collections in")
    assert error.count("\n") == 1
