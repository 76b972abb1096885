"""Model bundles: a folder here, `models/<id>/<revision>/` in the object store."""

import hashlib
import os
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from shared.embedding.model_bundle import ModelBundle, ModelFile
from shared.errors import CorruptObjectError, NotFoundError, SettingsError
from shared.models.manifest import ModelIdentity
from shared.storage.object_store import ObjectStore

DESCRIPTION_NAME = "model.json"
GRAPH_NAME = "model.onnx"
TOKENIZER_NAME = "tokenizer.json"

_verified: dict[Path, "LocalModel"] = {}
_verified_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A bundle whose files lie in `directory` and were checked against their sha256."""

    directory: Path
    bundle: ModelBundle


def model_prefix(identity: ModelIdentity) -> str:
    """The folder of a model in the object store; ends with a slash."""
    return f"models/{identity.id}/{identity.revision}/"


def open_model_directory(directory: Path) -> LocalModel:
    """Read and check a bundle that is on this machine already.

    Raises:
        NotFoundError: there is no `model.json`, or a file it names is missing.
        CorruptObjectError: `model.json` cannot be read or a file differs from what it says.
    """
    path = directory / DESCRIPTION_NAME
    if not path.is_file():
        raise NotFoundError(f"{path} does not exist; build the model with scripts/build_model.py")
    bundle = _parse_description(path.read_bytes(), str(path))
    for file in bundle.files:
        local = directory / file.name
        if not local.is_file():
            raise NotFoundError(f"{local} is missing; build the model again")
        if not _is_intact(local, file):
            raise CorruptObjectError(f"{local} is not the file that {path} describes")
    return LocalModel(directory, bundle)


def publish_model_bundle(store: ObjectStore, directory: Path) -> str:
    """Upload a checked model folder and return its prefix.

    `model.json` goes last: a prefix that has it is complete. Files that are there already with the
    right size are not sent again; a prefix is a function of the weights, so they are the same.
    """
    model = open_model_directory(directory)
    prefix = model_prefix(model.bundle.identity)
    present = {found.key: found.size_bytes for found in store.list(prefix)}
    for file in model.bundle.files:
        if present.get(prefix + file.name) != file.size_bytes:
            store.put(prefix + file.name, (directory / file.name).read_bytes())
    description = (directory / DESCRIPTION_NAME).read_bytes()
    store.put(prefix + DESCRIPTION_NAME, description, content_type="application/json")
    return prefix


def load_model_bundle(store: ObjectStore, prefix: str, directory: Path) -> LocalModel:
    """Copy the bundle below `prefix` to this machine and check every file.

    Files land in `directory/<id>/<revision>/`. Those that are there and intact are used as they
    are; others are fetched under their own name and moved into place whole, so processes that
    share the directory may do this at once. A process checks a bundle once.

    Args:
        store: where the bundle is.
        prefix: `models/<id>/<revision>/`.
        directory: a writable folder, made if it is missing: `/tmp/model` in a function.

    Raises:
        NotFoundError: the prefix lacks `model.json` or a file that it names.
        CorruptObjectError: an object differs from its size or sha256, or `model.json` is of
            another model; the message names the key.
    """
    wanted = prefix.rstrip("/") + "/"
    target = directory.joinpath(*Path(wanted).parts[-2:])
    with _verified_lock:
        if target not in _verified:
            _verified[target] = _fetch_bundle(store, wanted, target)
        return _verified[target]


def read_model_identity(store: ObjectStore, prefix: str) -> ModelIdentity:
    """Return which model lies below `prefix`, without fetching it.

    Raises:
        SettingsError: the prefix holds no model.
        CorruptObjectError: its `model.json` cannot be read or is of another model.
    """
    wanted = prefix.rstrip("/") + "/"
    try:
        data = store.get(wanted + DESCRIPTION_NAME).data
    except NotFoundError:
        raise SettingsError(
            f"there is no model at {wanted}: {wanted}{DESCRIPTION_NAME} is missing; set "
            "MODEL_PREFIX to an uploaded model (terraform apply uploads it)"
        ) from None
    return _describe(data, wanted).identity


def _describe(data: bytes, prefix: str) -> ModelBundle:
    key = prefix + DESCRIPTION_NAME
    bundle = _parse_description(data, key)
    if model_prefix(bundle.identity) != prefix:
        raise CorruptObjectError(
            f"{key} describes {bundle.identity.id} revision {bundle.identity.revision}, which "
            f"belongs below {model_prefix(bundle.identity)}; upload the model again"
        )
    return bundle


def _fetch_bundle(store: ObjectStore, prefix: str, target: Path) -> LocalModel:
    data = store.get(prefix + DESCRIPTION_NAME).data
    bundle = _describe(data, prefix)
    target.mkdir(parents=True, exist_ok=True)
    for file in bundle.files:
        if not _is_intact(target / file.name, file):
            _fetch_file(store, prefix + file.name, target / file.name, file)
    temporary = _temporary_path(target / DESCRIPTION_NAME)
    temporary.write_bytes(data)
    temporary.replace(target / DESCRIPTION_NAME)
    return LocalModel(target, bundle)


def _fetch_file(store: ObjectStore, key: str, path: Path, file: ModelFile) -> None:
    temporary = _temporary_path(path)
    try:
        store.download(key, temporary)
        if not _is_intact(temporary, file):
            raise CorruptObjectError(
                f"{key} has {temporary.stat().st_size} bytes and is not the file of "
                f"{file.size_bytes} bytes with sha256 {file.sha256}; upload the model again"
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex}")


def _parse_description(data: bytes, name: str) -> ModelBundle:
    try:
        bundle = ModelBundle.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise CorruptObjectError(f"{name} is no model bundle: {where}: {first['msg']}") from error
    names = {file.name for file in bundle.files}
    if not {GRAPH_NAME, TOKENIZER_NAME} <= names or DESCRIPTION_NAME in names:
        raise CorruptObjectError(
            f"{name} names the files {sorted(names)}; it must name {GRAPH_NAME} and "
            f"{TOKENIZER_NAME}, and not {DESCRIPTION_NAME}"
        )
    return bundle


def _is_intact(path: Path, file: ModelFile) -> bool:
    """Whether `path` holds exactly the described bytes; the size is asked first, it is cheap."""
    try:
        if path.stat().st_size != file.size_bytes:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False
