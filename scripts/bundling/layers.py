"""Installing the packages of the layers with pip, for a target that may not be this machine."""

import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from scripts.build_support import sha256_of_file
from scripts.bundling.functions import LayerName
from scripts.bundling.locked import Release, install_locked, locked_file, read_locked
from scripts.bundling.pruning import is_kept
from scripts.bundling.targets import BundleTarget


def layer_files(
    root: Path,
    layer: LayerName,
    target: BundleTarget,
    hnswlib: Path,
    without: Collection[str] = (),
) -> dict[str, bytes]:
    """Install a layer and return what goes into it, by name in the zip.

    All but `embedding` are locked with their dependencies. That one is locked without, for those of
    onnxruntime (protobuf, flatbuffers, packaging) and of tokenizers (huggingface-hub and with it an
    HTTP stack) serve their tools and their hub, not what a function calls.

    Args:
        root: the repository.
        layer: which one.
        target: for whom.
        hnswlib: the wheel that `build_hnswlib` made for the same target.
        without: canonical names of packages that another layer of the same function has.

    Raises:
        BuildError: pip cannot install it for the target, or a file has another sha256.
    """
    wanted = [
        release.requirement
        for release in releases_for(root, layer, target)
        if canonicalize_name(release.name) not in without
    ]
    if layer == "embedding":
        # pip wants a hash of whatever it installs, so also of what was built here.
        wanted.append(f"hnswlib @ {hnswlib.as_uri()} --hash=sha256:{sha256_of_file(hnswlib)}")
    with tempfile.TemporaryDirectory() as scratch:
        installed = Path(scratch) / "installed"
        purpose = f"install the layer {layer} for {target.name}"
        install_locked(wanted, installed, purpose, target.pip_arguments)
        return _kept_files(installed)


def packages_of(names: Iterable[str]) -> set[str]:
    """The canonical names of the packages whose metadata is among the files of a layer."""
    folders = {PurePosixPath(name).parts[1] for name in names if name.endswith("/METADATA")}
    return {
        canonicalize_name(folder.removesuffix(".dist-info").rpartition("-")[0])
        for folder in folders
    }


def releases_for(root: Path, layer: LayerName, target: BundleTarget) -> list[Release]:
    """The locked releases of a layer that its target needs.

    pip evaluates markers for the Python that runs it, even when it installs for another one.

    Raises:
        BuildError: the layer is not locked, or a line of its file is no release.
    """
    environment = dict(target.marker_environment)
    return [
        release
        for release in read_locked(locked_file(root, layer))
        if release.marker is None or Marker(release.marker).evaluate(environment)
    ]


def _kept_files(installed: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in installed.rglob("*"):
        relative = PurePosixPath(path.relative_to(installed).as_posix())
        if path.is_file() and is_kept(relative):
            files[f"python/{relative}"] = path.read_bytes()
    return files
