"""Compile the sources below a folder, with the Python that will import them.

    python3.12 -I -S compile_sources.py FOLDER PREFIX

The bytecode lies in `__pycache__` beside each source. It is unchecked (PEP 552): an import compares
it neither with the source nor with a time. It names its source as `PREFIX/…`, not as FOLDER. This
file needs only Python's standard library.
"""

import py_compile
import sys
import warnings
from pathlib import Path


def compile_below(folder: Path, prefix: str) -> None:
    """Compile what this Python can; a package may hold files for another one."""
    warnings.simplefilter("ignore")
    for source in sorted(folder.rglob("*.py")):
        try:
            py_compile.compile(
                str(source),
                dfile=f"{prefix}/{source.relative_to(folder).as_posix()}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:
            continue


if __name__ == "__main__":
    compile_below(Path(sys.argv[1]), sys.argv[2])
