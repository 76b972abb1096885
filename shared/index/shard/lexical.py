"""Lexical search: words, their postings in a shard, and BM25 over the whole index.

The tokenizer is that of SQLite's FTS5 (Unicode 6.1 word characters, no diacritics, Porter stems),
run on a table in memory. FTS5's own ranking is not used: its bm25() knows one shard only, where a
page about one hero would rank last for that hero's name, and it costs a Python row for each match.
With postings as arrays the scores depend on the live rows of the index alone, not on how they are
distributed over shards, and take microseconds.
"""

import math
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.text.marks import normalised

MAXIMUM_TERMS = 256
# The usual constants of BM25: how soon repetition stops counting, how much length counts.
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_MAXIMUM_COUNT = 65535

_TOKENIZER_TABLES = """
CREATE VIRTUAL TABLE source USING fts5(
  text, content='', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE tokens USING fts5vocab(source, 'instance');
"""


class Tokenizer:
    """Splits text to stemmed words; safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        self._connection.executescript(_TOKENIZER_TABLES)

    def words(self, text: str) -> list[str]:
        """The words of a text, in order. Nothing in it is syntax: it is data to SQLite."""
        # Composed characters, as a lone combining mark would split a word; no lone surrogates.
        clean = normalised("NFC", text).encode(errors="replace").decode()
        with self._lock:
            run = self._connection.execute
            run("INSERT INTO source(rowid, text) VALUES (1, ?)", (clean,))
            rows = run("SELECT term FROM tokens ORDER BY offset").fetchall()
            run("INSERT INTO source(source) VALUES ('delete-all')")
        return [row[0] for row in rows]


TOKENIZER = Tokenizer()


def searched_text(title: str, text: str) -> str:
    """What of a row can be found by its words."""
    return f"{title}\n{text}"


def query_terms(text: str) -> list[str]:
    """The first 256 words of a query, in order; one that comes again counts again."""
    return TOKENIZER.words(text)[:MAXIMUM_TERMS]


@dataclass(frozen=True, slots=True)
class Postings:
    """The rows that hold a word, ascending, and how often each does."""

    labels: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class LexicalTables:
    """The postings of each word of a shard, and the number of words of each row."""

    postings: Mapping[str, Postings]
    lengths: npt.NDArray[np.uint32]


def build_tables(texts: Iterable[str]) -> LexicalTables:
    """Index texts; the position of a text is its label."""
    labels: dict[str, list[int]] = {}
    counts: dict[str, list[int]] = {}
    lengths: list[int] = []
    for label, text in enumerate(texts):
        words = TOKENIZER.words(text)
        lengths.append(len(words))
        for word, count in Counter(words).items():
            labels.setdefault(word, []).append(label)
            counts.setdefault(word, []).append(min(count, _MAXIMUM_COUNT))
    postings = {
        word: Postings(np.array(labels[word], "<u4"), np.array(counts[word], "<u2"))
        for word in sorted(labels)
    }
    return LexicalTables(postings, np.array(lengths, "<u4"))


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """What BM25 needs to know of a set of live rows."""

    rows: int
    words: int
    rows_with: Mapping[str, int]


def combine(statistics: Iterable[TermStatistics]) -> TermStatistics:
    """Statistics of several shards as of one."""
    rows = words = 0
    rows_with: dict[str, int] = {}
    for part in statistics:
        rows += part.rows
        words += part.words
        for term, count in part.rows_with.items():
            rows_with[term] = rows_with.get(term, 0) + count
    return TermStatistics(rows, words, rows_with)


@dataclass(frozen=True, slots=True)
class Bm25:
    """Okapi BM25 under fixed statistics, with Lucene's idf, which is never negative.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
    2009; idf as in Lucene's BM25Similarity, log(1 + (N - n + 0.5) / (n + 0.5)). A word counts as
    often as the query has it: who writes at length repeats what matters.
    """

    statistics: TermStatistics
    occurrences: Mapping[str, int]

    @classmethod
    def of(cls, statistics: TermStatistics, terms: Iterable[str]) -> "Bm25":
        """Rank by the words of `query_terms`."""
        return cls(statistics, Counter(terms))

    def weight(self, term: str) -> float:
        """How much a word tells."""
        holding = self.statistics.rows_with.get(term, 0)
        rarity = math.log(1.0 + (self.statistics.rows - holding + 0.5) / (holding + 0.5))
        return self.occurrences[term] * rarity

    def norms(self, lengths: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
        """How much the length of each row holds back the counts of its words."""
        average = self.statistics.words / max(self.statistics.rows, 1)
        scale = _SATURATION * _LENGTH_WEIGHT / max(average, 1.0)
        exact: npt.NDArray[np.float64] = lengths.astype(np.float64)
        return exact * scale + _SATURATION * (1.0 - _LENGTH_WEIGHT)

    def gains(
        self, term: str, postings: Postings, norms: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """What a word adds to the score of each row of `postings`; `norms` are of all rows."""
        counts = postings.counts
        factor = self.weight(term) * (_SATURATION + 1.0)
        return factor * counts / (counts + norms[postings.labels])
