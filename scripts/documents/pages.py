"""What the scripts of generated pages share: their one option, and tables."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scripts.build_support import repository_root, write_whole


def write_page(place: Path, text: Callable[[], str]) -> int:
    """Write a page with `--write`, else print it; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help=f"write {place} instead of printing")
    if parser.parse_args().write:
        write_whole(repository_root() / place, text().encode())
    else:
        sys.stdout.write(text())
    return 0


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; a `|` in a cell stays a character."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines]
