"""Whether two processors found the same, within what their arithmetic may differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np

TOLERANCE = 1e-4
# The least cosine between the vectors that int8-dynamic makes of one text on two processors. Their
# float kernels differ in the last digit, which turns the rounding of some bytes: .99984 was seen.
# Byte products that are cut off give .9992.
LEAST_INT8_COSINE = 0.9996


def largest_difference(one: Any, other: Any) -> float:
    """The largest difference between two nested lists of numbers of the same shape.

    Raises:
        ValueError: their shapes differ.
    """
    left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"the shapes {left.shape} and {right.shape} differ")
    return float(np.max(np.abs(left - right), initial=0.0))


def least_cosine(one: Any, other: Any) -> float:
    """The least cosine between the rows of two matrices of the same shape.

    Raises:
        ValueError: their shapes differ.
    """
    left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"the shapes {left.shape} and {right.shape} differ")
    sizes = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return float(np.min((left * right).sum(axis=-1) / sizes, initial=1.0))


Ranking = Sequence[tuple[str, float]]


def same_ranking(one: Ranking, other: Ranking, tolerance: float = TOLERANCE) -> bool:
    """Whether two rankings name the same with scores within `tolerance`.

    Neighbours whose scores lie that close together may stand either way round.
    """
    if len(one) != len(other):
        return False
    scores = dict(other)
    for (name, score), (_, score_in_place) in zip(one, other, strict=True):
        if name not in scores or abs(scores[name] - score) > tolerance:
            return False
        if abs(score_in_place - score) > tolerance:
            return False
    return True
