"""Compile the sources below a folder, each beside itself; run by the Python that shall import them.

    python3.12 -I -S compile_sources.py FOLDER PREFIX

Bytecode is made unchecked (PEP 552): whoever imports it neither looks at its source nor at times.
It names its source as `PREFIX/…`, not as FOLDER. Stands on Python's own library alone.
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
