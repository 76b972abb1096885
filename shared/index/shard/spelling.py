"""Looks in a shard for what may stand for the words of a query that no shard knows."""

import re
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
_LONG_PART = 3
# Of what may stand for one word, so much is counted, and of the most frequent so much looked up in
# so many rows.
_COUNTED, _COMPARED, _ROWS_READ = 50, 5, 4
_DIGIT = re.compile(r"\d")
_BETWEEN_KINDS = re.compile(r"(?<=\d)(?=\D)|(?<=\D)(?=\d)")
_WORD = re.compile(r"[^\W_]+")


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
    parts = {part for of_word in cuts.values() for cut in of_word for part in cut}
    stems = TOKENIZER.stems((*unknown.words, *unknown.joined, *sorted(parts)))
    rows = _Rows(sidecar, is_live)
    holding = rows.holding(stems[word] for word in (*unknown.joined, *parts) if word in stems)
    splits, near = {}, {}
    for word in unknown.words:
        if known := _splits(rows, holding, cuts[word], stems):
            splits[word] = known
        stem = stems.get(word, "")
        if edits := _edits(word, stem):
            candidates = vocabulary().near(stem, edits)
            if offered := _near(rows, candidates, word):
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
        """The words in titles and texts of the first of some rows, as they are written."""
        wanted = dict.fromkeys(labels[:_ROWS_READ].tolist())
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
        if len(both) and not (is_function_word(stem_of_left) or is_function_word(stem)):
            beginning = stem if right.startswith(stem) else right
            known.append((f"{left} {right}", left, beginning, both))
    known.sort(key=lambda one: (not has_long_parts(one[0]), -len(one[-1]), one[0]))
    return {
        parts: len(both)
        for parts, left, beginning, both in known[:_COMPARED]
        if any(
            word == left and following.startswith(beginning)
            for written in rows.written(both)
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
        holding = rows.holding([near.term for near in equally_near][:_COUNTED])
        frequent = sorted(holding, key=lambda term: (-len(holding[term]), term))[:_COMPARED]
        offered = [
            NearWord(term, written, distance, distance_as_written, len(holding[term]))
            for term in frequent
            for distance_as_written, written in _as_written(rows.written(holding[term]), term, word)
        ]
        if offered:
            return tuple(offered)
    return ()


def _as_written(texts: Iterable[Iterable[str]], term: str, word: str) -> list[tuple[int, str]]:
    """The nearest word of which `term` is the stem, with its distance; none where there is none."""
    likely = sorted({one for text in texts for one in text if one.startswith(term[:-1])})
    written = [one.word for one in TOKENIZER.written(" ".join(likely))[0] if one.stem == term]
    return sorted(zip(distances(word, written), written, strict=True))[:1]
