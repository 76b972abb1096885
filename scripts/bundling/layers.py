"""Installing the packages of the layers with pip, for a target that may not be this machine."""

import json
import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.build_support import BuildError, run_pip
from scripts.bundling.functions import LayerName
from scripts.bundling.pruning import is_kept
from scripts.bundling.targets import BundleTarget

# Built here, as it publishes no wheels.
BUILT_PACKAGE = "hnswlib"


def requirements_file(root: Path, layer: LayerName) -> Path:
    """The file that lists what a layer holds."""
    return root / "requirements" / f"{layer}.txt"


def constraints_file(root: Path) -> Path:
    """The file that pins every version."""
    return root / "requirements" / "constraints.txt"


def layer_files(
    root: Path,
    layer: LayerName,
    target: BundleTarget,
    hnswlib: Path,
    without: Collection[str] = (),
) -> dict[str, bytes]:
    """Install a layer and return what goes into it, by name in the zip.

    All but `embedding` are resolved with their dependencies. That one is installed without, for
    those of onnxruntime (protobuf, flatbuffers, packaging) and of tokenizers (huggingface-hub and
    with it an HTTP stack) serve their tools and their hub, not what a function calls.

    Args:
        root: the repository.
        layer: which one.
        target: for whom.
        hnswlib: the wheel that `build_hnswlib` made for the same target.
        without: canonical names of packages that another layer of the same function has.

    Raises:
        BuildError: pip cannot resolve or install it for the target.
    """
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text("\n".join(constraints_for(root, target)) + "\n")
        if layer == "embedding":
            wanted = _pinned(_read_lines(requirements_file(root, layer)), constraints, hnswlib)
        else:
            wanted = _resolve(root, layer, target, constraints)
        wanted = [line for line in wanted if line.endswith(".whl") or _name(line) not in without]
        installed = Path(scratch) / "installed"
        run_pip(
            [
                "install",
                "--quiet",
                "--no-deps",
                "--no-compile",
                f"--target={installed}",
                *target.pip_arguments,
                *wanted,
            ],
            f"install the layer {layer} for {target.name}",
        )
        return _kept_files(installed)


def packages_of(names: Iterable[str]) -> set[str]:
    """The canonical names of the packages whose metadata is among the files of a layer."""
    folders = {PurePosixPath(name).parts[1] for name in names if name.endswith("/METADATA")}
    return {
        canonicalize_name(folder.removesuffix(".dist-info").rpartition("-")[0])
        for folder in folders
    }


def constraints_for(root: Path, target: BundleTarget) -> list[str]:
    """The pins that hold for a target, without markers.

    pip evaluates markers for the Python that runs it, even when it installs for another one.

    Raises:
        BuildError: a line of the constraints file is no requirement.
    """
    environment = dict(target.marker_environment)
    pins: list[str] = []
    for line in _read_lines(constraints_file(root)):
        try:
            requirement = Requirement(line)
        except ValueError as error:
            raise BuildError(f"{constraints_file(root)} holds {line!r}: {error}") from error
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pins.append(f"{requirement.name}{requirement.specifier}")
    return pins


def _read_lines(path: Path) -> list[str]:
    if not path.is_file():
        raise BuildError(f"{path} is missing")
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def _pinned(names: Iterable[str], constraints: Path, hnswlib: Path) -> list[str]:
    """Each name as a pin or, for what is built here, the wheel."""
    pins = {_name(line): line for line in _read_lines(constraints)}
    pinned: list[str] = []
    for name in map(canonicalize_name, names):
        if name == BUILT_PACKAGE:
            pinned.append(str(hnswlib))
        elif name in pins:
            pinned.append(pins[name])
        else:
            raise BuildError(f"{name} is in a layer and has no pin in requirements/constraints.txt")
    return pinned


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _resolve(root: Path, layer: LayerName, target: BundleTarget, constraints: Path) -> list[str]:
    """Every package that a layer's requirements need, pinned, as pip would install them."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        run_pip(
            [
                "install",
                "--quiet",
                "--dry-run",
                "--ignore-installed",
                f"--report={report}",
                f"--target={scratch}/target",
                *target.pip_arguments,
                f"--requirement={requirements_file(root, layer)}",
                f"--constraint={constraints}",
            ],
            f"resolve the layer {layer} for {target.name}",
        )
        installs = json.loads(report.read_text())["install"]
    found = [f"{item['metadata']['name']}=={item['metadata']['version']}" for item in installs]
    return _sorted_by_name(found)


def _sorted_by_name(requirements: Sequence[str]) -> list[str]:
    return sorted(requirements, key=_name)


def _kept_files(installed: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in installed.rglob("*"):
        relative = PurePosixPath(path.relative_to(installed).as_posix())
        if path.is_file() and is_kept(relative):
            files[f"python/{relative}"] = path.read_bytes()
    return files
