"""Rows of a CSV text as JSON lines: objects of texts, named by the first row."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator

from shared.errors import SourceError
from shared.sources.objects.reading import MAXIMUM_OBJECT_BYTES

# The module's own bound, 128 KiB, is less than a text may have; it has none but this global one.
csv.field_size_limit(MAXIMUM_OBJECT_BYTES)

_LONGEST_SHOWN_ROW = 1000


def csv_lines(text: str, delimiter: str) -> Iterator[str]:
    """Yield a JSON object for each row behind the first; empty rows are none.

    A row with too many or too few cells becomes a JSON text that says so: derive rejects it.

    Raises:
        SourceError: a column has no name or that of another, or the quotes are wrong; says where.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = _column_names(next((row for row in rows if row), []))
        for row in rows:
            if row:
                yield _line(names, row, rows.line_num)
    except csv.Error as error:
        raise SourceError(f"line {rows.line_num} is no CSV: {error}") from None


def _column_names(header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if "" in names:
        raise SourceError(f"column {names.index('') + 1} has no name in the first row; give it one")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise SourceError(f"several columns are named {repeated[0][:100]!r}; rename all but one")
    return names


def _line(names: list[str], row: list[str], line_number: int) -> str:
    if len(row) == len(names):
        return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
    shown = json.dumps(row, ensure_ascii=False)[:_LONGEST_SHOWN_ROW]
    return json.dumps(
        f"the row that ends in line {line_number} has {len(row)} cells, and the first row names "
        f"{len(names)} columns: {shown}",
        ensure_ascii=False,
    )
