"""Short vectors that stand for long ones: what makes comparing a large part of a shard cheap.

A sketch holds the coordinates of each vector along the directions in which the vectors of the
shard differ most (principal components). The product of two sketches is most of the cosine; what
it lacks is measured on the rows that look best, whose vectors are compared in full.
"""

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]

# A quarter of the bytes of 384 dimensions.
SKETCH_DIMS = 96
_SHORTER_BY = 2
_SAMPLE_ROWS = 2048
_ROWS_AT_ONCE = 8192
# Picking rows costs a copy, a few at a time so that it stays in the cache.
_GATHER_BELOW = 0.6
_GATHERED_AT_ONCE = 1024
# By how many standard deviations a row must miss to be left out.
_CERTAINTY = 5.0


def is_worth_sketching(dims: int) -> bool:
    """Whether sketches are much shorter than the vectors."""
    return dims >= SKETCH_DIMS * _SHORTER_BY


class Sketch:
    """Sketches of the vectors of one shard, by label."""

    def __init__(self, vectors: Vectors, positions: npt.NDArray[np.int64] | None) -> None:
        """Make them; row n lies at `positions[n]` of `vectors`, at n if there are none."""
        rows = len(vectors)
        chosen = np.linspace(0, rows - 1, min(rows, _SAMPLE_ROWS)).astype(np.int64)
        sample = vectors[chosen]
        _, directions = np.linalg.eigh(sample.T @ sample)
        self._directions = np.ascontiguousarray(directions[:, -SKETCH_DIMS:])
        sketches = np.empty((rows, SKETCH_DIMS), np.float32)
        for start in range(0, rows, _ROWS_AT_ONCE):
            end = start + _ROWS_AT_ONCE
            np.matmul(vectors[start:end], self._directions, out=sketches[start:end])
        self._sketches = sketches if positions is None else sketches[positions]

    def estimates(self, query: Vectors, candidates: Labels) -> Scores:
        """About the cosines of some rows, in their order."""
        short = query @ self._directions
        if len(candidates) < len(self._sketches) * _GATHER_BELOW:
            return self._gathered(candidates, short)
        every: Scores = self._sketches @ short
        return every[candidates]

    def _gathered(self, candidates: Labels, short: Vectors) -> Scores:
        found = np.empty(len(candidates), np.float32)
        rows = np.empty((_GATHERED_AT_ONCE, SKETCH_DIMS), np.float32)
        for start in range(0, len(candidates), _GATHERED_AT_ONCE):
            part = candidates[start : start + _GATHERED_AT_ONCE]
            picked = rows[: len(part)]
            # A buffer that is used again, and no check of what is known to be in range.
            np.take(self._sketches, part, axis=0, out=picked, mode="clip")
            np.dot(picked, short, out=found[start : start + len(part)])
        return found


def promising(estimates: Scores, count: int) -> npt.NDArray[np.int64]:
    """Positions of the `count` greatest estimates, in no order."""
    if count >= len(estimates):
        return np.arange(len(estimates))
    return np.argpartition(estimates, len(estimates) - count)[len(estimates) - count :]


def least_estimate_in_reach(estimates: Scores, cosines: Scores, count: int) -> float:
    """Return the estimate below which no row is likely to be among the best `count` of all.

    `estimates` and `cosines` are of `count` rows or more that were compared, those with the
    greatest estimates. A row below would have to exceed its estimate by far more than they do.
    """
    missing = cosines - estimates
    worst = np.partition(cosines, len(cosines) - count)[len(cosines) - count]
    return float(worst - missing.mean() - _CERTAINTY * missing.std())
