"""The locked releases: what `requirements/locked/` says, and installing of it.

`python -m scripts.lock_requirements` writes those files. Standard library only, as an environment
is made with it.
"""

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.build_support import BuildError, run_pip

_RELEASE = re.compile(
    r"(?P<name>[\w.-]+)==(?P<version>[\w.+!-]+)"
    r"(?: ; (?P<marker>[^\\]+?))?(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a package, the sha256 of each of its files, and where it is installed.

    `marker` is an environment marker (PEP 508); None is everywhere.
    """

    name: str
    version: str
    marker: str | None
    sha256s: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """The line for pip, without the marker, as pip knows only the machine that it runs on."""
        hashes = "".join(f" --hash=sha256:{digest}" for digest in self.sha256s)
        return f"{self.name}=={self.version}{hashes}"


def locked_file(root: Path, name: str) -> Path:
    """The file that locks what `requirements/<name>.txt` asks for."""
    return root / "requirements" / "locked" / f"{name}.txt"


def read_locked(path: Path) -> list[Release]:
    """Read a file of locked releases.

    Raises:
        BuildError: it is missing, or a line of it is no release with a sha256.
    """
    if not path.is_file():
        raise BuildError(f"{path} is missing; `make locked` writes it")
    releases: list[Release] = []
    for line in re.sub(r" *\\\n +", " ", path.read_text()).splitlines():
        if not line or line.startswith("#"):
            continue
        found = _RELEASE.fullmatch(line)
        if found is None:
            raise BuildError(f"{path} holds {line[:80]!r}, which is no release with a sha256")
        sha256s = tuple(re.findall(r"sha256:([0-9a-f]+)", found["hashes"]))
        releases.append(Release(found["name"], found["version"], found["marker"], sha256s))
    return releases


def locked_tool(root: Path, name: str) -> Release:
    """The locked release of a tool that builds need.

    Raises:
        BuildError: `requirements/locked/build-tools.txt` has none.
    """
    path = locked_file(root, "build-tools")
    for release in read_locked(path):
        if release.name == name:
            return release
    raise BuildError(f"{path} has no release of {name}")


def install_locked(
    requirements: Iterable[str], folder: Path, purpose: str, pip_arguments: Sequence[str] = ()
) -> None:
    """Install releases into a folder, and nothing that they depend on.

    A source distribution is left aside: what would build it has no hash.

    Raises:
        BuildError: pip cannot get a release, or its file has none of the hashes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        listing = Path(scratch) / "requirements.txt"
        listing.write_text("".join(f"{line}\n" for line in requirements))
        run_pip(
            [
                *("install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"),
                *("--only-binary=:all:", f"--target={folder}", *pip_arguments),
                f"--requirement={listing}",
            ],
            purpose,
        )
