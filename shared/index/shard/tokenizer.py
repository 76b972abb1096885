"""Splits texts and queries into the words that are compared.

Words are those of SQLite's FTS5 (Unicode word characters, no diacritics, Porter stems), run on a
table in memory. Chinese, Japanese, Korean, Thai and their neighbours put no space between words:
each run of their letters becomes its letters and its overlapping pairs of letters, so that a word
inside a run is found by the pairs that it consists of.
"""

import re
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from shared.text.folding import folded

MAXIMUM_WORDS = 256
MAXIMUM_TERMS = MAXIMUM_WORDS + 1
_WHOLE, _LONGEST_WHOLE = "=", 200

_TABLES = """
CREATE VIRTUAL TABLE source USING fts5(
  text, content='', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE tokens USING fts5vocab(source, 'instance');
CREATE VIRTUAL TABLE whole_source USING fts5(
  text, content='', tokenize='unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE whole_tokens USING fts5vocab(whole_source, 'instance');
"""
# Letters of scripts without spaces: Thai to Myanmar, Khmer, kana, Bopomofo, Han and Hangul.
_UNSPACED = re.compile(
    "[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0f40-\u0fbc\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
    "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af]+"
)
# As SQLite parts text that is all ASCII.
_ASCII_WORD = re.compile("[A-Za-z0-9]+")
_MOST_STEMS = 20_000
# Vowel signs, tone marks and the like, which belong to the letter before them.
_MARK_CATEGORIES = frozenset({"Mn", "Mc"})


class Written(NamedTuple):
    """A word as it is written, without case and diacritics, and its stem, which is compared."""

    word: str
    stem: str


class Tokenizer:
    """Splits text to stemmed words; safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stems: dict[str, list[str]] = {}
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        self._connection.executescript(_TABLES)

    def words(self, text: str) -> list[str]:
        """The words by which a text is found; those of scripts without spaces come last.

        Nothing in the text is syntax: it is data to SQLite.
        """
        return self._words(text, _letters_and_pairs)

    def query_words(self, text: str) -> list[str]:
        """The words that a query asks for; of a run of letters without spaces only the pairs.

        Its single letters are in far too many texts, and say nothing that the pairs do not say.
        """
        return self._words(text, _pairs_or_letter)

    def words_and_query_words(self, text: str) -> tuple[list[str], list[str]]:
        """What `words` and `query_words` give, which is mostly the same."""
        spaced, runs = _parted(text)
        words = self._remembered(spaced)
        return (
            [*words, *(word for run in runs for word in _letters_and_pairs(run))],
            [*words, *(word for run in runs for word in _pairs_or_letter(run))],
        )

    def written(self, text: str) -> tuple[list[Written], list[str]]:
        """The words of a text that spaces part, as they are written, and the runs of the others."""
        spaced, runs = _parted(text)
        words = self._spaced(spaced, "whole_source", "whole_tokens")
        stems = self._spaced(spaced, "source", "tokens")
        return list(map(Written, words, stems)), runs

    def stems(self, words: Iterable[str]) -> dict[str, str]:
        """The stems of single words that `written` gave, or of their parts; none of no word."""
        found, _ = self.written(" ".join(words))
        return dict(found)

    def _words(self, text: str, cut: Callable[[str], list[str]]) -> list[str]:
        spaced, runs = _parted(text)
        words = self._spaced(spaced, "source", "tokens")
        return [*words, *(word for run in runs for word in cut(run))]

    def _remembered(self, text: str) -> list[str]:
        """The stems of a short text; to ask SQLite takes ten times as long as to remember them."""
        if not text.isascii():
            return self._spaced(text, "source", "tokens")
        words: list[str] = []
        for written in _ASCII_WORD.findall(text):
            stems = self._stems.get(written)
            if stems is None:
                stems = self._spaced(written, "source", "tokens")
                if len(self._stems) >= _MOST_STEMS:
                    self._stems = {}
                self._stems[written] = stems
            words += stems
        return words

    def _spaced(self, text: str, source: str, tokens: str) -> list[str]:
        with self._lock:
            run = self._connection.execute
            run(f"INSERT INTO {source}(rowid, text) VALUES (1, ?)", (text,))  # noqa: S608 - ours
            rows = run(f"SELECT term FROM {tokens} ORDER BY offset").fetchall()  # noqa: S608 - ours
            run(f"INSERT INTO {source}({source}) VALUES ('delete-all')")  # noqa: S608 - ours
        return [row[0] for row in rows]


def _parted(text: str) -> tuple[str, list[str]]:
    """The text with its words that spaces part, and the runs of letters without spaces."""
    # No lone surrogates, of which SQLite takes none.
    clean = folded(text).encode(errors="replace").decode()
    if clean.isascii():
        return clean, []
    runs = _UNSPACED.findall(clean)
    return _UNSPACED.sub(" ", clean) if runs else clean, runs


def _letters(run: str) -> list[str]:
    """The letters of a run, each with the marks that follow it."""
    letters: list[str] = []
    for character in run:
        if letters and unicodedata.category(character) in _MARK_CATEGORIES:
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _pairs(letters: list[str]) -> list[str]:
    return [one + following for one, following in pairwise(letters)]


def _letters_and_pairs(run: str) -> list[str]:
    letters = _letters(run)
    return [*letters, *_pairs(letters)]


def _pairs_or_letter(run: str) -> list[str]:
    letters = _letters(run)
    return _pairs(letters) or letters


TOKENIZER = Tokenizer()

_FUNCTION_WORDS = frozenset(
    TOKENIZER.words(
        """
        a about above after again against all also am an and any are as at be because been before
        being below between both but by can could did do does doing down during each few for from
        further had has have having he her here hers him his how i if in into is it its just me more
        most my no nor not of off on once only or other our out over own same she should so some
        such than that the their them then there these they this those through to too under until
        up very was we were what when where which while who whom why will with would you your
        """
    )
)


def is_function_word(word: str) -> bool:
    """Whether it is one of those that count only in a query that has no other word."""
    return word in _FUNCTION_WORDS


def query_terms(text: str) -> tuple[str, ...]:
    """The first 256 words that a query is searched by; one that comes again counts again.

    Function words of English count only in a query that has no other word.
    """
    return _scoring(TOKENIZER.query_words(text))


def search_terms(text: str) -> tuple[str, ...]:
    """The words of `query_terms`, and the whole query, which is the title, id or key of some."""
    if len(text) > _LONGEST_WHOLE:
        return query_terms(text)
    words, query_words = TOKENIZER.words_and_query_words(text)
    return (*_scoring(query_words), *([_whole(words)] if words else []))


def _scoring(words: list[str]) -> tuple[str, ...]:
    content = [word for word in words if word not in _FUNCTION_WORDS]
    return tuple((content or words)[:MAXIMUM_WORDS])


def whole_term(text: str) -> str | None:
    """The words of a short text as one term, so that equal texts have it; None for other texts."""
    words, _ = TOKENIZER.words_and_query_words(text[:_LONGEST_WHOLE])
    return _whole(words) if words and len(text) <= _LONGEST_WHOLE else None


def _whole(words: list[str]) -> str:
    return _WHOLE + " ".join(words)


def is_whole(term: str) -> bool:
    """Whether it stands for a whole text; no word begins like that."""
    return term.startswith(_WHOLE)
