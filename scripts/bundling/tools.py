"""Tools that a build fetches for itself with pip, into `.local/tools`, in pinned versions."""

import shutil
from pathlib import Path

from scripts.build_support import run_pip

PYBIND11_VERSION = "3.1.0"
ZIGLANG_VERSION = "0.15.2"


def ensure_tool(root: Path, project: str, version: str) -> Path:
    """Return the folder a package is unpacked in; fetch it the first time.

    Raises:
        BuildError: pip cannot get it.
    """
    target = root / ".local" / "tools" / f"{project}-{version}"
    if not target.is_dir():
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        run_pip(
            ["install", "--quiet", "--no-deps", f"--target={partial}", f"{project}=={version}"],
            f"fetch the build tool {project} {version}",
        )
        partial.rename(target)
    return target
