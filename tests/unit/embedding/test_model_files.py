"""Bundles in the object store: complete, intact, fetched once, shared by processes."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from shared.embedding import model_files
from shared.embedding.model_files import (
    load_model_bundle,
    model_prefix,
    open_model_directory,
    publish_model_bundle,
)
from shared.errors import CorruptObjectError, NotFoundError
from shared.models.manifest import ModelIdentity
from shared.storage.memory import MemoryObjectStore

CONTENTS = {"model.onnx": b"graph" * 1000, "tokenizer.json": b'{"model": 1}'}
PREFIX = "models/tiny/abc123/"


class CountingStore(MemoryObjectStore):
    """Counts downloads, and lets a test wait for them."""

    def __init__(self) -> None:
        super().__init__()
        self.downloads: list[str] = []

    def download(self, key: str, path: Path) -> None:
        self.downloads.append(key)
        super().download(key, path)


def description(**changes: Any) -> dict[str, Any]:
    files = [
        {"name": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in CONTENTS.items()
    ]
    return {
        "identity": {"id": "tiny", "revision": "abc123", "dims": 4},
        "precision": "fp32",
        "pooling": "mean",
        "max_tokens": 16,
        "source": "test",
        "files": files,
    } | changes


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as a process that has checked nothing."""
    monkeypatch.setattr(model_files, "_verified", {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    folder.mkdir()
    for name, data in CONTENTS.items():
        (folder / name).write_bytes(data)
    (folder / "model.json").write_text(json.dumps(description()))
    return folder


@pytest.fixture
def store(folder: Path) -> CountingStore:
    store = CountingStore()
    assert publish_model_bundle(store, folder) == PREFIX
    return store


def test_prefix_is_a_function_of_the_identity() -> None:
    assert model_prefix(ModelIdentity(id="tiny", revision="abc123", dims=4)) == PREFIX


def test_publishing_uploads_the_description_last_and_only_once(folder: Path) -> None:
    keys: list[str] = []

    class Recorder(MemoryObjectStore):
        def put(self, key: str, data: bytes, **options: Any) -> str:
            keys.append(key)
            return super().put(key, data, **options)

    recorder = Recorder()
    publish_model_bundle(recorder, folder)
    assert keys == [PREFIX + name for name in (*CONTENTS, "model.json")]
    keys.clear()
    publish_model_bundle(recorder, folder)
    assert keys == [PREFIX + "model.json"]


def test_publishing_replaces_an_object_of_another_size(folder: Path) -> None:
    store = MemoryObjectStore()
    store.put(PREFIX + "model.onnx", b"half")
    publish_model_bundle(store, folder)
    assert store.get(PREFIX + "model.onnx").data == CONTENTS["model.onnx"]


def test_loading_copies_every_file(store: CountingStore, tmp_path: Path) -> None:
    model = load_model_bundle(store, PREFIX, tmp_path / "not" / "there" / "yet")
    assert model.directory == tmp_path / "not/there/yet/tiny/abc123"
    assert {path.name for path in model.directory.iterdir()} == {*CONTENTS, "model.json"}
    assert open_model_directory(model.directory) == model


def test_a_prefix_without_its_slash_is_the_same(store: CountingStore, tmp_path: Path) -> None:
    assert load_model_bundle(store, PREFIX.rstrip("/"), tmp_path).bundle.identity.id == "tiny"


def test_a_process_loads_once(store: CountingStore, tmp_path: Path) -> None:
    first = load_model_bundle(store, PREFIX, tmp_path)
    assert load_model_bundle(store, PREFIX, tmp_path) is first
    assert len(store.downloads) == len(CONTENTS)


def test_the_next_process_reuses_intact_files(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model_bundle(store, PREFIX, tmp_path)
    (model.directory / "model.onnx").write_bytes(b"x" * len(CONTENTS["model.onnx"]))
    store.downloads.clear()
    monkeypatch.setattr(model_files, "_verified", {})
    load_model_bundle(store, PREFIX, tmp_path)
    assert store.downloads == [PREFIX + "model.onnx"]
    assert (model.directory / "model.onnx").read_bytes() == CONTENTS["model.onnx"]


@pytest.mark.parametrize("data", [CONTENTS["model.onnx"][:-1], b"x" * 5000, b""])
def test_a_truncated_or_foreign_object_is_refused(
    store: CountingStore, tmp_path: Path, data: bytes
) -> None:
    store.put(PREFIX + "model.onnx", data)
    with pytest.raises(CorruptObjectError, match=PREFIX + "model.onnx"):
        load_model_bundle(store, PREFIX, tmp_path)
    assert list((tmp_path / "tiny/abc123").iterdir()) == []
    # And nothing is remembered of the failure.
    store.put(PREFIX + "model.onnx", CONTENTS["model.onnx"])
    load_model_bundle(store, PREFIX, tmp_path)


def test_a_missing_object_is_named(store: CountingStore, tmp_path: Path) -> None:
    store.delete(PREFIX + "tokenizer.json")
    with pytest.raises(NotFoundError, match=PREFIX + "tokenizer.json"):
        load_model_bundle(store, PREFIX, tmp_path)
    with pytest.raises(NotFoundError, match=r"models/other/1/model\.json"):
        load_model_bundle(store, "models/other/1/", tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "no model bundle: document"),
        (json.dumps(description(max_tokens=2)).encode(), "max_tokens"),
        (json.dumps(description(extra=1)).encode(), "extra"),
        (json.dumps(description(files=description()["files"][:1] * 2)).encode(), "tokenizer.json"),
        (
            json.dumps(
                description(
                    files=[*description()["files"], description()["files"][0] | {"name": "../x"}]
                )
            ).encode(),
            "files.2.name",
        ),
        (
            json.dumps(
                description(identity={"id": "other", "revision": "abc123", "dims": 4})
            ).encode(),
            "describes other revision abc123",
        ),
    ],
)
def test_a_bad_description_is_refused(
    store: CountingStore, tmp_path: Path, data: bytes, message: str
) -> None:
    store.put(PREFIX + "model.json", data)
    with pytest.raises(CorruptObjectError, match=message) as raised:
        load_model_bundle(store, PREFIX, tmp_path)
    assert PREFIX + "model.json" in str(raised.value)


def test_threads_share_one_load(store: CountingStore, tmp_path: Path) -> None:
    models: list[model_files.LocalModel] = []
    threads = [
        threading.Thread(target=lambda: models.append(load_model_bundle(store, PREFIX, tmp_path)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 8
    assert len(store.downloads) == len(CONTENTS)


def test_open_names_what_is_missing_or_damaged(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere/model\.json does not exist"):
        open_model_directory(tmp_path / "nowhere")
    (folder / "model.onnx").write_bytes(b"else")
    with pytest.raises(CorruptObjectError, match=r"model\.onnx"):
        open_model_directory(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(NotFoundError, match=r"model\.onnx is missing"):
        open_model_directory(folder)
