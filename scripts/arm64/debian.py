"""Debian's arm64 CPython and an emulator for it, fetched by apt and unpacked into a cache folder.

apt runs with a private state: the system's packages and lists are not touched. It checks every
index by Debian's keyring and every package by its hash.
"""

import errno
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.build_support import BuildError, digest_of_inputs, write_whole

SUITE = "trixie"
# What trixie has; bundles for it are built beside those for Lambda's own version.
PYTHON = (3, 13)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NEEDED_BYTES = 1_000_000_000
# The emulator 7.2 of Debian 12 ends in a segmentation fault when onnxruntime is imported.
EMULATOR_PACKAGE = "qemu-user"
EMULATORS = {"aarch64": "usr/bin/qemu-aarch64", "x86_64": "usr/bin/qemu-x86_64"}
ARM64_PACKAGES = (
    "libbz2-1.0", "libc6", "libexpat1", "libffi8", "libgcc-s1", "libgomp1", "liblzma5",
    "libpython3.13-dev", "libpython3.13-minimal", "libpython3.13-stdlib", "libsqlite3-0",
    "libssl3t64", "libstdc++6", "libuuid1", "libzstd1", "python3.13-minimal", "tzdata", "zlib1g",
)  # fmt: skip


def ensure_arm64(cache: Path) -> Path:
    """Return the folder with `root/` (Debian's arm64 files) and the emulator; fetch it once.

    Raises:
        BuildError: one sentence: no apt, no Debian mirror, a package that is not there, no room.
    """
    folder = cache.resolve() / "debian"  # apt takes absolute paths alone
    stamp = folder / "complete"
    inputs = digest_of_inputs([SUITE, EMULATOR_PACKAGE, *ARM64_PACKAGES])
    if stamp.is_file() and stamp.read_text() == inputs:
        return folder
    require_room(cache)
    mirror = debian_mirror()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        (folder / "root").mkdir(parents=True)
        (folder / "root" / "lib").symlink_to("usr/lib")
        _fetch(folder, mirror, "arm64", ARM64_PACKAGES, folder / "root")
        host = _run(["dpkg", "--print-architecture"], "say what this machine is").strip()
        _fetch(folder, mirror, host, [EMULATOR_PACKAGE], folder / "emulator")
        write_whole(stamp, inputs.encode())
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _no_room(cache) from error
        raise
    return folder


def require_room(cache: Path) -> None:
    """Check the disk before anything is fetched.

    Raises:
        BuildError: too little is free.
    """
    cache.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(cache).free < NEEDED_BYTES:
        raise _no_room(cache)


def debian_mirror() -> str:
    """The mirror of Debian that apt of this machine is configured with.

    Raises:
        BuildError: there is no apt, no keyring of Debian, or no such mirror.
    """
    if shutil.which("apt-get") is None or not KEYRING.is_file():
        raise BuildError(
            "arm64 packages are fetched with Debian's apt and keyring, and one is missing here; "
            "run `make arm64` on Debian 12 or newer"
        )
    listing = _run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        "list its sources",
    )
    for address in listing.split():
        if address.rstrip("/").endswith("/debian"):
            return address
    raise BuildError(
        "apt on this machine has no mirror of Debian (an address that ends with /debian) among its "
        "sources; add one, or run `make arm64` on Debian 12 or newer"
    )


def require_emulator(folder: Path, machine: str) -> Path:
    """The path of the emulator of a machine: `aarch64` or `x86_64`.

    Raises:
        BuildError: it is not in the cache.
    """
    emulator = folder / "emulator" / EMULATORS[machine]
    if not emulator.is_file():
        raise BuildError(f"{emulator} is missing; delete {folder} and run `make arm64` again")
    return emulator


def require_python(folder: Path) -> Path:
    """The arm64 interpreter's path.

    Raises:
        BuildError: the packages hold another version.
    """
    wanted = folder / "root" / "usr" / "bin" / f"python{PYTHON[0]}.{PYTHON[1]}"
    if not wanted.is_file():
        found = ", ".join(sorted(path.name for path in wanted.parent.glob("python3*"))) or "none"
        raise BuildError(
            f"the arm64 packages hold {found} where {wanted.name} is needed; "
            f"delete {folder} and run `make arm64` again"
        )
    return wanted


def _fetch(folder: Path, mirror: str, architecture: str, names: Sequence[str], into: Path) -> None:
    state = folder / f"apt-{architecture}"
    for name in ("lists/partial", "cache/archives/partial", "parts", "packages"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "debian.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n")
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "",
        "Dir::State": str(state),
        "Dir::State::status": f"{state}/status",
        "Dir::Cache": f"{state}/cache",
        "Dir::Etc::sourcelist": f"{state}/debian.list",
        "Dir::Etc::sourceparts": f"{state}/parts",
    }
    options = [f"-o={name}={value}" for name, value in settings.items()]
    _run(["apt-get", *options, "update"], f"read Debian's list of {architecture} packages")
    packages = state / "packages"
    _run(["apt-get", *options, "download", *names], f"fetch {architecture} packages", packages)
    for package in sorted(packages.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(into)], f"unpack {package.name}")
    shutil.rmtree(state)


def _run(command: Sequence[str], purpose: str, folder: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        if any("No space left" in line or "enough free space" in line for line in lines):
            raise BuildError(f"the disk is full: {command[0]} could not {purpose}; make room")
        reason = lines[-1].strip() if lines else f"exit status {done.returncode}"
        raise BuildError(f"{command[0]} could not {purpose}: {reason}")
    return done.stdout


def _no_room(cache: Path) -> BuildError:
    return BuildError(
        f"the disk of {cache} has no room for Debian's arm64 packages; "
        f"free {NEEDED_BYTES // 1_000_000:,} MB and run `make arm64` again"
    )
