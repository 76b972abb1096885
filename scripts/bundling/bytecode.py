"""Bytecode beside the sources of a bundle, so that a function that starts compiles nothing.

Lambda's file system is read-only, so without bytecode every cold start compiles all that the
function imports. Python uses only the bytecode of its own minor version, and ignores any other.
"""

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.build_support import BuildError
from scripts.bundling.archives import read_tree

COMPILE_SOURCES = Path(__file__).with_name("compile_sources.py")
# Where Lambda unpacks a function and its layers: tracebacks name files by it until they are found.
FUNCTION_PREFIX, LAYER_PREFIX = "/var/task", "/opt"
_ASK_VERSION = "import platform; print(platform.python_implementation(), platform.python_version())"


@dataclass(frozen=True, slots=True)
class BytecodeCompiler:
    """A CPython that compiles for its own minor version; `version` is as in `3.12.1`."""

    executable: str
    version: str


def find_compiler(python: tuple[int, int]) -> BytecodeCompiler | None:
    """The CPython that compiles for a version: this one, else one on the PATH; None without."""
    if python == sys.version_info[:2]:
        return BytecodeCompiler(sys.executable, platform.python_version())
    version = f"{python[0]}.{python[1]}"
    executable = shutil.which(f"python{version}")
    if executable is None:
        return None
    # pyenv puts a script of this name on the PATH for versions that it does not run.
    asked = subprocess.run(
        [executable, "-I", "-S", "-c", _ASK_VERSION], capture_output=True, text=True, check=False
    )
    implementation, _, found = asked.stdout.strip().partition(" ")
    if implementation != "CPython" or not found.startswith(f"{version}."):
        return None
    return BytecodeCompiler(executable, found)


def bytecode_of(
    files: Mapping[str, bytes], prefix: str, compiler: BytecodeCompiler | None
) -> dict[str, bytes]:
    """The bytecode of the sources among the files of a zip, by name; nothing without a compiler.

    Args:
        files: by their name in the zip.
        prefix: where the zip is unpacked; bytecode names its source by it.
        compiler: of the Python that imports the files.

    Raises:
        BuildError: the compiler ends with an error.
    """
    if compiler is None:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sources = [name for name in files if name.endswith(".py")]
        for name in sources:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name])
        # A new process that reads no environment variable, so that equal sources make equal bytes.
        command = [compiler.executable, "-I", "-S", str(COMPILE_SOURCES), str(folder), prefix]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
            raise BuildError(f"{compiler.executable} could not compile for {prefix}: {words}")
        made = read_tree(folder, "")
    return {name: data for name, data in made.items() if name not in files}
