"""What a shard ranks: its rows by themselves, or the entities that the rows belong to."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from shared.index.best_rows import Ranked
from shared.index.catalog.catalog import Catalog
from shared.index.graph.hnsw_file import Labels, RowMask

UnitNumbers = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """The units of a shard, numbered in the order of their first rows.

    `of_rows` says which unit each row belongs to; None: each row is a unit. `of_entities` is for
    rows by themselves, which share the titles of their entities: which entity each belongs to.
    `words` and `title_words` are how many words the texts and the title of each unit have.
    """

    of_rows: UnitNumbers | None
    first_rows: UnitNumbers
    words: Counts
    title_words: Counts
    of_entities: UnitNumbers | None = None

    @classmethod
    def rows(cls, catalog: Catalog) -> "Units":
        """Each row by itself, with the title of its entity."""
        entities = cls.entities(catalog)
        title_words = entities.title_words
        if entities.of_rows is not None:
            title_words = title_words[entities.of_rows]
        words = catalog.row_words.astype(np.int64)
        return cls(None, np.arange(catalog.rows), words, title_words, entities.of_rows)

    @classmethod
    def entities(cls, catalog: Catalog) -> "Units":
        """The entities that have rows."""
        _, first_rows, numbers = np.unique(
            catalog.row_entities, return_index=True, return_inverse=True
        )
        order = np.argsort(first_rows)
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        of_rows = rank[numbers]
        if len(first_rows) == catalog.rows:
            return cls(
                None,
                np.arange(catalog.rows),
                catalog.row_words.astype(np.int64),
                catalog.row_title_words.astype(np.int64),
            )
        return cls(
            of_rows,
            first_rows[order],
            _sums(of_rows, catalog.row_words, len(order)),
            _sums(of_rows, catalog.row_title_words, len(order)),
        )

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.first_rows)

    def passing(self, rows: RowMask) -> npt.NDArray[np.bool_]:
        """Which units pass, where these rows do; all rows of an entity pass, or none."""
        return rows[self.first_rows]

    def best_of_each(self, rows: Ranked) -> Ranked:
        """A ranking of rows as one of units, each with the score of its best row."""
        if self.of_rows is None or len(rows) == 0:
            return rows
        units, firsts = np.unique(self.of_rows[rows.rows], return_index=True)
        order = np.argsort(firsts)
        return Ranked(units[order], rows.scores[firsts[order]])

    def summed(
        self, rows: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]
    ) -> tuple[UnitNumbers, Counts]:
        """Counts of ascending rows as counts of ascending units."""
        exact: Counts = counts.astype(np.int64)
        if self.of_rows is None or len(rows) == 0:
            return rows.astype(np.int64), exact
        numbers = self.of_rows[rows]
        if not self._is_in_order:
            order = np.argsort(numbers, kind="stable")
            numbers, exact = numbers[order], exact[order]
        starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
        return numbers[starts], np.add.reduceat(exact, starts)

    def titled(
        self, rows: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]
    ) -> tuple[UnitNumbers, Counts]:
        """Counts of titles, which stand at the first rows of entities, as counts of units."""
        if self.of_entities is None:
            return self.summed(rows, counts)
        entities = self.of_entities[rows]
        of_entity = np.zeros(int(self.of_entities.max()) + 1, dtype=np.int64)
        of_entity[entities] = counts
        of_rows = of_entity[self.of_entities]
        held = np.flatnonzero(of_rows)
        return held, of_rows[held]

    def rows_of(self, unit: int) -> Labels:
        """The rows of a unit, ascending."""
        if self.of_rows is None:
            return np.array([unit])
        order, starts = self._rows_by_unit
        return order[starts[unit] : starts[unit + 1]]

    def rows_of_each(self, units: UnitNumbers, most: int) -> tuple[Labels, UnitNumbers]:
        """The rows of some units, one after the other, and where those of each begin.

        Of a unit with more rows than `most` they are so many, evenly spaced.
        """
        order, starts = self._rows_by_unit
        counts = starts[units + 1] - starts[units]
        if counts.max(initial=0) > most:
            several = [_evenly(self.rows_of(unit), most) for unit in units.tolist()]
            ends = np.cumsum([len(rows) for rows in several])
            return np.concatenate(several), np.concatenate(([0], ends[:-1]))
        begins = np.cumsum(counts) - counts
        shifts = np.repeat(starts[units] - begins, counts)
        return order[np.arange(len(shifts)) + shifts], begins

    @cached_property
    def _is_in_order(self) -> bool:
        """Whether the rows of each unit follow each other, as all but odd keys make them do."""
        numbers = self.of_rows
        return numbers is None or bool(np.all(numbers[1:] >= numbers[:-1]))

    @cached_property
    def _rows_by_unit(self) -> tuple[Labels, UnitNumbers]:
        numbers = np.arange(self.count) if self.of_rows is None else self.of_rows
        order = np.argsort(numbers, kind="stable")
        return order, np.searchsorted(numbers[order], np.arange(self.count + 1))


def _sums(of_rows: UnitNumbers, counts: npt.NDArray[np.uint32], units: int) -> Counts:
    return np.bincount(of_rows, weights=counts, minlength=units).astype(np.int64)


def _evenly(rows: Labels, most: int) -> Labels:
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
