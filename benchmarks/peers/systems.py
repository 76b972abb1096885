"""What the search benchmark asks of every system, and the data that all of them index."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.embedding.encoder import Vectors

K = 10
LINKS_PER_ROW = 16
CONSTRUCTION_BREADTH = 200

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows a filtered query may find: those of one cluster, or the first by rank."""

    cluster: int | None = None
    rank_below: int | None = None

    @property
    def column(self) -> str:
        """The metadata field that the condition is on."""
        return "rank" if self.cluster is None else "cluster"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Unit vectors, their texts, and two fields to filter by; rows are named by their position.

    `ranks` is a random permutation of the rows, `clusters` the group of similar rows of each.
    """

    folder: Path

    @property
    def vectors(self) -> Vectors:
        """Shape (rows, dims), mapped from the file."""
        found: Vectors = np.load(self.folder / "vectors.npy", mmap_mode="r")
        return found

    @property
    def ranks(self) -> Rows:
        """A number for each row."""
        found: Rows = np.load(self.folder / "ranks.npy")
        return found

    @property
    def clusters(self) -> Rows:
        """A number for each row."""
        found: Rows = np.load(self.folder / "clusters.npy")
        return found

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Title and text of the passages; row n has the text of passage n modulo their number."""
        lines = (self.folder / "texts.jsonl").read_text(encoding="utf-8").splitlines()
        return [(title, text) for title, text in map(json.loads, lines)]

    @property
    def query_texts(self) -> list[str]:
        """The words of the queries."""
        found: list[str] = json.loads((self.folder / "queries.json").read_text(encoding="utf-8"))
        return found


class System(Protocol):
    """One system, in a separate process.

    `breadths` are how widely it may be made to search, narrowest first; one value when that is
    fixed, and none when it knows words alone. `filters` says whether it is measured with filters.
    One that knows words has `search_lexical(text)`, and `search_hybrid(text, query, breadth)` if it
    has vectors, too.
    """

    breadths: Sequence[int]
    filters: bool

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Index the data with files in `folder`; returns the bytes that stay there."""
        ...

    def open(self, folder: Path, dims: int) -> None:
        """Open what `build` left, so that it can be searched."""
        ...

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:
        """Return the rows of the `K` best hits."""
        ...


def bytes_below(folder: Path) -> int:
    """The size of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
