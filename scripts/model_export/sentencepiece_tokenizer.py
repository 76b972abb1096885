"""A tokenizer of the tokenizers library out of the pieces of a SentencePiece unigram model.

The rules are those of XLM-R's model: NFKC with the character table of "nmt_nfkc"
(https://github.com/google/sentencepiece/blob/master/doc/normalization.md), words split at spaces,
and a mark before each word. `tests/packages` compares the vectors with another implementation's.
"""

from dataclasses import dataclass
from typing import Any

WORD_MARK = "\u2581"
# NFKC makes a plain tilde of it, "nmt_nfkc" does not: it is hidden meanwhile behind a character
# that stands for nothing.
FULL_WIDTH_TILDE = "\uff5e"
HIDDEN = "\ufdd0"


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces with their scores, by id, and the ids of those that stand for no text."""

    scored: list[tuple[str, float]]
    beginning: int
    end: int
    padding: int
    unknown: int


def sentencepiece_tokenizer(pieces: Pieces) -> dict[str, Any]:
    """The document of a `tokenizer.json` for these pieces."""
    mark = {"type": "Metaspace", "replacement": WORD_MARK, "prepend_scheme": "always"}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _special_tokens(pieces),
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Nmt"},
                _replace(FULL_WIDTH_TILDE, HIDDEN),
                {"type": "NFKC"},
                _replace(HIDDEN, FULL_WIDTH_TILDE),
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, {**mark, "split": True}],
        },
        "post_processor": _between_special_tokens(pieces),
        "decoder": {**mark, "split": True},
        "model": {
            "type": "Unigram",
            "unk_id": pieces.unknown,
            "vocab": [[text, score] for text, score in pieces.scored],
            "byte_fallback": False,
        },
    }


def _replace(old: str, new: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def _special_tokens(pieces: Pieces) -> list[dict[str, Any]]:
    ids = sorted({pieces.beginning, pieces.end, pieces.padding, pieces.unknown})
    return [
        {
            "id": number,
            "content": pieces.scored[number][0],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number in ids
    ]


def _between_special_tokens(pieces: Pieces) -> dict[str, Any]:
    names = {number: pieces.scored[number][0] for number in (pieces.beginning, pieces.end)}
    beginning, end = ({"SpecialToken": {"id": name, "type_id": 0}} for name in names.values())
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [beginning, text, end],
        "pair": [beginning, text, end, {"Sequence": {"id": "B", "type_id": 0}}, end],
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]} for number, name in names.items()
        },
    }
