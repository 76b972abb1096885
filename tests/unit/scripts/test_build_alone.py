"""`make demo` and `make test` at once want the same files built: one builds, the other waits."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.build_support import building

ROOT = Path(__file__).resolve().parents[3]
BUNDLES = "from scripts.build_bundles import build_bundles; build_bundles('local', root)"
MODEL = (
    "from scripts.build_model import FolderModel, ensure_model;"
    "ensure_model(root, FolderModel('x', root))"
)


@pytest.mark.parametrize("build", [BUNDLES, MODEL], ids=["bundles", "model"])
def test_a_build_waits_for_another(build: str, tmp_path: Path) -> None:
    """Neither can build anything from here: both fail as soon as it is their turn."""
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).touch()
    script = "import pathlib, sys; root = pathlib.Path(sys.argv[1]);" + build
    with building(tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said == "Another build works in this folder; waiting for it.\n"
        assert process.poll() is None
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "BuildError" in errors
