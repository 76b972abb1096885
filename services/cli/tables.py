"""Tables as text; pure."""

from collections.abc import Collection, Iterator, Sequence


def table_lines(rows: Sequence[Sequence[str]], left: Collection[int]) -> Iterator[str]:
    """Yield rows whose columns stand under each other; those of `left` begin at the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
