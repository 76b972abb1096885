"""The words that a shard knows, and which of them are near to one that it does not know.

Few words pass two cheap tests: the length, and a signature of 32 bits with one for each letter (no
two from a to z share one), of which an edit changes at most two. The distance of those is that of
optimal string alignment (an exchange of two neighbouring letters is one edit), for all of them at
once by the bits of integers: Hyyrö, "A Bit-Vector Algorithm for Computing Levenshtein and Damerau
Edit Distances", Nordic Journal of Computing 10, 2003.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MOST_EDITS = 2
_SHORTEST, _LONGEST = 3, 63
_SEPARATOR = ord("\n")
_BITS_OF_AN_EDIT = 2
_ONE = np.uint64(1)

Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]
Bits = npt.NDArray[np.uint64]
Distances = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]


class Near(NamedTuple):
    """A known word, and how many edits make it of the other one."""

    term: str
    distance: int


class Vocabulary:
    """The words of some lists, in the order of their lengths; those with digits are left out."""

    def __init__(self, lists: Iterable[str]) -> None:
        """Read lists of words, one a line."""
        self._text = "\n".join(lists)
        self._codes = _codes(self._text)
        separators = np.flatnonzero(self._codes == _SEPARATOR)
        ends = np.append(separators, len(self._codes))
        starts = np.concatenate(([0], separators + 1))
        lengths = ends - starts
        digits = np.flatnonzero((self._codes >= ord("0")) & (self._codes <= ord("9")))
        lengths[np.searchsorted(ends, digits)] = 0
        lengths[lengths > _LONGEST] = 0
        # Words of the same length lie together.
        short = lengths.astype(np.uint8)
        order = np.argsort(short, kind="stable")
        order = order[np.searchsorted(short[order], _SHORTEST) :]
        self._starts = starts[order].astype(np.uint32)
        lengths_in_order = short[order]
        self._of_length = np.searchsorted(lengths_in_order, np.arange(_LONGEST + MOST_EDITS + 2))
        self._begins = self._codes[self._starts]
        self._signatures = _signatures(self._codes, starts, separators)[order]

    def near(self, word: str, edits: int) -> list[Near]:
        """The words that differ by one edit, or by two and begin alike; nearer ones first."""
        if not 0 < len(word) <= _LONGEST:
            return []
        codes = _codes(word)
        some = slice(
            self._of_length[max(0, len(word) - edits)], self._of_length[len(word) + edits + 1]
        )
        signature = _signatures(codes, np.array([0]), np.array([], np.int64))[0]
        changed = np.bitwise_count(self._signatures[some] ^ signature)
        begins_alike = self._begins[some] == codes[0]
        may_be = changed <= np.where(begins_alike, _BITS_OF_AN_EDIT * edits, _BITS_OF_AN_EDIT)
        places = np.flatnonzero(may_be) + some.start
        lengths = np.searchsorted(self._of_length, places, "right") - 1
        terms = [
            self._text[start : start + length]
            for start, length in zip(self._starts[places].tolist(), lengths.tolist(), strict=True)
        ]
        found = {
            Near(term, distance)
            for term, distance in zip(terms, distances(word, terms), strict=True)
            if distance <= (edits if term[0] == word[0] else 1)
        }
        return sorted(found, key=lambda near: (near.distance, near.term))


def _codes(text: str) -> Codes:
    """The characters of a text as numbers; bytes will do for most."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")


def _signatures(codes: Codes, starts: Places, separators: Places) -> npt.NDArray[np.uint32]:
    """Which letters the words have that begin at `starts` and end before the next one."""
    bits = np.zeros(len(codes) + 1, np.uint32)  # one more, as the last word may be empty
    np.left_shift(np.uint32(1), np.bitwise_and(codes, 31), out=bits[:-1])
    bits[separators] = 0
    found: npt.NDArray[np.uint32] = np.bitwise_or.reduceat(bits, starts)
    return found


def distances(word: str, others: Sequence[str]) -> list[int]:
    """The distances of a word of up to 64 letters from others."""
    if not others:
        return []
    lengths = np.array([len(other) for other in others])
    width = int(lengths.max())
    padded = "".join(other.ljust(width) for other in others)
    letters = np.frombuffer(padded.encode("utf-32-le", "replace"), "<u4").reshape(-1, width)
    return [int(distance) for distance in _distances(word, letters, lengths)]


def _distances(word: str, letters: npt.NDArray[np.uint32], lengths: Distances) -> Distances:
    """The same for the rows of a table, of which so many letters are of a word."""
    matches = np.zeros(letters.shape, np.uint64)
    for letter in set(word):
        places = (1 << place for place, other in enumerate(word) if other == letter)
        matches[letters == ord(letter)] = sum(places)
    count, last = len(letters), np.uint64(1 << (len(word) - 1))
    increasing: Bits = np.full(count, ~np.uint64(0))
    decreasing, diagonal, before = (np.zeros(count, np.uint64) for _ in range(3))
    found: Distances = np.full(count, len(word), np.int64)
    for column in range(letters.shape[1]):
        match = matches[:, column]
        exchanged = ((~diagonal & match) << _ONE) & before
        diagonal = (((match & increasing) + increasing) ^ increasing) | match | decreasing
        diagonal |= exchanged
        rising = decreasing | ~(diagonal | increasing)
        falling = diagonal & increasing
        change = ((rising & last) != 0).astype(np.int64) - ((falling & last) != 0)
        found += np.where(column < lengths, change, 0)
        rising = (rising << _ONE) | _ONE
        increasing = (falling << _ONE) | ~(diagonal | rising)
        decreasing = rising & diagonal
        before = match
    return found
