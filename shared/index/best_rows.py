"""The best rows by score, in a stable order.

The scores of words come from `shard/lexical.py`, those of hybrid queries from `search/searcher.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_SCORE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows, or units, with their scores, best first; it yields `(row, score)`."""

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self.rows.tolist(), self.scores.tolist(), strict=True)

    def first(self, count: int) -> "Ranked":
        """The `count` best."""
        return Ranked(self.rows[:count], self.scores[:count])


NOTHING_RANKED = Ranked(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


def rounded_scores(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Scores to six decimals.

    The last bits of a product depend on which rows share a call; rounding makes equal rows tie.
    """
    exact: npt.NDArray[np.float64] = scores.astype(np.float64)
    return exact.round(_SCORE_DECIMALS)


def best_rows(
    labels: npt.NDArray[np.integer], scores: npt.NDArray[np.float64], count: int
) -> Ranked:
    """The `count` best by score, then by smallest label."""
    best = best_places(labels, scores, count)
    return Ranked(labels[best].astype(np.int64), scores[best])


def best_places(
    labels: npt.NDArray[np.integer], scores: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.intp]:
    """Where the `count` best stand, by score, then by smallest label."""
    if count >= len(scores):
        return np.lexsort((labels, -scores))
    worst = np.partition(scores, len(scores) - count)[len(scores) - count]
    kept = np.flatnonzero(scores >= worst)  # all that tie with the last, so that labels decide
    return kept[np.lexsort((labels[kept], -scores[kept]))[:count]]


def distinct(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Some numbers, ascending and each once; of a few hundred faster than numpy's `unique`."""
    ordered = np.sort(numbers)
    is_first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]
