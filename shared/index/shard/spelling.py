"""Looks in a shard for what may stand for the words of a query that no shard knows."""

import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np

from shared.index.graph.hnsw_file import Labels, RowMask
from shared.index.shard.sidecar import Sidecar
from shared.index.shard.suggestions import NearWord, Suggestions, Unknown
from shared.index.shard.tokenizer import TOKENIZER, is_function_word
from shared.index.shard.vocabulary import MOST_EDITS, Near, Vocabulary, distances
from shared.text.folding import unaccented

# From so many letters on a word may have one edit, and its stem one or two: below, most are near to
# others. Stems are what is compared: those of "dislocation" and "disposable" have two edits.
_LETTERS_FOR_ONE, _LETTERS_OF_STEM_FOR_ONE, _LETTERS_OF_STEM_FOR_TWO = 5, 4, 9
# No word of a language is longer, and each place where one may be cut costs two look-ups.
MAXIMUM_LETTERS = 40
_SHORTEST_CUT = 4
_LONGEST_EDITED = 20
_LONG_PART = 3
# Of what may stand for one word, so much of the most frequent is looked up in so many rows.
_COMPARED, _ROWS_READ = 5, 3
_DIGIT = re.compile(r"\d")
_BETWEEN_KINDS = re.compile(r"(?<=\d)(?=\D)|(?<=\D)(?=\d)")
_WORD = re.compile(r"[^\W_]+")
_LETTERS = string.ascii_lowercase


def has_digit(word: str) -> bool:
    """Whether a word is cut beside its digits only, and never edited."""
    return _DIGIT.search(word) is not None


def has_long_parts(parts: str) -> bool:
    """Whether two words are so long that a word hardly consists of them by chance."""
    return min(map(len, parts.split())) >= _LONG_PART


def suggest(
    sidecar: Sidecar,
    vocabulary: Callable[[], Vocabulary],
    unknown: Unknown,
    is_live: RowMask | None,
) -> Suggestions:
    """Look for what may stand for unknown words among the live rows of a shard."""
    cuts = {word: list(_cuts(word)) for word in unknown.words}
    # Sorted, as the order of a set is another in each process.
    parts = sorted({part for of_word in cuts.values() for cut in of_word for part in cut})
    stems = TOKENIZER.stems((*unknown.words, *unknown.joined, *parts))
    rows = _Rows(sidecar, is_live)
    asked = (stems[word] for word in (*unknown.joined, *parts) if word in stems)
    holding = rows.holding(stem for stem in asked if not is_function_word(stem))
    splits, near = {}, {}
    for word in unknown.words:
        if known := _splits(rows, holding, cuts[word], stems):
            splits[word] = known
        stem = stems.get(word, "")
        if edits := _edits(word, stem):
            offered = _near(rows, vocabulary().near(stem, edits), word)
            if not any(one.is_close(word) for one in offered):
                offered = _near(rows, _stemmed_otherwise(word, stem), word) or offered
            if offered:
                near[word] = offered
    joined = {
        word: len(holding[stems[word]]) for word in unknown.joined if stems.get(word, "") in holding
    }
    return Suggestions(near, splits, joined)


class _Rows:
    """The live rows of a shard, and what is written in them."""

    def __init__(self, sidecar: Sidecar, is_live: RowMask | None) -> None:
        self._sidecar = sidecar
        self._is_live = is_live

    def holding(self, terms: Iterable[str]) -> dict[str, Labels]:
        """The rows of each known term: by its titles, which have names as they are, then by texts.

        A row whose title and text both have the term comes twice.
        """
        wanted = sorted(set(terms))
        titles, texts = self._sidecar.titles_with(wanted), self._sidecar.texts_with(wanted)
        found: dict[str, Labels] = {}
        for term in wanted:
            fields = [field[term].labels for field in (titles, texts) if term in field]
            if not fields:
                continue
            labels = np.concatenate(fields).astype(np.int64)
            live = labels if self._is_live is None else labels[self._is_live[labels]]
            if len(live):
                found[term] = live
        return found

    def written(self, labels: Labels) -> list[list[str]]:
        """The words in titles and texts of some rows, as they are written."""
        wanted = dict.fromkeys(labels.tolist())
        read = self._sidecar.documents(wanted)
        texts = (f"{read[label].metadata.title}\n{read[label].text}" for label in wanted)
        return [_WORD.findall(unaccented(text)) for text in texts]


def _cuts(word: str) -> Iterator[tuple[str, str]]:
    """The two parts that a word may consist of; one with digits has its seam beside them."""
    if len(word) > MAXIMUM_LETTERS:
        return
    if has_digit(word):
        places: Iterable[int] = [seam.start() for seam in _BETWEEN_KINDS.finditer(word)]
    else:
        places = range(1, len(word)) if len(word) >= _SHORTEST_CUT else ()
    for place in places:
        yield word[:place], word[place:]


def _splits(
    rows: _Rows,
    holding: Mapping[str, Labels],
    cuts: Iterable[tuple[str, str]],
    stems: Mapping[str, str],
) -> dict[str, int]:
    """The two known words that stand beside each other in some row, and how many rows have both."""
    known = []
    for left, right in cuts:
        stem_of_left, stem = stems.get(left, ""), stems.get(right, "")
        if stem_of_left not in holding or stem not in holding:
            continue
        both = _both(holding[stem_of_left], holding[stem])
        if len(both):
            beginning = stem if right.startswith(stem) else right
            known.append((f"{left} {right}", left, beginning, both))
    known.sort(key=lambda one: (not has_long_parts(one[0]), -len(one[-1]), one[0]))
    return {
        parts: len(both)
        for parts, left, beginning, both in known[:_COMPARED]
        if any(
            word == left and following.startswith(beginning)
            for written in rows.written(both[:_ROWS_READ])
            for word, following in pairwise(written)
        )
    }


def _both(some: Labels, others: Labels) -> Labels:
    """Those of the other labels that are among some."""
    is_among = np.zeros(int(max(some.max(), others.max())) + 1, np.bool_)
    is_among[some] = True
    return others[is_among[others]]


def _edits(word: str, stem: str) -> int:
    """How many edits a stem may have: none with digits, where each stands for something else."""
    if not word.isalpha() or not _LETTERS_FOR_ONE <= len(word) <= MAXIMUM_LETTERS:
        return 0
    if len(stem) < _LETTERS_OF_STEM_FOR_ONE:
        return 0
    return MOST_EDITS if len(stem) >= _LETTERS_OF_STEM_FOR_TWO else 1


def _stemmed_otherwise(word: str, stem: str) -> list[Near]:
    """The stems of words at one edit that begin alike, where they are not stems at one edit.

    An edit may change how much of an English word is its stem: the stem of "secruity" has all its
    letters, that of "security" the first five.
    """
    if not word.isascii() or len(word) > _LONGEST_EDITED:
        return []
    ends = [(word[:place], word[place:]) for place in range(1, len(word) + 1)]
    edited = {
        *(left + right[1:] for left, right in ends if right),
        *(left + right[1] + right[0] + right[2:] for left, right in ends if len(right) > 1),
        *(left + letter + right[1:] for left, right in ends if right for letter in _LETTERS),
        *(left + letter + right for left, right in ends for letter in _LETTERS),
    }
    ending = len(word) - len(stem)
    return [
        Near(other, 1)
        for one, other in zip(edited, TOKENIZER.words(" ".join(edited)), strict=True)
        # But for its last letter, which is another where y becomes i.
        if len(other) >= _LETTERS_OF_STEM_FOR_ONE and other[:-1] != one[: len(one) - ending - 1]
    ]


def _near(rows: _Rows, candidates: Sequence[Near], word: str) -> tuple[NearWord, ...]:
    """The most frequent of the nearest words, as they are written.

    The same first letter makes nearer, and five letters are too few for another one.
    """

    def rank(near: Near) -> tuple[int, bool]:
        return near.distance, near.term[0] != word[0]

    wanted = [
        near
        for near in candidates
        if not is_function_word(near.term)
        and (near.term[0] == word[0] or len(word) > _LETTERS_FOR_ONE)
    ]
    for (distance, _), equally_near in groupby(sorted(wanted, key=rank), key=rank):
        holding = rows.holding(near.term for near in equally_near)
        frequent = sorted(holding, key=lambda term: (-len(holding[term]), term))[:_COMPARED]
        written = _as_written(rows, [holding[term] for term in frequent], frequent, word)
        offered = [
            NearWord(term, *written[term], distance, len(holding[term]))
            for term in frequent
            if term in written
        ]
        if offered:
            return tuple(offered)
    return ()


def _as_written(
    rows: _Rows, holding: Sequence[Labels], terms: Sequence[str], word: str
) -> dict[str, tuple[str, int]]:
    """The nearest word of which each term is the stem, and its distance, out of some rows."""
    if not terms:
        return {}
    texts = rows.written(np.concatenate([labels[:_ROWS_READ] for labels in holding]))
    beginnings = tuple(term[:-1] for term in terms)
    stems = TOKENIZER.stems(
        sorted({one for text in texts for one in text if one.startswith(beginnings)})
    )
    found: dict[str, tuple[str, int]] = {}
    for distance, written in sorted(zip(distances(word, list(stems)), stems, strict=True)):
        found.setdefault(stems[written], (written, distance))
    return found
