"""Tables as text; pure."""

from collections.abc import Collection, Iterator, Sequence

from shared.printing import columns, printable


def table_lines(rows: Sequence[Sequence[str]], left: Collection[int]) -> Iterator[str]:
    """Yield rows whose columns stand under each other; those of `left` begin at the left."""
    # Before they are measured: what is escaped later would be wider than its column.
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        cells = (
            _padded(cell, width, is_left=number in left)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _padded(cell: str, width: int, *, is_left: bool) -> str:
    padding = " " * (width - columns(cell))
    return cell + padding if is_left else padding + cell
