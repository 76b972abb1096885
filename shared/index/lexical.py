"""Words of a query, and what a word is worth over the whole index."""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping

MAXIMUM_TERMS = 64
_FLOOR = 1e-6
_WORD = re.compile(r"[^\W_]+")


def query_terms(text: str) -> list[str]:
    """The distinct words of a query, in order, at most 64.

    Only runs of letters and digits remain, so nothing a user types can be query syntax.
    """
    normalized = unicodedata.normalize("NFC", text).casefold()
    return list(dict.fromkeys(_WORD.findall(normalized)))[:MAXIMUM_TERMS]


def match_expression(term: str) -> str:
    """The FTS5 expression that matches one word of `query_terms` and means nothing else."""
    return f'"{term}"'


def inverse_document_frequency(rows: int, rows_with_term: int) -> float:
    """How much a word tells, by the formula of FTS5's bm25(), which never goes below 1e-6.

    Source: the "bm25() function" section of the SQLite FTS5 documentation.
    """
    worth = math.log((rows - rows_with_term + 0.5) / (rows_with_term + 0.5))
    return max(worth, _FLOOR)


def term_weights(rows: int, rows_with: Mapping[str, int]) -> dict[str, float]:
    """The worth of each word that occurs at all, over the live rows of the whole index.

    Words that half of the rows hold are left out where others remain: they cannot change an order
    by more than 1e-6, and are the costly ones to score.
    """
    weights = {
        term: inverse_document_frequency(rows, count)
        for term, count in rows_with.items()
        if count > 0
    }
    telling = {term: weight for term, weight in weights.items() if weight > _FLOOR}
    return telling or weights


def sum_by_term(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up how many rows of each shard hold each word."""
    total: dict[str, int] = {}
    for shard_counts in counts:
        for term, count in shard_counts.items():
            total[term] = total.get(term, 0) + count
    return total
