"""The best rows by score, in a stable order.

The scores of words come from `shard/lexical.py`, those of hybrid queries from `search/searcher.py`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Ranked = list[tuple[int, float]]
"""`(row, score)`, best first."""

_SCORE_DECIMALS = 6


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
    if count < len(scores):
        worst = np.partition(scores, len(scores) - count)[len(scores) - count]
        keep = scores >= worst  # every row that ties with the last one, so that labels decide
        labels, scores = labels[keep], scores[keep]
    order = np.lexsort((labels, -scores))[:count]
    return list(zip(labels[order].tolist(), scores[order].tolist(), strict=True))
