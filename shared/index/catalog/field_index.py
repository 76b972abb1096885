"""Which rows have which value: an inverted index of the fields that a search is narrowed by.

The distinct values of a field lie sorted, and the rows of all values lie one after another in
their order. So the rows of a value, and of a range of values, are one slice.
"""

import json
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError
from shared.index.catalog.filters import (
    FieldFilter,
    Number,
    SearchFilters,
    parse_moment,
    parse_number,
    to_microseconds,
)
from shared.index.catalog.packed_strings import PackedStrings
from shared.models.chunk import ChunkMetadata
from shared.models.entity import Scalar

RowMask = npt.NDArray[np.bool_]

_ENTITY_TYPE, _SOURCE_ID, _MODIFIED = "entity_type", "source_id", "modified"
_Kind = Literal["numbers", "texts", "truths"]
_Span = tuple[int, int]
_NOTHING: _Span = (0, 0)
# A field of the metadata may be named like one that every row has: they live apart.
_Directory = Mapping[str, Mapping[str, Mapping[str, _Span]]]
_BUILT_IN, _METADATA = "built_in", "metadata"


class FieldIndexBuilder:
    """Collects the values of rows, in the order of the rows."""

    def __init__(self) -> None:
        self._rows: dict[tuple[_Kind, str, str], dict[Any, array[int]]] = {}

    def add(self, row: int, metadata: ChunkMetadata) -> None:
        """Note every value of one row."""
        self._note(row, _BUILT_IN, _ENTITY_TYPE, metadata.entity_type)
        self._note(row, _BUILT_IN, _SOURCE_ID, metadata.source_id)
        moment = parse_moment(metadata.modified)
        self._note(row, _BUILT_IN, _MODIFIED, to_microseconds(moment) if moment else None)
        for name, value in metadata.fields.items():
            for one in value if isinstance(value, list) else [value]:
                self._note(row, _METADATA, name, one)

    def _note(self, row: int, group: str, name: str, value: Scalar) -> None:
        kind = _kind(value)
        if kind is None:
            return
        rows_by_value = self._rows.setdefault((kind, group, name), {})
        rows_by_value.setdefault(value, array("I")).append(row)

    def build(self) -> "FieldIndex":
        """Sort what was collected; numbers come first, so that their table is short."""
        directory: dict[str, dict[str, dict[str, _Span]]] = {_BUILT_IN: {}, _METADATA: {}}
        terms: list[str] = []
        numbers: list[float] = []
        counts: list[int] = []
        postings: list[array[int]] = []
        for kind, group, name in sorted(self._rows):
            values = self._rows[kind, group, name]
            ordered = sorted(values)
            span = (len(terms), len(terms) + len(ordered))
            directory[group].setdefault(name, {})[kind] = span
            terms.extend(_text(value) for value in ordered)
            if kind == "numbers":
                numbers.extend(_approximately(value) for value in ordered)
            counts.extend(len(values[value]) for value in ordered)
            postings.extend(values[value] for value in ordered)
        offsets = np.zeros(len(counts) + 1, dtype="<u8")
        np.cumsum(counts, out=offsets[1:], dtype="<u8")
        rows = np.frombuffer(b"".join(part.tobytes() for part in postings), "<u4")
        packed = PackedStrings.of(terms)
        return FieldIndex(directory, packed, np.array(numbers, "<f8"), offsets, rows)


@dataclass(frozen=True, slots=True)
class FieldIndex:
    """Finds the rows that pass filters."""

    directory: _Directory
    terms: PackedStrings
    numbers: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.uint32]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the metadata fields of which some row has a value, sorted."""
        return tuple(sorted(self.directory[_METADATA]))

    def check(self, rows: int) -> None:
        """Raise ValueError unless everything points to something that is there."""
        if self.directory.keys() != {_BUILT_IN, _METADATA}:
            raise ValueError("the field values are not those of a catalog")
        self.terms.check()
        if len(self.offsets) != len(self.terms) + 1 or int(self.offsets[-1]) != len(self.rows):
            raise ValueError("the rows of the field values do not fit")
        if np.any(self.offsets[1:] < self.offsets[:-1]):
            raise ValueError("the rows of the field values overlap")
        if len(self.rows) and int(self.rows.max()) >= rows:
            raise ValueError("a field value is in a row that is not there")
        for group in (_BUILT_IN, _METADATA):
            for kinds in self.directory[group].values():
                for kind, (low, high) in kinds.items():
                    limit = len(self.numbers) if kind == "numbers" else len(self.terms)
                    if not 0 <= low <= high <= limit:
                        raise ValueError("a field has values that are not there")

    def matching(self, filters: SearchFilters, rows: int) -> RowMask:
        """Which of the `rows` rows pass the filters."""
        passing: RowMask | None = None
        for spans in self._conditions(filters):
            mask = np.zeros(rows, dtype=np.bool_)
            for low, high in spans:
                mask[self.rows[int(self.offsets[low]) : int(self.offsets[high])]] = True
            passing = mask if passing is None else passing & mask
        return np.ones(rows, dtype=np.bool_) if passing is None else passing

    def _conditions(self, filters: SearchFilters) -> Iterable[list[_Span]]:
        """For each condition, the spans of values that fulfil it."""
        for name, wanted in (
            (_ENTITY_TYPE, filters.entity_types),
            (_SOURCE_ID, filters.source_ids),
        ):
            if wanted:
                texts = self._span(_BUILT_IN, name, "texts")
                yield [self._texts(texts, value, value) for value in wanted]
        if filters.since is not None or filters.before is not None:
            since = to_microseconds(filters.since) if filters.since else None
            last = to_microseconds(filters.before) - 1 if filters.before else None
            yield [self._numbers(self._span(_BUILT_IN, _MODIFIED, "numbers"), since, last)]
        for condition in filters.fields:
            if condition.one_of:
                yield [span for text in condition.one_of for span in self._equal(condition, text)]
            if condition.minimum is not None or condition.maximum is not None:
                yield [self._between(condition)]

    def _equal(self, condition: FieldFilter, text: str) -> Iterable[_Span]:
        yield self._texts(self._span(_METADATA, condition.field, "texts"), text, text)
        if text in ("true", "false"):
            yield self._texts(self._span(_METADATA, condition.field, "truths"), text, text)
        number = parse_number(text)
        if number is not None:
            yield self._numbers(self._span(_METADATA, condition.field, "numbers"), number, number)

    def _between(self, condition: FieldFilter) -> _Span:
        bounds = (condition.minimum, condition.maximum)
        numbers = [None if bound is None else parse_number(bound) for bound in bounds]
        given = [number for bound, number in zip(bounds, numbers, strict=True) if bound is not None]
        if all(number is not None for number in given):
            return self._numbers(self._span(_METADATA, condition.field, "numbers"), *numbers)
        if any(number is not None for number in given):
            return _NOTHING  # no value is a number and a text
        return self._texts(self._span(_METADATA, condition.field, "texts"), *bounds)

    def _span(self, group: str, name: str, kind: _Kind) -> _Span:
        return self.directory[group].get(name, {}).get(kind, _NOTHING)

    def _texts(self, span: _Span, minimum: str | None, maximum: str | None) -> _Span:
        low, high = span
        start = low if minimum is None else self.terms.position(minimum, low, high, "left")
        end = high if maximum is None else self.terms.position(maximum, low, high, "right")
        return start, max(start, end)

    def _numbers(self, span: _Span, minimum: Number | None, maximum: Number | None) -> _Span:
        low, high = span
        start = low if minimum is None else self._number_position(span, minimum, "left")
        end = high if maximum is None else self._number_position(span, maximum, "right")
        return start, max(start, end)

    def _number_position(self, span: _Span, value: Number, side: Literal["left", "right"]) -> int:
        """Where a number belongs in a span: found by its double, then exactly among equal ones."""
        low, high = span
        near = _approximately(value)
        table = self.numbers[low:high]
        first = low + int(np.searchsorted(table, near, "left"))
        last = low + int(np.searchsorted(table, near, "right"))
        search = bisect_left if side == "left" else bisect_right
        return first + search(range(first, last), value, key=self._exact_number)

    def _exact_number(self, term: int) -> Number:
        text = self.terms[term]
        number = parse_number(text)
        if number is None:
            raise CorruptObjectError(f"field value {term} of a catalog is no number: {text[:40]!r}")
        return number


def _kind(value: Scalar) -> _Kind | None:
    if isinstance(value, bool):
        return "truths"
    if isinstance(value, str):
        return "texts"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return "numbers"


def _text(value: str | Number) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _approximately(value: Number) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
