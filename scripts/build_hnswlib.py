"""Build a wheel of hnswlib for this machine, or cross-compile it for Lambda on arm64.

    python -m scripts.build_hnswlib --install          # into the environment that runs this
    python -m scripts.build_hnswlib --target aws

Needs no C++ compiler: without one it fetches ziglang. Prints the wheel's path.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.build_support import BuildError, repository_root, run_pip
from scripts.bundling.native.hnswlib_wheel import build_hnswlib
from scripts.bundling.native.native_target import native_target
from shared.platform.command_line import complain, run_command


def install(wheel: Path) -> None:
    """Install a wheel into this environment and import it there.

    Raises:
        BuildError: pip refuses it, or it cannot be imported.
    """
    run_pip(["install", "--quiet", "--no-deps", str(wheel)], f"install {wheel.name}")
    tried = subprocess.run(
        [sys.executable, "-c", "import hnswlib"], capture_output=True, text=True, check=False
    )
    # numpy may come later: hnswlib imports it only when an index is used.
    if tried.returncode != 0:
        reason = tried.stderr.strip().rpartition("\n")[2]
        raise BuildError(f"hnswlib was installed from {wheel} and cannot be imported: {reason}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, install if asked; 1 and one sentence on standard error when it fails."""
    parser = argparse.ArgumentParser(prog="build_hnswlib", description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=("local", "aws"), default="local")
    parser.add_argument("--install", action="store_true", help="into this environment")
    parser.add_argument("--python-headers", type=Path, metavar="DIR", help="of the target's Python")
    options = parser.parse_args(arguments)
    if options.install and options.target != "local":
        parser.error("--install goes with --target local")
    started = time.monotonic()
    try:
        wheel = build_hnswlib(
            repository_root(), native_target(options.target), options.python_headers
        )
        if options.install:
            install(wheel)
    except (BuildError, OSError) as error:
        complain(error, "build_hnswlib")
        return 1
    print(f"{wheel} ({wheel.stat().st_size / 1e6:.2f} MB, {time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
