"""What a build fetches for itself with pip, into `.local/tools`, in locked versions."""

import shutil
import tarfile
import tempfile
from pathlib import Path

from scripts.build_support import require_sha256, run_pip, write_whole
from scripts.bundling.locked import install_locked, locked_tool
from scripts.locks import one_at_a_time


def ensure_tool(root: Path, project: str) -> Path:
    """Return the folder a package is unpacked in; fetch it the first time.

    Raises:
        BuildError: pip cannot get it, or it is not the locked file.
    """
    release = locked_tool(root, project)
    target = _tools_folder(root) / f"{project}-{release.version}"
    with one_at_a_time(_tools_folder(root) / ".lock"):
        if not target.is_dir():
            partial = _empty_partial(target)
            purpose = f"fetch the build tool {project} {release.version}"
            install_locked([release.requirement], partial, purpose)
            partial.rename(target)
    return target


def ensure_source(root: Path, project: str, version: str, sha256: str) -> Path:
    """Return the folder of a source distribution; fetch, check and unpack it the first time.

    Raises:
        BuildError: pip cannot get it, or it is not the pinned archive.
    """
    target = _tools_folder(root) / f"{project}-{version}-source"
    with one_at_a_time(_tools_folder(root) / ".lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory() as scratch:
                run_pip(
                    [
                        "download",
                        "--quiet",
                        "--no-deps",
                        f"--no-binary={project}",
                        f"--dest={scratch}",
                        f"{project}=={version}",
                    ],
                    f"download the sources of {project} {version}",
                )
                archive = next(Path(scratch).glob("*.tar.gz"))
                require_sha256(archive, sha256)
                partial = _empty_partial(target)
                _unpack(archive, partial)
            partial.rename(target)
    return target / f"{project}-{version}"


def _tools_folder(root: Path) -> Path:
    return root / ".local" / "tools"


def _empty_partial(target: Path) -> Path:
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    return partial


def _unpack(archive: Path, target: Path) -> None:
    # Not extractall: its safe form is missing in the first releases of Python 3.11.
    with tarfile.open(archive) as opened:
        for member in opened:
            content = opened.extractfile(member)
            if content is not None:
                write_whole(target / member.name, content.read())
