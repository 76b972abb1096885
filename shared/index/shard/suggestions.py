"""What shards offer for the words of a query that none of them knows, and adding it up.

A shard counts, and the coordinator of a search adds up and chooses. What a shard offers does not
depend on other shards, so a search gives the same however its shards are grouped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Unknown:
    """Words that no shard knows, and words that one of them and its neighbour would make."""

    words: tuple[str, ...]
    joined: tuple[str, ...]


class NearWord(NamedTuple):
    """A known word that is near to an unknown one, as it is written, and how often rows hold it.

    `distance` is that of the stems, `distance_as_written` that of the words.
    """

    term: str
    written: str
    distance_as_written: int
    distance: int
    rows: int

    def is_close(self, word: str) -> bool:
        """Whether one edit makes it of the word, which begins alike."""
        return self.distance <= 1 and self.written[0] == word[0]

    def rank(self, word: str) -> tuple[int, bool, int, int, str]:
        """How near it is to the word; the smaller, the nearer."""
        is_other = self.written[0] != word[0]
        return self.distance, is_other, self.distance_as_written, -self.rows, self.term


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What may stand for unknown words, by word.

    `near` has known words; `splits` the two words that a word consists of, with a space, and how
    often rows hold both; `joined` those of `Unknown.joined` that are known, and how often.
    """

    near: Mapping[str, tuple[NearWord, ...]]
    splits: Mapping[str, Mapping[str, int]]
    joined: Mapping[str, int]


NOTHING_SUGGESTED = Suggestions({}, {}, {})


def combine_suggestions(parts: Iterable[Suggestions]) -> Suggestions:
    """The suggestions of several shards as of one."""
    near: dict[str, dict[str, NearWord]] = {}
    splits: dict[str, dict[str, int]] = {}
    joined: dict[str, int] = {}
    for part in parts:
        for word, offered in part.near.items():
            known = near.setdefault(word, {})
            for one in offered:
                known[one.term] = _added(known[one.term], one) if one.term in known else one
        for word, rows_of in part.splits.items():
            of_word = splits.setdefault(word, {})
            for parts_of_it, rows in rows_of.items():
                of_word[parts_of_it] = of_word.get(parts_of_it, 0) + rows
        for word, rows in part.joined.items():
            joined[word] = joined.get(word, 0) + rows
    of_words = {word: tuple(known.values()) for word, known in near.items()}
    return Suggestions(of_words, splits, joined)


def _added(one: NearWord, other: NearWord) -> NearWord:
    """The same word in other shards; where it is written otherwise, the nearer writing counts."""
    nearest = min(one, other, key=lambda near: (near.distance_as_written, near.written))
    return nearest._replace(rows=one.rows + other.rows)
