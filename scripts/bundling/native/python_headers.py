"""Finding the C headers of a Python version; an extension is built against them."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from scripts.build_support import BuildError


def find_headers(version: tuple[int, int]) -> Path:
    """Return an include folder with `Python.h` of a version, such as (3, 12).

    Headers are the same for every 64-bit Linux, so those of this machine serve another one.

    Raises:
        BuildError: there is none; the message says what to install.
    """
    for folder in _candidates(version):
        if _is_header_folder(folder, version):
            return folder
    name = f"{version[0]}.{version[1]}"
    raise BuildError(
        f"there are no C headers of Python {name} on this machine; install them "
        f"(apt install python{name}-dev, dnf install python{name}-devel, pyenv install {name}, "
        f"uv python install {name}) or name their folder with --python-headers"
    )


def require_headers(folder: Path, version: tuple[int, int]) -> Path:
    """Check a folder that the caller named.

    Raises:
        BuildError: it holds no headers of that version.
    """
    if not _is_header_folder(folder, version):
        raise BuildError(f"{folder} holds no C headers of Python {version[0]}.{version[1]}")
    return folder


def foreign_include_folders(headers: Path, triplet: str, scratch: Path) -> list[Path]:
    """The include folders for a build for another machine.

    Debian's `pyconfig.h` includes one of the machine it compiles for, `<triplet>/pythonX.Y/`. That
    machine's own is taken where it is there (unpacked from its package, maybe). Else the one of
    this machine: they differ in nothing that an extension uses on 64-bit Linux. It is copied into
    `scratch`, as no compiler looks beside the folder that it is given.
    """
    inner = f"{triplet}/{headers.name}/pyconfig.h"
    wrapper = (headers / "pyconfig.h").read_text(errors="replace")
    if inner not in wrapper:
        return [headers]
    found = headers.parent / inner
    own = (
        found
        if found.is_file()
        else next(headers.parent.glob(f"*-linux-gnu/{headers.name}/pyconfig.h"), None)
    )
    if own is None:
        raise BuildError(f"{headers / 'pyconfig.h'} includes {inner}, which is not installed")
    (scratch / inner).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(own, scratch / inner)
    return [scratch, headers]


def _candidates(version: tuple[int, int]) -> Iterator[Path]:
    name = f"python{version[0]}.{version[1]}"
    if sys.version_info[:2] == version:
        yield Path(sysconfig.get_path("include"))
    interpreter = shutil.which(name)
    if interpreter is not None:
        yield from _headers_of(interpreter)
    for entry in os.get_exec_path():
        yield Path(entry).parent / "include" / name
        # A shim of pyenv runs only for the versions that are switched on; look behind it.
        yield from _newest_first(Path(entry).parent, f"versions/*/include/{name}")
    yield Path("/usr/include") / name
    yield Path("/usr/local/include") / name
    for folder in (".pyenv/versions", ".local/share/uv/python"):
        yield from _newest_first(Path.home() / folder, f"*/include/{name}")


def _headers_of(interpreter: str) -> Iterator[Path]:
    asked = subprocess.run(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        yield Path(asked.stdout.strip())


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern), reverse=True) if folder.is_dir() else []


def _is_header_folder(folder: Path, version: tuple[int, int]) -> bool:
    level = folder / "patchlevel.h"
    if not (folder / "Python.h").is_file() or not level.is_file():
        return False
    defined = {tuple(line.split()[:3]) for line in level.read_text().splitlines()}
    return {
        ("#define", "PY_MAJOR_VERSION", str(version[0])),
        ("#define", "PY_MINOR_VERSION", str(version[1])),
    } <= defined
