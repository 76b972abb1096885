"""Measured figures in a file, so that one benchmark can compute with what another measured."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.embedding_cache import LOCAL_FOLDER
from shared.errors import CorruptObjectError

FIGURES_PATH = LOCAL_FOLDER / "figures.json"


def record_figures(measured: Mapping[str, float], path: Path = FIGURES_PATH) -> None:
    """Add figures to the file; one of the same name is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = read_figures(path) | dict(measured)
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(path)


def read_figures(path: Path = FIGURES_PATH) -> dict[str, float]:
    """Return all figures; none when nothing was measured yet.

    Raises:
        CorruptObjectError: the file is no JSON object of numbers; names it.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptObjectError(
            f"{path} is no JSON: {error}; delete it and measure again"
        ) from error
    if not isinstance(found, dict) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in found.values()
    ):
        raise CorruptObjectError(f"{path} is no object of numbers; delete it and measure again")
    return {str(name): float(value) for name, value in found.items()}
