# ruff: noqa: RUF001 - full-width signs are what is tested
"""The tokenizer that is made of SentencePiece pieces: what becomes of texts before the pieces."""

import json

import pytest
from tokenizers import Tokenizer

from scripts.model_export.sentencepiece_tokenizer import Pieces, sentencepiece_tokenizer

TEXTS = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁ab", "ab", "a", "b", "▁finance", "é", "～", "~"]
SCORES = [0.0, 0.0, 0.0, 0.0, -3.0, -4.0, -5.0, -6.0, -6.0, -7.0, -7.5, -8.0, -8.0]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    pieces = Pieces(list(zip(TEXTS, SCORES, strict=True)), beginning=0, end=2, padding=1, unknown=3)
    return Tokenizer.from_str(json.dumps(sentencepiece_tokenizer(pieces)))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ab", ["▁ab"]),
        ("  ab \t\n ab  ", ["▁ab", "▁ab"]),
        ("abab", ["▁ab", "ab"]),
        ("ａｂ", ["▁ab"]),
        ("ﬁnance", ["▁finance"]),
        ("e\u0301", ["▁", "é"]),
        ("ab\u200bab", ["▁ab", "▁ab"]),
        ("ab\u00adab", ["▁ab", "<unk>", "ab"]),
        ("～", ["▁", "～"]),
        ("~", ["▁", "~"]),
        ("日本", ["▁", "<unk>"]),
        ("", []),
        ("   ", []),
    ],
)
def test_texts_become_the_pieces_that_sentencepiece_would_find(
    tokenizer: Tokenizer, text: str, pieces: list[str]
) -> None:
    encoding = tokenizer.encode(text)
    assert [TEXTS[number] for number in encoding.ids] == ["<s>", *pieces, "</s>"]
