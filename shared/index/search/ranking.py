"""Puts what shards and groups found into one order: by score, and where scores are equal by name.

Names are read only where scores are equal.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
# mypy wants it said of a name for a callable.
Names: TypeAlias = Callable[[Positions], Sequence[str]]
"""The names of what stands at some positions."""


def best_of(scores: Scores, count: int, names: Names) -> Positions:
    """The positions of the `count` best scores, in no order."""
    if len(scores) <= count:
        return np.arange(len(scores))
    worst = np.partition(scores, len(scores) - count)[len(scores) - count]
    better, equal = np.flatnonzero(scores > worst), np.flatnonzero(scores == worst)
    room = count - len(better)
    if room < len(equal):
        by_name = sorted(zip(names(equal), equal.tolist(), strict=True))
        equal = np.array([position for _, position in by_name[:room]], dtype=np.intp)
    return np.concatenate((better, equal))


def in_order(scores: Scores, count: int, names: Names) -> Positions:
    """The positions of the `count` best scores, best first."""
    best = best_of(scores, count, names)
    best = best[np.argsort(-scores[best])]
    ordered = scores[best]
    is_equal = ordered[1:] == ordered[:-1]
    if is_equal.any():
        is_tied = np.concatenate((is_equal, [False])) | np.concatenate(([False], is_equal))
        tied = best[is_tied]
        by_name = sorted(zip((-scores[tied]).tolist(), names(tied), tied.tolist(), strict=True))
        best[is_tied] = [position for _, _, position in by_name]
    return best


def standard_scores(values: Scores) -> Scores:
    """By how many standard deviations each value lies above the mean of all.

    The sums are of the values in their order, so that they do not depend on who found what.
    """
    if len(values) == 0:
        return values
    ordered = np.sort(values)
    mean = ordered.sum() / len(values)
    deviation = math.sqrt(np.square(ordered - mean).sum() / len(values))
    scores: Scores = (values - mean) / (deviation or 1.0)
    return scores
