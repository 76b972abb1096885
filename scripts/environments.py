"""Make the project's virtual environments; needs nothing but Python 3.11 or newer.

    python3 scripts/environments.py [development] [local-aws] [parity] [benchmarks] [fuzz] [checkov]
        [documents] [locking]

Without names it makes the first two. Every file that pip installs must have a sha256 of
`requirements/locked/`. An environment is stamped with all that decides its content,
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
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM_PYTHON = (3, 11)
STAMP_NAME = "ultron-environment.json"
HNSWLIB_INPUTS = (
    "requirements/locked/build-tools.txt",
    "scripts/build_hnswlib.py",
    "scripts/bundling/native/hnswlib_wheel.py",
)
BUILT = "requirements/locked/built.txt"
TORCH_FOR_CPU = "requirements/torch-cpu.txt"
TORCH = "requirements/locked/torch.txt"
# pip's words for a file that is not the one that was locked.
CHANGED = "DO NOT MATCH THE HASHES"
SHOWN_LINES_OF_A_FAILURE = 12


class EnvironmentMakingError(Exception):
    """An environment cannot be made; the message is for the person at the terminal."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment: where it is and what goes into it beside its locked releases.

    `builds_sources`: some packages have no wheels. `builds_hnswlib`: hnswlib has none either, and
    would need a C++ compiler, which `scripts/build_hnswlib.py` brings along where there is none.
    `installs_torch`: its locked releases are all but torch, of which there are two builds.
    `machine` and `newest_python` are what a package of it has wheels for, where that is not every
    machine.
    """

    name: str
    directory: str
    builds_sources: bool = False
    builds_hnswlib: bool = False
    installs_project: bool = False
    installs_torch: bool = False
    machine: tuple[str, str] | None = None
    newest_python: tuple[int, int] | None = None

    @property
    def locked(self) -> str:
        """The file of its releases, each with its version and the sha256 of its files."""
        return f"requirements/locked/{self.name}.txt"


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment(
            "development",
            ".venv",
            builds_sources=True,
            builds_hnswlib=True,
            installs_project=True,
        ),
        Environment("local-aws", ".venv-local-aws"),
        Environment("parity", ".venv-parity", builds_hnswlib=True, installs_torch=True),
        Environment("benchmarks", ".venv-benchmarks", builds_hnswlib=True, installs_torch=True),
        Environment(
            "fuzz",
            ".venv-fuzz",
            builds_hnswlib=True,
            machine=("Linux", "x86_64"),
            newest_python=(3, 13),
        ),
        Environment("checkov", ".venv-checkov"),
        Environment("documents", ".venv-documents"),
        Environment("locking", ".venv-locking"),
    )
}
DEFAULT_NAMES = ("development", "local-aws")


def interpreter(name: str, root: Path = ROOT) -> Path:
    """The Python of the named environment, whether or not it is there yet."""
    return root / ENVIRONMENTS[name].directory / "bin" / "python"


def fingerprint(environment: Environment, root: Path = ROOT) -> str:
    """Hex sha256 of all that decides what the environment holds."""
    files = [environment.locked]
    if environment.builds_sources:
        files.append(BUILT)
    if environment.builds_hnswlib:
        files += HNSWLIB_INPUTS
    if environment.installs_torch:
        files += (TORCH_FOR_CPU, TORCH)
    if environment.installs_project:
        files.append("pyproject.toml")
    parts = {
        "python": [platform.python_implementation(), platform.python_version(), sys.base_prefix],
        "machine": [platform.system(), platform.machine()],
        "files": {name: _text_of(root / name) for name in files},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_current(environment: Environment, root: Path = ROOT) -> bool:
    """Whether the environment stands, whole, as its files want it."""
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
    with _lock(environment, root):
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
            f" and this machine is {' '.join(found)}: a package of {environment.locked}"
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
    # The lists are complete, so pip resolves nothing. What builds a source distribution would be
    # fetched without a hash, so pip takes wheels, and builds with what the environment has. Python
    # compiles a module when it is first imported; most never are.
    pip += ["--no-deps", "--no-build-isolation", "--no-compile"]
    wheels = [*pip, "--require-hashes", "--only-binary=:all:", "--requirement"]
    into = f"into {directory.name}"
    _run([*wheels, str(root / environment.locked)], f"Installing {environment.locked} {into}", root)
    if environment.installs_torch:
        _install_torch(wheels, into, root)
    if environment.builds_sources:
        sources = [*pip, "--require-hashes", "--no-binary=:all:", "--use-pep517", "--requirement"]
        _run([*sources, str(root / BUILT)], f"Installing {BUILT} {into}", root)
    if environment.builds_hnswlib:
        build = [python, "-m", "scripts.build_hnswlib", "--install"]
        _run(build, f"Building hnswlib for {directory.name}", root)
    if environment.installs_project:
        _run([*pip, "--editable", str(root)], f"Installing the `ultron` command {into}", root)


def _install_torch(wheels: list[str], into: str, root: Path) -> None:
    """Install torch's CPU build where this machine is offered it, else what PyPI has.

    PyPI's build for Linux brings gigabytes of CUDA along.
    """
    try:
        _run([*wheels, str(root / TORCH_FOR_CPU)], f"Installing torch for the CPU {into}", root)
    except EnvironmentMakingError as error:
        if CHANGED in str(error):
            raise
        _run([*wheels, str(root / TORCH)], f"Installing torch {into}", root)


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
        # Beside a wrong hash pip writes all that would do: "Expected sha256 …", "Expected or …".
        lines = [line for line in done.stdout.splitlines() if line.split()[1:2] != ["or"]]
        last_lines = "\n".join(lines[-SHOWN_LINES_OF_A_FAILURE:]).strip()
        raise EnvironmentMakingError(
            f"{what} failed (exit status {done.returncode}); its last lines:\n{last_lines}"
        )


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


@contextmanager
def _lock(environment: Environment, root: Path) -> Iterator[None]:
    """Let one process or thread at a time make this environment."""
    locks = root / ".local" / "environments"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"{environment.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make_aloud(environment: Environment) -> None:
    begun = time.monotonic()
    if not is_current(environment):
        print(f"Making {environment.directory} (a minute or so) ...", flush=True)
    if make(environment):
        print(f"Made {environment.directory} in {time.monotonic() - begun:.0f} s", flush=True)


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
        # Child processes install each; the threads only wait for them.
        with ThreadPoolExecutor(len(names)) as pool:
            for made in [pool.submit(_make_aloud, ENVIRONMENTS[name]) for name in names]:
                made.result()
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
