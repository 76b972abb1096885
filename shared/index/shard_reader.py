"""One shard on this machine: its live rows, and searching them by vector or by word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.index.filters import SearchFilters
from shared.index.graph import GraphFile, Labels, Vectors
from shared.index.lexical import Bm25, Postings, TermStatistics
from shared.index.liveness import Version
from shared.index.ranking import Ranked, best_rows, rounded_scores
from shared.index.sidecar import Sidecar, StoredChunk
from shared.models.manifest import ShardDescriptor


@dataclass(frozen=True, slots=True)
class SearchTuning:
    """When the graph is used and how widely it is searched.

    Up to `exact_rows` candidates, or `exact_share` of a shard, every candidate is compared: that
    is perfect, and faster than the graph. `breadth` is hnswlib's ef with up to three shards;
    `breadth_of_many` serves from four on, as several shards searched together recall more.
    """

    exact_rows: int = 2000
    exact_share: float = 0.1
    breadth: int = 100
    breadth_of_many: int = 50


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The postings of a query's words in one shard, and its part of the statistics."""

    postings: Mapping[str, Postings]
    statistics: TermStatistics


class Shard:
    """An open, immutable shard, and which of its rows are live under the current manifest."""

    def __init__(
        self,
        descriptor: ShardDescriptor,
        graph_path: Path | None,
        sidecar_path: Path,
        tuning: SearchTuning,
    ) -> None:
        """Open the files of a shard; every row is live until `set_superseded` says otherwise.

        Raises:
            CorruptObjectError: a file is not what the descriptor says; names its key.
        """
        self.descriptor = descriptor
        self._tuning = tuning
        self._sidecar = Sidecar(sidecar_path, model=descriptor.model, name=descriptor.sidecar.key)
        self._graph: GraphFile | None = None
        if graph_path is not None and descriptor.graph is not None:
            self._graph = GraphFile(
                graph_path,
                rows=descriptor.vectors,
                dims=descriptor.model.dims,
                name=descriptor.graph.key,
            )
        self._is_live = np.ones(len(self._sidecar.chunk_ids), dtype=np.bool_)

    @property
    def entities(self) -> Mapping[str, Version]:
        """Every entity that this shard speaks for, with its version."""
        return self._sidecar.entities

    @property
    def live_rows(self) -> int:
        """How many rows may be found."""
        return int(self._is_live.sum())

    def set_superseded(self, entities: set[str]) -> None:
        """Say whose rows are dead: those of entities that a newer shard speaks for."""
        keys = self._sidecar.entity_keys
        dead = {label for label, key in enumerate(keys) if key in entities} if entities else set()
        is_live = np.ones(len(keys), dtype=np.bool_)
        is_live[list(dead)] = False
        if self._graph is not None:
            self._graph.set_dead(dead)
        self._is_live = is_live

    def chunk_id(self, label: int) -> str:
        """The chunk of a row; rows lie in the order of their chunk ids."""
        return self._sidecar.chunk_ids[label]

    def matching(self, filters: SearchFilters) -> Labels | None:
        """Live rows that pass the filters, ascending; None when every row of the shard does."""
        if filters.is_empty and self._is_live.all():
            return None
        if filters.is_empty:
            return np.flatnonzero(self._is_live)
        labels = self._sidecar.matching(filters)
        return labels[self._is_live[labels]]

    def nearest(
        self, query: Vectors, count: int, candidates: Labels | None, *, breadth: int
    ) -> Ranked:
        """The rows of `matching` nearest to a unit vector, with their cosines."""
        rows = len(self._is_live)
        allowed = rows if candidates is None else len(candidates)
        if self._graph is None or allowed == 0:
            return []
        if allowed <= max(self._tuning.exact_rows, self._tuning.exact_share * rows):
            return self._graph.exact(query, count, candidates)
        return self._graph.approximate(
            query,
            count,
            np.arange(rows) if candidates is None else candidates,
            breadth=breadth,
            filtered=allowed < self.live_rows,
        )

    def similarities(self, labels: list[int], query: Vectors) -> list[float]:
        """Cosines of some rows with a unit vector."""
        if self._graph is None:
            return []
        found = self._graph.similarities(np.asarray(labels, dtype=np.int64), query)
        return [float(score) for score in found]

    def look_up(self, terms: Sequence[str]) -> LookedUp:
        """Where words occur, and what the live rows add to the statistics of the index."""
        is_live, lengths = self._is_live, self._sidecar.lengths
        postings = self._sidecar.postings(terms)
        statistics = TermStatistics(
            rows=int(is_live.sum()),
            words=int(lengths[is_live].sum()),
            rows_with={term: int(is_live[found.labels].sum()) for term, found in postings.items()},
        )
        return LookedUp(postings, statistics)

    def best_matches(
        self, looked_up: LookedUp, ranking: Bm25, count: int, candidates: Labels | None
    ) -> Ranked:
        """The rows of `matching` that hold a word, best BM25 score first."""
        scores: npt.NDArray[np.float64] = np.zeros(len(self._is_live))
        norms = ranking.norms(self._sidecar.lengths)
        for term, found in sorted(looked_up.postings.items()):  # sums of floats depend on order
            scores[found.labels] += ranking.gains(term, found, norms)
        if candidates is None:
            labels = np.flatnonzero(scores)
        else:
            labels = candidates[scores[candidates] > 0.0]
        return best_rows(labels, rounded_scores(scores[labels]), count)

    def documents(self, labels: list[int]) -> dict[int, StoredChunk]:
        """Text and metadata of some rows."""
        return self._sidecar.documents(labels)

    def close(self) -> None:
        """Close the sidecar; the mapped graph goes with the object."""
        self._sidecar.close()
