"""Build the zips of the functions and of their layers.

    python -m scripts.build_bundles --target local     # to run on this machine
    python -m scripts.build_bundles --target aws       # Lambda, arm64, Python 3.12
    python -m scripts.build_bundles --target lambda    # the same on this machine's architecture
    python -m scripts.build_bundles --target aws --python 3.13    # into build/aws-python3.13

Writes `build/<target>/functions/*.zip`, `build/<target>/layers/*.zip` and, last, `bundles.json`,
from which Terraform takes files and hashes. Equal sources make equal bytes, where the same Python
compiles them: this one, or one on the PATH, if it has the target's version; without, there is no
bytecode. Layers are kept as long as their inputs stay the same.
"""

import argparse
import json
import re
import sys
import time
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.util import source_from_cache
from pathlib import Path
from typing import get_args

from scripts.build_support import (
    BuildError,
    building,
    digest_of_inputs,
    repository_root,
    write_whole,
)
from scripts.bundling.archives import Archive, describe_archive, read_tree, zip_bytes
from scripts.bundling.bytecode import (
    FUNCTION_PREFIX,
    LAYER_PREFIX,
    BytecodeCompiler,
    bytecode_of,
    find_compiler,
)
from scripts.bundling.checks import check_files, check_no_duplicates, check_unzipped_size
from scripts.bundling.functions import FUNCTIONS, LAYERS, LayerName
from scripts.bundling.layers import layer_files, packages_of
from scripts.bundling.locked import locked_file
from scripts.bundling.native.hnswlib_wheel import build_hnswlib
from scripts.bundling.native.native_target import (
    LAMBDA_PYTHON,
    NativeTarget,
    TargetName,
    native_target,
)
from scripts.bundling.targets import BundleTarget, bundle_target
from shared.platform.command_line import complain, run_command

LEFT_OUT = ("__pycache__/", "/tests/")


def build_bundles(
    target: TargetName,
    root: Path,
    functions: Mapping[str, tuple[LayerName, ...]] = FUNCTIONS,
    python: tuple[int, int] = LAMBDA_PYTHON,
    headers: Path | None = None,
) -> Path:
    """Build what is not up to date and return the path of `bundles.json`.

    Args:
        target: `local`, `aws` or `lambda`.
        root: the repository.
        functions: names and layers.
        python: the version that the target `aws` runs; another than Lambda's has its own folder.
        headers: the include folder of that Python; None looks for one.

    Raises:
        BuildError: one sentence that says what is wrong: a service without a handler, a native
            file for another machine, a function over Lambda's size limit.
    """
    with building(root):
        return _build_bundles(target, root, functions, python, headers)


def _build_bundles(
    target: TargetName,
    root: Path,
    functions: Mapping[str, tuple[LayerName, ...]],
    python: tuple[int, int],
    headers: Path | None,
) -> Path:
    chosen = bundle_target(target, python)
    native = native_target(target, python)
    compiler = find_compiler(chosen.python)
    output = root / "build" / folder_name(target, python)
    for name in functions:
        require_service(root, name)
    layers: dict[LayerName, Archive] = {}
    for layer in LAYERS:
        # Every function has `core`, which comes first; no other layer repeats what it holds.
        taken = packages_of(_names(layers["core"])) if layers else set[str]()
        layers[layer] = _ensure_layer(root, output, layer, chosen, native, headers, taken, compiler)
    built: dict[str, Archive] = {}
    for name, files in compiled_functions(root, functions, compiler).items():
        check_files(name, files, chosen)
        path = output / "functions" / f"{name}.zip"
        _write_if_changed(path, zip_bytes(files))
        built[name] = describe_archive(path)
    for name, wanted in functions.items():
        parts = {name: built[name]} | {str(layer): layers[layer] for layer in wanted}
        check_unzipped_size(name, {part: entry.unzipped_bytes for part, entry in parts.items()})
        check_no_duplicates(name, {part: _names(entry) for part, entry in parts.items()})
    return _write_listing(output, chosen, built, layers, functions, compiler)


def require_service(root: Path, name: str) -> None:
    """Check that a function has a folder with a handler.

    Raises:
        BuildError: it has none.
    """
    handler = root / "services" / name / "handler.py"
    if not handler.is_file():
        raise BuildError(f"the function {name} has no {handler.relative_to(root)}")


def function_files(root: Path, name: str) -> dict[str, bytes]:
    """What the zip of a function holds: its service and the shared library, without tests."""
    files = {"services/__init__.py": (root / "services" / "__init__.py").read_bytes()}
    for folder in (f"services/{name}", "shared"):
        files.update(read_tree(root / folder, f"{folder}/"))
    return {
        path: data for path, data in files.items() if not any(part in path for part in LEFT_OUT)
    }


def compiled_functions(
    root: Path, names: Iterable[str], compiler: BytecodeCompiler | None
) -> dict[str, dict[str, bytes]]:
    """What the zips of functions hold, with bytecode; the library is compiled once for all."""
    sources = {name: function_files(root, name) for name in names}
    every = {path: data for files in sources.values() for path, data in files.items()}
    made = bytecode_of(every, FUNCTION_PREFIX, compiler)
    return {
        name: files
        | {path: data for path, data in made.items() if source_from_cache(path) in files}
        for name, files in sources.items()
    }


def folder_name(target: TargetName, python: tuple[int, int] = LAMBDA_PYTHON) -> str:
    """The folder below `build/` that the bundles of a target lie in."""
    if target == "local" or python == LAMBDA_PYTHON:
        return target
    return f"{target}-python{python[0]}.{python[1]}"


def _ensure_layer(
    root: Path,
    output: Path,
    name: LayerName,
    target: BundleTarget,
    native: NativeTarget,
    headers: Path | None,
    taken: Collection[str],
    compiler: BytecodeCompiler | None,
) -> Archive:
    path = output / "layers" / f"{name}.zip"
    stamp = path.with_suffix(".inputs")
    inputs = _layer_inputs(root, name, target, native, compiler)
    if not (path.is_file() and stamp.is_file() and stamp.read_text() == inputs):
        stamp.unlink(missing_ok=True)
        hnswlib = build_hnswlib(root, native, headers)
        files = layer_files(root, name, target, hnswlib, taken)
        files |= bytecode_of(files, LAYER_PREFIX, compiler)
        check_files(name, files, target)
        _write_if_changed(path, zip_bytes(files))
        write_whole(stamp, inputs.encode())
    return describe_archive(path)


def _layer_inputs(
    root: Path,
    name: LayerName,
    target: BundleTarget,
    native: NativeTarget,
    compiler: BytecodeCompiler | None,
) -> str:
    locked = {locked_file(root, "core"), locked_file(root, name)}
    code = Path(__file__).parent / "bundling"
    parts = [name, repr(target), repr(native), compiler.version if compiler else "no bytecode"]
    files = [*sorted(locked), *sorted(code.rglob("*.py"))]
    return digest_of_inputs(parts, files)


def _names(archive: Archive) -> list[str]:
    with zipfile.ZipFile(archive.path) as opened:
        return opened.namelist()


def _write_if_changed(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_whole(path, data)


def _write_listing(
    output: Path,
    target: BundleTarget,
    built: Mapping[str, Archive],
    layers: Mapping[LayerName, Archive],
    functions: Mapping[str, tuple[LayerName, ...]],
    compiler: BytecodeCompiler | None,
) -> Path:
    listing = {
        "target": target.name,
        "architecture": target.architecture,
        "runtime": f"python{target.python[0]}.{target.python[1]}",
        "bytecode": compiler.version if compiler else None,
        "functions": {
            name: {**_describe(archive, output), "layers": list(functions[name])}
            for name, archive in built.items()
        },
        "layers": {name: _describe(archive, output) for name, archive in layers.items()},
    }
    path = output / "bundles.json"
    _write_if_changed(path, json.dumps(listing, indent=2).encode() + b"\n")
    return path


def _describe(archive: Archive, output: Path) -> dict[str, str | int]:
    return {
        "file": archive.path.relative_to(output).as_posix(),
        "sha256_base64": archive.sha256_base64,
        "zipped_bytes": archive.zipped_bytes,
        "unzipped_bytes": archive.unzipped_bytes,
    }


def python_version(text: str) -> tuple[int, int]:
    """Read a version such as `3.13`.

    Raises:
        argparse.ArgumentTypeError: it is none, or one that Lambda does not run any more.
    """
    found = re.fullmatch(r"3\.(\d{1,2})", text)
    if found is None or int(found[1]) < LAMBDA_PYTHON[1]:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no Python that bundles can be made for; "
            f"name 3.{LAMBDA_PYTHON[1]} or newer, as in 3.13"
        )
    return (3, int(found[1]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and list sizes; 1 and one sentence on standard error when it fails."""
    parser = argparse.ArgumentParser(prog="build_bundles", description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=get_args(TargetName), default="local")
    parser.add_argument(
        "--python", type=python_version, default=LAMBDA_PYTHON, metavar="3.13", help="for aws only"
    )
    parser.add_argument("--python-headers", type=Path, metavar="FOLDER", help="with its Python.h")
    options = parser.parse_args(arguments)
    if options.target != "aws" and (options.python != LAMBDA_PYTHON or options.python_headers):
        parser.error("--python and --python-headers go with --target aws")
    started = time.monotonic()
    try:
        path = build_bundles(
            options.target,
            repository_root(),
            python=options.python,
            headers=options.python_headers,
        )
    except (BuildError, OSError) as error:
        complain(error, "build_bundles")
        return 1
    listing = json.loads(path.read_text())
    _print_sizes(listing)
    print(about_bytecode(listing["bytecode"], listing["runtime"]))
    print(f"{path} ({time.monotonic() - started:.1f} s)")
    return 0


def about_bytecode(version: str | None, runtime: str) -> str:
    """Say whether the bundles have bytecode of a Python of this version, and what that means."""
    if version is None:
        return (
            f"no bytecode: every cold start compiles what it imports (no {runtime} is on the PATH)"
        )
    return f"with bytecode of CPython {version}"


def _print_sizes(listing: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
    print(f"{'':14}{'zip MB':>10}{'unzipped MB':>14}{'with layers MB':>16}")
    layers = listing["layers"]
    for name, entry in layers.items():
        zipped, unzipped = entry["zipped_bytes"] / 1e6, entry["unzipped_bytes"] / 1e6
        print(f"{name:14}{zipped:>10.2f}{unzipped:>14.2f}")
    for name, entry in listing["functions"].items():
        zipped, unzipped = entry["zipped_bytes"] / 1e6, entry["unzipped_bytes"] / 1e6
        wanted: Sequence[str] = entry["layers"]  # type: ignore[assignment] # the one list in it
        total = unzipped + sum(layers[layer]["unzipped_bytes"] for layer in wanted) / 1e6
        print(f"{name:14}{zipped:>10.2f}{unzipped:>14.2f}{total:>16.1f}")


if __name__ == "__main__":
    sys.exit(run_command(main))
