"""Make the project's virtual environments; needs nothing but Python 3.11 or newer.

    python3 scripts/environments.py [development] [local-aws] [parity] [benchmarks] [fuzz] [checkov]

Without names it makes the first two. An environment is stamped with all that decides its content,
so a second call only compares stamps; one that was left half-made has no stamp and is made again.
Standard library only, and no syntax newer than Python 3.7: it runs before anything is installed,
and must be able to say that the Python is too old.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM_PYTHON = (3, 11)
CONSTRAINTS = "requirements/constraints.txt"
STAMP_NAME = "ultron-environment.json"
HNSWLIB_SOURCES = ("scripts/build_hnswlib.py", "scripts/bundling/hnswlib_wheel.py")
SHOWN_LINES_OF_A_FAILURE = 12


class EnvironmentMakingError(Exception):
    """An environment cannot be made; the message is for the person at the terminal."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment: where it is, what goes into it and at which versions.

    `builds_hnswlib` takes hnswlib out of what pip installs: its source distribution would need a
    C++ compiler, which `scripts/build_hnswlib.py` brings along where there is none. `machine` and
    `newest_python` are what a package of it has wheels for, where that is not every machine.
    """

    name: str
    directory: str
    requirements: str
    builds_hnswlib: bool = False
    installs_project: bool = False
    constraints: str = CONSTRAINTS
    machine: tuple[str, str] | None = None
    newest_python: tuple[int, int] | None = None


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("development", ".venv", "requirements/development.txt", True, True),
        Environment("local-aws", ".venv-local-aws", "requirements/local-aws.txt"),
        Environment("parity", ".venv-parity", "requirements/parity.txt", True),
        Environment("benchmarks", ".venv-benchmarks", "requirements/benchmarks.txt", True),
        Environment(
            "fuzz",
            ".venv-fuzz",
            "requirements/fuzz.txt",
            True,
            machine=("Linux", "x86_64"),
            newest_python=(3, 13),
        ),
        Environment(
            "checkov",
            ".venv-checkov",
            "requirements/checkov.txt",
            constraints="requirements/constraints-checkov.txt",
        ),
        Environment(
            "documents",
            ".venv-documents",
            "requirements/docs.txt",
            constraints="requirements/constraints-docs.txt",
        ),
    )
}
DEFAULT_NAMES = ("development", "local-aws")


def interpreter(name: str, root: Path = ROOT) -> Path:
    """The Python of the named environment, whether or not it is there yet."""
    return root / ENVIRONMENTS[name].directory / "bin" / "python"


def flatten_requirements(path: Path) -> list[str]:
    """The requirement lines of a file and of those it includes with `-r`, comments left out.

    Raises EnvironmentMakingError when a file is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise EnvironmentMakingError(
            f"The requirement file {path} is missing; is this checkout complete?"
        ) from error
    lines: list[str] = []
    for raw_line in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw_line).strip()
        included = re.match(r"^(?:-r|--requirement)[ =]+(\S+)$", line)
        if included:
            lines += flatten_requirements(path.parent / included.group(1))
        elif line:
            lines.append(line)
    return list(dict.fromkeys(lines))


def names_hnswlib(requirement: str) -> bool:
    """Whether a requirement line asks for hnswlib, in any version."""
    return re.match(r"^hnswlib(?![\w.-])", requirement, re.IGNORECASE) is not None


def fingerprint(environment: Environment, root: Path = ROOT) -> str:
    """Hex sha256 of all that decides what the environment holds."""
    files = [environment.constraints]
    if environment.builds_hnswlib:
        files += HNSWLIB_SOURCES
    if environment.installs_project:
        files.append("pyproject.toml")
    parts = {
        "python": [platform.python_implementation(), platform.python_version(), sys.base_prefix],
        "machine": [platform.system(), platform.machine()],
        "requirements": flatten_requirements(root / environment.requirements),
        "files": {name: _text_of(root / name) for name in files},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_current(environment: Environment, root: Path = ROOT) -> bool:
    """Whether the environment stands, whole, as its requirement files want it."""
    directory = root / environment.directory
    try:
        stamp = json.loads((directory / STAMP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (
        isinstance(stamp, dict)
        and stamp.get("fingerprint") == fingerprint(environment, root)
        and (directory / "bin" / "python").exists()
    )


def make(environment: Environment, root: Path = ROOT) -> bool:
    """Make the environment unless it stands already; whether there was anything to do.

    Raises EnvironmentMakingError, leaving no stamp, when a step fails.
    """
    with _lock(root):
        if is_current(environment, root):
            return False
        check_machine(environment)
        wanted = fingerprint(environment, root)
        directory = root / environment.directory
        if directory.exists():
            shutil.rmtree(directory)
        _create(directory, root)
        _install(environment, directory, root)
        stamp = json.dumps({"fingerprint": wanted, "python": platform.python_version()})
        (directory / STAMP_NAME).write_text(stamp + "\n", encoding="utf-8")
        return True


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raise EnvironmentMakingError when this Python cannot serve."""
    needed = ".".join(map(str, MINIMUM_PYTHON))
    if version < MINIMUM_PYTHON:
        found = ".".join(map(str, version))
        raise EnvironmentMakingError(
            f"Python {needed} or newer is needed and {sys.executable} is {found}: name a newer one,"
            f" as in `make demo PYTHON=python{needed}`."
        )


def check_machine(
    environment: Environment,
    machine: tuple[str, str] | None = None,
    version: tuple[int, ...] = sys.version_info[:2],
) -> None:
    """Raise EnvironmentMakingError where a package of the environment has no wheel.

    `machine` is an operating system and its architecture; without it, those of this machine.
    """
    found = machine or (platform.system(), platform.machine())
    if environment.machine not in (None, found):
        raise EnvironmentMakingError(
            f"{environment.directory} can be made on {' '.join(environment.machine or ())} only,"
            f" and this machine is {' '.join(found)}: a package of {environment.requirements}"
            " exists for no other."
        )
    if environment.newest_python is not None and version[:2] > environment.newest_python:
        newest = ".".join(map(str, environment.newest_python))
        raise EnvironmentMakingError(
            f"{environment.directory} needs Python {newest} or older, and {sys.executable} is"
            f" {'.'.join(map(str, version))}: name another one, as in `make"
            f" {environment.name} PYTHON=python{newest}`."
        )


def _create(directory: Path, root: Path) -> None:
    if subprocess.run(
        [sys.executable, "-c", "import ensurepip, venv"], capture_output=True
    ).returncode:
        raise EnvironmentMakingError(
            f"{sys.executable} has no venv module with pip: install it (Debian and Ubuntu:"
            f" apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv)."
        )
    _run([sys.executable, "-m", "venv", str(directory)], f"Creating {directory.name}", root)


def _install(environment: Environment, directory: Path, root: Path) -> None:
    python = str(directory / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    wanted = flatten_requirements(root / environment.requirements)
    if environment.builds_hnswlib:
        wanted = [line for line in wanted if not names_hnswlib(line)]
    with tempfile.TemporaryDirectory() as scratch:
        listing = Path(scratch) / "requirements.txt"
        listing.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        _run(
            [
                *pip,
                "--requirement",
                str(listing),
                "--constraint",
                str(root / environment.constraints),
            ],
            f"Installing {environment.requirements} into {directory.name}",
            root,
        )
    if environment.builds_hnswlib:
        _run(
            [python, "-m", "scripts.build_hnswlib", "--install"],
            f"Building hnswlib for {directory.name}",
            root,
        )
    if environment.installs_project:
        _run(
            [*pip, "--no-deps", "--editable", str(root)],
            f"Installing the `ultron` command into {directory.name}",
            root,
        )


def _run(command: list[str], what: str, root: Path) -> None:
    """Run a step quietly; raise EnvironmentMakingError with its last lines when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=str(root),
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
    )
    if done.returncode:
        last_lines = "\n".join(done.stdout.strip().splitlines()[-SHOWN_LINES_OF_A_FAILURE:])
        raise EnvironmentMakingError(
            f"{what} failed (exit status {done.returncode}); its last lines:\n{last_lines}"
        )


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


@contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Let one process at a time make environments in this checkout."""
    local = root / ".local"
    local.mkdir(exist_ok=True)
    with (local / "environments.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Make the named environments; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make the project's virtual environments.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ENVIRONMENTS))
    names = parser.parse_args(arguments).names or list(DEFAULT_NAMES)
    try:
        check_python()
        for name in names:
            if name not in ENVIRONMENTS:
                known = ", ".join(ENVIRONMENTS)
                raise EnvironmentMakingError(f"There is no environment {name!r}; known: {known}.")
            environment = ENVIRONMENTS[name]
            begun = time.monotonic()
            if not is_current(environment):
                print(f"Making {environment.directory} (a minute or so) ...", flush=True)
            if make(environment):
                print(
                    f"Made {environment.directory} in {time.monotonic() - begun:.0f} s", flush=True
                )
    except EnvironmentMakingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: Interrupted; the next run makes the environment again.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    # Nothing here speaks to a server: `| head` may end it as it ends `cat`.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
