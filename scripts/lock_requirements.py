"""Write `requirements/locked/`: each release that is installed, with the sha256 of all its files.

    .venv-locking/bin/python -m scripts.lock_requirements        # `make locked`
    ... --upgrade-package NAME                                   # any options of `uv pip compile`

Each `requirements/<name>.txt` becomes `requirements/locked/<name>.txt`. `constraints.txt` decides
the versions that it names; any other release stays what the file has, until an option of uv says
otherwise.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.bundling.locked import locked_file
from shared.platform.command_line import run_command

# The versions of these are independent of those of the functions, and partly older or newer.
UNCONSTRAINED = frozenset({"checkov", "documents"})
# scripts/bundling/layers.py says why `embedding` needs none; the environment has those of `built`.
WITHOUT_DEPENDENCIES = frozenset({"built", "embedding"})
# Not lists to be locked: versions only, and wheels whose sha256 is kept by hand.
NOT_LOCKED = frozenset({"constraints", "model", "torch-cpu"})


def names_to_lock(root: Path) -> list[str]:
    """The lists of requirements that have a file of locked releases."""
    return sorted({path.stem for path in (root / "requirements").glob("*.txt")} - NOT_LOCKED)


def uv_arguments(root: Path, name: str) -> list[str]:
    """What uv is asked for a list of requirements: one answer for all machines and Pythons."""
    folder = root / "requirements"
    arguments = [
        *("pip", "compile", "--quiet", "--universal", "--python-version=3.11"),
        *("--generate-hashes", "--no-annotate"),
        "--custom-compile-command=make locked",
        f"--output-file={locked_file(root, name)}",
        str(folder / f"{name}.txt"),
    ]
    if name not in UNCONSTRAINED:
        arguments.append(f"--constraints={folder / 'constraints.txt'}")
    if name == "built":
        arguments.append("--no-binary=:all:")
    else:
        arguments.append("--only-binary=:all:")
    if name == "torch":
        return [*arguments, "--no-config"]
    if name in WITHOUT_DEPENDENCIES:
        arguments.append("--no-deps")
    # torch is one of two builds, which scripts/environments.py chooses between.
    return [*arguments, "--no-emit-package=torch", f"--config-file={folder / 'uv.toml'}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Lock each list; returns the status of the first uv that fails, which says why."""
    parser = argparse.ArgumentParser(prog="python -m scripts.lock_requirements")
    _, options = parser.parse_known_args(arguments)  # all others are for uv
    root = Path(__file__).resolve().parent.parent
    uv = Path(sys.executable).with_name("uv")
    for name in names_to_lock(root):
        print(f"requirements/locked/{name}.txt", flush=True)
        status = subprocess.run([uv, *uv_arguments(root, name), *options], check=False).returncode
        if status != 0:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
