"""Tables and shortened lines as text; pure."""

from collections.abc import Collection, Iterator, Sequence

from shared.platform.printing import columns, printable

_SNIPPET_CHARACTERS = 160


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


def shortened(text: str, characters: int = _SNIPPET_CHARACTERS) -> str:
    """The text on one line, cut at a word when it is longer."""
    line = " ".join(text.split())
    if len(line) <= characters:
        return line
    return line[: characters - 1].rsplit(" ", 1)[0] + "…"
