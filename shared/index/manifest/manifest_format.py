"""Manifests as bytes: reading them with an error that says what is wrong with which object."""

from typing import Any

from pydantic import ValidationError

from shared.errors import CorruptObjectError
from shared.foreign_json import parse_foreign_json
from shared.models.manifest import Manifest
from shared.storage.object_store import StoredObject

SCHEMA_VERSION = 2
_GREATEST_VERSION = 10**12 - 1  # what the key of a version has digits for


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of a manifest; the same manifest makes the same bytes.

    The first generation is left out: releases that know of no other refuse the field.
    """
    left_out = {"generation"} if manifest.generation == 0 else set()
    return manifest.model_dump_json(exclude=left_out).encode()


def parse_manifest(stored: StoredObject, corpus: str) -> Manifest:
    """Read a manifest.

    Raises:
        CorruptObjectError: it is no manifest, of another release or of another corpus; names the
            key.
    """
    try:
        manifest = Manifest.model_validate_json(stored.data)
    except ValidationError as error:
        raise CorruptObjectError(_what_is_wrong(stored, error)) from error
    if manifest.corpus != corpus:
        raise CorruptObjectError(
            f"{stored.key} is the manifest of corpus {manifest.corpus}; "
            "bring an older version back with `ultron index restore`"
        )
    return manifest


def _what_is_wrong(stored: StoredObject, error: ValidationError) -> str:
    made_by = _field(stored.data, "schema_version")
    if isinstance(made_by, int) and made_by < SCHEMA_VERSION:
        return (
            f"{stored.key} was made by an older release (schema version {made_by}); "
            "`ultron index rebuild` builds the index again"
        )
    if isinstance(made_by, int) and made_by > SCHEMA_VERSION:
        return (
            f"{stored.key} was made by a newer release (schema version {made_by}); "
            "deploy that release, or build the index again with `ultron index rebuild`"
        )
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "document"
    return (
        f"{stored.key} is no manifest: {where}: {first['msg']}; "
        "bring an older version back with `ultron index restore`"
    )


def salvaged_version(data: bytes) -> int:
    """The version that a manifest of no use says it is; 0 when it does not say."""
    version = _field(data, "version")
    return version if isinstance(version, int) and 0 < version < _GREATEST_VERSION else 0


def _field(data: bytes, name: str) -> Any:
    try:
        document = parse_foreign_json(data)
    except ValueError:
        return None
    return document.get(name) if isinstance(document, dict) else None
