"""One shard on this machine: its live rows, and searching them by vector or by word."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError
from shared.index.best_rows import NOTHING_RANKED, Ranked
from shared.index.catalog.catalog import Catalog
from shared.index.catalog.filters import SearchFilters
from shared.index.graph.hnsw_file import GraphFile, Labels, MarkedGraph, RowMask, Vectors
from shared.index.shard.found_words import LiveUnits, ShardWords, WordCache, live_units
from shared.index.shard.lexical import Bm25
from shared.index.shard.sidecar import Sidecar, StoredChunk
from shared.index.shard.spelling import suggest
from shared.index.shard.suggestions import NOTHING_SUGGESTED, Suggestions, Unknown
from shared.index.shard.units import UnitNumbers, Units
from shared.index.shard.vocabulary import Vocabulary
from shared.index.shard.word_search import (
    Floor,
    LookedUp,
    ScoredUnits,
    best_units,
    look_up,
    nothing_found,
    row_scores,
)
from shared.models.manifest import ShardDescriptor

# The last of what a graph finds is the least certain: enough must pass before it.
_CERTAIN_SHARE = 0.5
# With a filter, the hits have lower ranks among the rows that the graph finds.
_WIDER_UNDER_FILTER = 1.5
# So few rows tell whether a filter that should let some of them pass shuts out all that is near.
_PROBED = 50
_EXPECTED_OF_PROBED = 4.0
_DEVIATIONS = 3.0
# Where the rows that were found are of too few entities, so many times more are asked for, up to
# what a graph finds sensibly; beyond it every row is compared.
_ROWS_GROW = 4
_MOST_BY_GRAPH = 2000
_ROWS_COMPARED = 32
_LEAST_BOUND = 1e-9


@dataclass(frozen=True, slots=True)
class SearchTuning:
    """When the graph is used and how widely it is searched.

    Up to `exact_rows` candidates, or `exact_share` of a shard, every candidate is compared: that
    is perfect, and faster than the graph. `breadth` is hnswlib's ef with up to three shards;
    `breadth_of_many` serves from four on, as several shards searched together recall more.

    The graph knows no filter: it is asked for more rows, so many that enough can be expected to
    pass, if that is not wider than `widest` times the breadth. Where it would be, or too few pass,
    the candidates are compared by their sketches. `dead_share` of a shard's rows may have died
    since its graph was loaded before the graph is loaded again.
    """

    exact_rows: int = 2000
    exact_share: float = 0.0
    breadth: int = 200
    breadth_of_many: int = 100
    widest: float = 2.5
    dead_share: float = 0.1


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A passage of a unit: its row, and its cosine where the query has a vector."""

    label: int
    similarity: float | None


class OpenFiles:
    """The open files of an immutable shard; all views of it share them."""

    def __init__(
        self,
        descriptor: ShardDescriptor,
        catalog: Catalog,
        graph: Callable[[], Path] | None,
        sidecar: Callable[[], Path] | None,
    ) -> None:
        """Open the files that the functions find; a shard without rows has neither.

        Raises:
            CorruptObjectError: a file is not what the descriptor says; names its key.
        """
        self.descriptor = descriptor
        self.catalog = catalog
        self.graph: GraphFile | None = None
        self.sidecar: Sidecar | None = None
        model = descriptor.model
        check_catalog(catalog, descriptor)
        if graph is not None and descriptor.graph is not None:
            key = descriptor.graph.key
            self.graph = GraphFile(graph, rows=descriptor.vectors, dims=model.dims, name=key)
        if sidecar is not None and descriptor.sidecar is not None:
            self.sidecar = Sidecar(
                sidecar,
                model=model,
                rows=descriptor.vectors,
                name=descriptor.sidecar.key,
                has_titles=catalog.has_titles,
            )
        self._units: dict[bool, Units] = {}
        self._words: dict[bool, ShardWords] = {}
        self._word_cache = WordCache(descriptor.vectors)
        self._vocabulary: Vocabulary | None = None

    def vocabulary(self) -> Vocabulary:
        """The words of the shard, read at the first that it does not know."""
        if self._vocabulary is None:
            lists = [] if self.sidecar is None else self.sidecar.word_lists()
            self._vocabulary = Vocabulary(lists)
        return self._vocabulary

    def units(self, *, by_entity: bool) -> Units:
        """What is ranked: the entities of the shard, or its rows by themselves."""
        if by_entity not in self._units:
            make = Units.entities if by_entity else Units.rows
            self._units[by_entity] = make(self.catalog)
        return self._units[by_entity]

    def words(self, *, by_entity: bool) -> ShardWords | None:
        """The words of what is ranked; None without rows."""
        if by_entity not in self._words and self.sidecar is not None:
            self._words[by_entity] = ShardWords(
                self.sidecar,
                self.units(by_entity=by_entity),
                self._word_cache,
                by_entity=by_entity,
            )
        return self._words.get(by_entity)


def check_catalog(catalog: Catalog, descriptor: ShardDescriptor) -> None:
    """Raise CorruptObjectError unless the catalog is that of the shard, and goes with its files."""
    has_rows = descriptor.vectors > 0
    if (descriptor.graph is not None, descriptor.sidecar is not None) != (has_rows, has_rows):
        raise CorruptObjectError(
            f"{descriptor.catalog.key} stands in a manifest with other files than a shard of "
            f"{descriptor.vectors} rows has; build the shard again"
        )
    found = (catalog.model, catalog.rows, catalog.entities)
    if found != (descriptor.model, descriptor.vectors, descriptor.entities):
        raise CorruptObjectError(
            f"{descriptor.catalog.key} is the catalog of another shard than its manifest says; "
            "build the shard again"
        )


class Shard:
    """A shard under one manifest: its files, and which of its rows are live. It never changes."""

    def __init__(self, files: OpenFiles, is_live: RowMask | None, tuning: SearchTuning) -> None:
        """See a shard; `is_live` says which rows may be found, None: all."""
        self._files = files
        self._catalog = files.catalog
        self._is_live = None if is_live is None or is_live.all() else is_live
        self._tuning = tuning
        rows = files.catalog.rows
        self._live_rows = rows if self._is_live is None else int(self._is_live.sum())
        self._marked = self._new_graph()
        self._live: dict[bool, LiveUnits] = {}

    @property
    def descriptor(self) -> ShardDescriptor:
        """What the manifest says of it."""
        return self._files.descriptor

    @property
    def files(self) -> OpenFiles:
        """What it shares with every other view of the shard."""
        return self._files

    @property
    def live_rows(self) -> int:
        """How many rows may be found."""
        return self._live_rows

    def has_live(self, is_live: RowMask | None) -> bool:
        """Whether just these rows are live here."""
        if is_live is None or self._is_live is None:
            return (is_live is None or bool(is_live.all())) and self._is_live is None
        return np.array_equal(is_live, self._is_live)

    def under(self, is_live: RowMask | None) -> "Shard":
        """The same shard where other rows are live, with the same loaded graph if that will do.

        A graph will do while every row that it never returns is dead, and few others are.
        """
        following = Shard(self._files, is_live, self._tuning)
        marked, newly = self._marked, following._marked
        if marked is None or newly is None or not marked.is_loaded:
            return following
        newly_dead = marked.live_rows - following.live_rows
        is_subset = marked.marked is None or (
            newly.marked is not None and not np.any(marked.marked & ~newly.marked)
        )
        if is_subset and newly_dead <= self._tuning.dead_share * self._catalog.rows:
            following._marked = marked
        return following

    def release(self) -> None:
        """Give the memory of the loaded graph back; the next search loads it again."""
        self._marked = self._new_graph()

    def chunk_id(self, label: int) -> str:
        """The chunk of a row; rows lie in the order of their chunk ids."""
        return self._catalog.chunk_id(label)

    def matching(self, filters: SearchFilters) -> Labels | None:
        """Live rows that pass the filters, ascending; None when every row of the shard does."""
        if filters.is_empty:
            return None if self._is_live is None else self._live_labels
        passing = self._catalog.field_index.matching(filters, self._catalog.rows)
        if self._is_live is not None:
            passing &= self._is_live
        return np.flatnonzero(passing)

    def nearest(
        self,
        query: Vectors,
        count: int,
        candidates: Labels | None,
        *,
        breadth: int,
        exact: bool = False,
    ) -> Ranked:
        """The rows of `matching` nearest to a unit vector, with their cosines.

        `breadth` is hnswlib's ef; `exact` compares every candidate instead of asking the graph.
        """
        file, graph = self._files.graph, self._marked
        rows = self._catalog.rows
        allowed = rows if candidates is None else len(candidates)
        if file is None or graph is None or allowed == 0:
            return NOTHING_RANKED
        if exact or not self._asks_graph(allowed):
            return file.exact(query, count, candidates)
        found = self._by_graph(graph, query, count, candidates, breadth)
        if found is not None:
            return file.best(*found, query, count)
        return file.sketched(query, count, self._live_labels if candidates is None else candidates)

    def _by_graph(
        self,
        graph: MarkedGraph,
        query: Vectors,
        count: int,
        candidates: Labels | None,
        breadth: int,
    ) -> tuple[Labels, npt.NDArray[np.float32]] | None:
        """The nearest candidates, `count` at least; None when the graph leads to too few."""
        allowed = self._live_rows if candidates is None else len(candidates)
        wanted, breadth = min(count, allowed), max(breadth, count)
        if allowed == graph.live_rows:
            return graph.search(query, breadth)
        share = allowed / graph.live_rows
        if allowed == self._live_rows:  # no filter, but rows that died since the graph was loaded
            breadth = int(breadth / share) + 1
        else:
            needed = max(
                _breadth_for(wanted, share),
                int(_WIDER_UNDER_FILTER * breadth),
                self._tuning.breadth,  # what passes may lie in one of many shards
            )
            if needed > self._tuning.widest * breadth:
                return None
            breadth = needed
        passing = self._is_candidate(candidates)
        if share * _PROBED >= _EXPECTED_OF_PROBED:
            probed = graph.search(query, _PROBED)
            if probed is not None and not passing[probed[0]].any():
                return None
        found = graph.search(query, breadth)
        if found is None:
            return None
        labels, scores = found
        keep = passing[labels]
        enough = np.count_nonzero(keep[: int(_CERTAIN_SHARE * breadth)]) >= wanted
        return (labels[keep], scores[keep]) if enough else None

    def _is_candidate(self, candidates: Labels | None) -> RowMask:
        if candidates is None or (len(candidates) == self._live_rows and self._is_live is not None):
            return np.ones(self._catalog.rows, np.bool_) if self._is_live is None else self._is_live
        mask = np.zeros(self._catalog.rows, dtype=np.bool_)
        mask[candidates] = True
        return mask

    def similarities(self, labels: list[int], query: Vectors) -> list[float]:
        """Cosines of some rows with a unit vector."""
        if self._files.graph is None:
            return []
        found = self._files.graph.similarities(np.asarray(labels, dtype=np.int64), query)
        return [float(score) for score in found]

    def nearest_units(
        self,
        query: Vectors,
        count: int,
        candidates: Labels | None,
        *,
        by_entity: bool,
        least: int,
        breadth: int,
        exact: bool = False,
    ) -> Ranked:
        """The units whose nearest rows are nearest to a unit vector; see `nearest`.

        An entity may have many rows that are near: the graph is asked for more rows until they are
        of `least` units, and then every row is compared.
        """
        units, file = self._files.units(by_entity=by_entity), self._files.graph
        if units.of_rows is None or file is None:
            return self.nearest(query, count, candidates, breadth=breadth, exact=exact)
        allowed = self._catalog.rows if candidates is None else len(candidates)
        rows = max(count, breadth)
        while not exact and self._asks_graph(allowed) and rows <= _MOST_BY_GRAPH:
            found = self.nearest(query, rows, candidates, breadth=breadth)
            best = units.best_of_each(found)
            if len(best) >= least:
                return best.first(count)
            rows *= _ROWS_GROW
        if allowed == 0:
            return NOTHING_RANKED
        found = file.exact_by_unit(query, count, candidates, units.of_rows)
        return units.best_of_each(found).first(count)

    def _asks_graph(self, allowed: int) -> bool:
        """Whether comparing so many candidates would take longer than asking the graph."""
        tuning = self._tuning
        return allowed > max(tuning.exact_rows, tuning.exact_share * self._catalog.rows)

    def nearness(
        self, numbers: npt.NDArray[np.int64], query: Vectors, *, by_entity: bool
    ) -> npt.NDArray[np.float64]:
        """The greatest cosine of the rows of each of some units; of the longest, of 32 rows."""
        units = self._files.units(by_entity=by_entity)
        if len(numbers) == 0 or self._files.graph is None:
            return np.zeros(len(numbers))
        if units.of_rows is None:
            return self._files.graph.similarities(numbers, query)
        # Those that the search by vector did not find are far: to compare every row of many long
        # ones would take longer than the search.
        rows, starts = units.rows_of_each(numbers, _ROWS_COMPARED)
        scores = self._files.graph.similarities(rows, query)
        greatest: npt.NDArray[np.float64] = np.maximum.reduceat(scores, starts)
        return greatest

    def look_up(self, terms: Sequence[str], *, by_entity: bool) -> LookedUp:
        """Where distinct words occur, and what the live units add to the statistics."""
        words = self._files.words(by_entity=by_entity)
        if words is None:
            return nothing_found(self._files.units(by_entity=by_entity))
        return look_up(words, self._live_units(words.units, by_entity=by_entity), terms)

    def _live_units(self, units: Units, *, by_entity: bool) -> LiveUnits:
        if by_entity not in self._live:
            self._live[by_entity] = live_units(units, self._is_live)
        return self._live[by_entity]

    def suggest(self, unknown: Unknown) -> Suggestions:
        """What the shard knows that may stand for words that no shard knows."""
        sidecar = self._files.sidecar
        if sidecar is None:
            return NOTHING_SUGGESTED
        return suggest(sidecar, self._files.vocabulary, unknown, self._is_live)

    def best_matches(
        self,
        looked_up: LookedUp,
        ranking: Bm25,
        count: int,
        candidates: Labels | None,
        others: UnitNumbers,
        floor: Floor,
    ) -> ScoredUnits:
        """The units of the rows of `matching` that hold a word, best BM25 score first.

        Some `others` are scored with them. See `best_units`.
        """
        passing = None
        if candidates is not None:
            passing = looked_up.units.passing(self._is_candidate(candidates))
        return best_units(looked_up, ranking, count, passing, others, floor)

    def names(self, numbers: npt.NDArray[np.int64], *, by_entity: bool) -> list[str]:
        """The chunk ids of the first rows of some units."""
        units = self._files.units(by_entity=by_entity)
        return self._catalog.packed_chunk_ids.several(units.first_rows[numbers])

    def passages(
        self,
        numbers: Sequence[int],
        count: int,
        *,
        by_entity: bool,
        nearest: Sequence[float | None],
        query: Vectors | None,
        words: tuple[LookedUp, Bm25] | None,
    ) -> list[list[ScoredRow]]:
        """The best rows of some units, best first; `nearest` is the greatest cosine of each.

        Rows are ordered by the cosine with `query` plus the share that the BM25 score of the row
        has of the greatest possible one, or by what there is of both.
        """
        units = self._files.units(by_entity=by_entity)
        of_units = [units.rows_of(number) for number in numbers]
        several = [rows for rows in of_units if len(rows) > 1]
        if not several:
            return [
                [ScoredRow(int(rows[0]), cosine)]
                for rows, cosine in zip(of_units, nearest, strict=True)
            ]
        labels = np.sort(np.concatenate(several))
        cosines = None if query is None else np.array(self.similarities(labels.tolist(), query))
        totals = np.zeros(len(labels)) if cosines is None else cosines
        if words is not None:
            looked_up, ranking = words
            lengths = self._catalog.row_words[labels].astype(np.int64)
            scores = row_scores(looked_up, ranking, labels, lengths)
            totals = totals + scores / max(ranking.most(), _LEAST_BOUND)
        found: list[list[ScoredRow]] = []
        for rows, cosine in zip(of_units, nearest, strict=True):
            if len(rows) == 1:
                found.append([ScoredRow(int(rows[0]), cosine)])
                continue
            places = np.searchsorted(labels, rows)
            best = places[np.lexsort((rows, -totals[places]))[:count]].tolist()
            found.append(
                [
                    ScoredRow(int(labels[at]), None if cosines is None else float(cosines[at]))
                    for at in best
                ]
            )
        return found

    def documents(self, labels: list[int]) -> dict[int, StoredChunk]:
        """Text and metadata of some rows."""
        sidecar, catalog = self._files.sidecar, self._catalog
        if sidecar is None:
            return {}
        entities = catalog.row_entities
        return {
            label: StoredChunk(
                catalog.chunk_id(label),
                catalog.entity_key(int(entities[label])),
                document.text,
                document.metadata,
            )
            for label, document in sidecar.documents(labels).items()
        }

    @cached_property
    def _live_labels(self) -> Labels:
        if self._is_live is None:
            return np.arange(self._catalog.rows)
        return np.flatnonzero(self._is_live)

    def _new_graph(self) -> MarkedGraph | None:
        if self._files.graph is None:
            return None
        return MarkedGraph(self._files.graph, None if self._is_live is None else ~self._is_live)


def _breadth_for(count: int, share: float) -> int:
    """So many rows that `count` of them pass a filter that lets such a share pass, by all odds."""
    expected = count + _DEVIATIONS * math.sqrt(count)
    return math.ceil(expected / share / _CERTAIN_SHARE)
