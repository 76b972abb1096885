"""The vectors of a shard where they lie in its HNSW file."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

# Few enough to stay in the cache.
_COPIED_AT_ONCE, _CHECKED_AT_ONCE = 256, 512
# Wider than what the writer of a shard lets pass, as sums in another order differ.
_UNIT_TOLERANCE = 2e-3


@dataclass(frozen=True, slots=True)
class MappedVectors:
    """The vectors in a file, and at which position that of each label lies, if not at its own.

    `name` is that of the file. Comparing every vector with unit length would take as long as
    reading the file, so it is done with those that leave it: see `unit_rows` and `check_scores`.
    """

    name: str
    vectors: Vectors
    positions: npt.NDArray[np.int64] | None

    def unit_rows(self, labels: Labels) -> Vectors:
        """Copies of some vectors.

        Raises:
            CorruptObjectError: one is not of unit length; names the file.
        """
        found = self.rows(labels)
        self._check_lengths(found)
        return found

    def check_every_length(self) -> None:
        """See that all vectors are of unit length; raises like `unit_rows`."""
        for start in range(0, len(self.vectors), _CHECKED_AT_ONCE):
            self._check_lengths(self.vectors[start : start + _CHECKED_AT_ONCE])

    def check_scores(self, scores: npt.NDArray[np.float32]) -> None:
        """See that products with vectors of the file are numbers.

        Raises:
            CorruptObjectError: one is not, so a vector holds what is none; names the file.
        """
        if not np.isfinite(scores).all():
            raise CorruptObjectError(
                f"{self.name} has a vector that is not made of finite numbers; "
                "build the shard again"
            )

    def rows(self, labels: Labels) -> Vectors:
        """Copies of some vectors."""
        return self.vectors[labels if self.positions is None else self.positions[labels]]

    def products_of(self, labels: Labels, query: Vectors) -> npt.NDArray[np.float32]:
        """The cosines of some rows; a few are copied at a time, so that they stay in the cache."""
        products = np.empty(len(labels), np.float32)
        for start in range(0, len(labels), _COPIED_AT_ONCE):
            part = labels[start : start + _COPIED_AT_ONCE]
            products[start : start + _COPIED_AT_ONCE] = self.rows(part) @ query
        return products

    def products(self, query: Vectors) -> npt.NDArray[np.float32]:
        """The cosine of every row, by its label."""
        products: npt.NDArray[np.float32] = self.vectors @ query
        return products if self.positions is None else products[self.positions]

    def _check_lengths(self, vectors: Vectors) -> None:
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        wrong = lengths[~(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE)]  # and what is no number
        if len(wrong):
            raise CorruptObjectError(
                f"{self.name} has a vector of length {wrong[0]:.6g}, where each has length 1; "
                "build the shard again"
            )
