"""Which model is deployed, read without fetching it."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.embedding.model_files import read_model_identity
from shared.errors import CorruptObjectError, SettingsError
from shared.models.manifest import ModelIdentity
from shared.storage.memory import MemoryObjectStore

IDENTITY = ModelIdentity(id="tiny", revision="abc123", dims=4)
PREFIX = "models/tiny/abc123/"


class NoDownloads(MemoryObjectStore):
    """Refuses to fetch the model itself."""

    def download(self, key: str, path: Path) -> None:
        raise AssertionError(f"{key} was fetched to {path}")


def description(**changes: Any) -> bytes:
    files = [
        {"name": name, "size_bytes": 1, "sha256": "0" * 64}
        for name in ("model.onnx", "tokenizer.json")
    ]
    document = {
        "identity": IDENTITY.model_dump(),
        "precision": "fp32",
        "pooling": "mean",
        "max_tokens": 16,
        "source": "test",
        "files": files,
    }
    return json.dumps(document | changes).encode()


@pytest.fixture
def store() -> MemoryObjectStore:
    store = NoDownloads()
    store.put(f"{PREFIX}model.json", description())
    return store


@pytest.mark.parametrize("prefix", [PREFIX, PREFIX.rstrip("/")])
def test_the_identity_is_read_without_fetching_the_model(
    store: MemoryObjectStore, prefix: str
) -> None:
    assert read_model_identity(store, prefix) == IDENTITY


def test_a_prefix_without_a_model_is_a_wrong_setting(store: MemoryObjectStore) -> None:
    with pytest.raises(SettingsError, match="MODEL_PREFIX"):
        read_model_identity(store, "models/tiny/other/")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        description(precision="int1"),
        description(identity={"id": "other", "revision": "abc123", "dims": 4}),
    ],
)
def test_a_description_that_cannot_be_right_is_damage(
    store: MemoryObjectStore, data: bytes
) -> None:
    store.put(f"{PREFIX}model.json", data)
    with pytest.raises(CorruptObjectError, match=f"{PREFIX}model.json"):
        read_model_identity(store, PREFIX)
