"""The bundles of a target unpacked, as Lambda unpacks them for a function."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class UnpackedBundles:
    """`listing` is the content of `bundles.json`; `folder` holds `functions/` and `layers/`."""

    listing: dict[str, Any]
    folder: Path

    def import_paths(self, function: str) -> list[str]:
        """What Lambda puts on the path of a function: its own zip, then its layers."""
        layers = self.listing["functions"][function]["layers"]
        own = self.folder / "functions" / function
        return [str(own), *(str(self.folder / "layers" / name / "python") for name in layers)]


def unpack(bundles: Path, folder: Path) -> UnpackedBundles:
    """Unpack the functions and layers of a `bundles.json`, each into its own folder."""
    listing = json.loads(bundles.read_text(encoding="utf-8"))
    for part in ("functions", "layers"):
        for name, entry in listing[part].items():
            with zipfile.ZipFile(bundles.parent / entry["file"]) as archive:
                archive.extractall(folder / part / name)
    return UnpackedBundles(listing, folder)
