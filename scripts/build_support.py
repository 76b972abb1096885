"""What the build scripts share: one error, hashing, and files that appear whole or not at all."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.locks import one_at_a_time


class BuildError(Exception):
    """A build cannot go on; the message is one sentence that says what to do."""


@contextmanager
def building(root: Path) -> Iterator[None]:
    """Build alone in a checkout: `make demo` and `make test` at once want the same files."""

    def say() -> None:
        print("Another build works in this folder; waiting for it.", file=sys.stderr, flush=True)

    with one_at_a_time(root / ".local" / "build.lock", say):
        yield


def repository_root() -> Path:
    """The folder that holds `scripts/`, `shared/` and `services/`."""
    return Path(__file__).resolve().parent.parent


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_sha256(path: Path, expected: str) -> None:
    """Check a file that came from elsewhere.

    Raises:
        BuildError: it hashes to something else.
    """
    actual = sha256_of_file(path)
    if actual != expected:
        raise BuildError(
            f"{path.name} has sha256 {actual} where {expected} is pinned; "
            f"delete {path} and build again, and trust neither until you know why"
        )


def digest_of_inputs(parts: Iterable[str], files: Iterable[Path] = ()) -> str:
    """One hex sha256 over texts and the contents of files: the key of a cached build."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    for path in files:
        digest.update(f"{path.name}:{sha256_of_file(path)}".encode())
    return digest.hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name and move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    temporary.write_bytes(data)
    temporary.replace(path)


def run_pip(arguments: Sequence[str], purpose: str) -> None:
    """Run pip of this interpreter, configured as the machine has it.

    Raises:
        BuildError: pip is missing or failed; the message ends with pip's last error.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        _, marker, error = finished.stderr.rpartition("ERROR")
        # The line after a wrong hash names the package.
        lines = f"{marker}{error}".strip().splitlines()[:2] if marker else []
        reason = " ".join(map(str.strip, lines)) or finished.stderr.strip().rpartition("\n")[2]
        raise BuildError(f"pip could not {purpose}: {reason or 'it said nothing'}")
